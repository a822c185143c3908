/* SPDX-License-Identifier: MIT */
/*
 * Segments that are not read again: they made no sense, or no output takes any more what they hold.
 * Of very many, the last ones.
 */
#ifndef COLLECTOR_CONDEMNED_H
#define COLLECTOR_CONDEMNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discover.h"

#define CONDEMNED_MAX 256

struct condemned {
	struct {
		dev_t dev;
		ino_t ino;
		uint32_t pid;
	} items[CONDEMNED_MAX];
	size_t n; /* ever */
};

void condemned_add(struct condemned *condemned, const struct segment_found *found, uint32_t pid);
bool condemned_has(const struct condemned *condemned, const struct segment_found *found);
bool condemned_has_pid(const struct condemned *condemned, uint32_t pid);

#endif
