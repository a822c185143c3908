/* SPDX-License-Identifier: MIT */
/* Levels of events that somebody has changed with a key, for the programs whose reader we are. */
#ifndef COLLECTOR_TOP_WISHES_H
#define COLLECTOR_TOP_WISHES_H

#include <stdbool.h>
#include <stddef.h>

#include "levels.h"
#include "watched.h"

#define WISHES_MOST 32

/* Each event once; the names are owned. Zeroed at first. */
struct wishes {
	struct {
		char *event;
		enum level level;
	} items[WISHES_MOST];
	size_t n;
};

void wishes_fini(struct wishes *wishes);

/*
 * `event`, and no other, is to have a level. 0; -E2BIG: too many were changed; -EINVAL: a program
 * made up a name that a list of events cannot have; or -ENOMEM.
 */
int wishes_add(struct wishes *wishes, const char *event, enum level level);

/* What it is to have; LEVEL_UNDEFINED: nothing was wished for it. */
enum level wishes_level(const struct wishes *wishes, const char *event);

/* Tell this program all of them. False: we do not read it, or the list has grown too long. */
bool wishes_tell(const struct wishes *wishes, struct watched *watched);

#endif
