/* SPDX-License-Identifier: MIT */
/*
 * Finds Python programs below a command that run without the hook (-I, -E, an emptied
 * environment), by walking the children in /proc. One that lives shorter than the grace, or
 * whose parent died before it was seen, is missed.
 */
#ifndef COLLECTOR_DESCENDANTS_H
#define COLLECTOR_DESCENDANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "identity.h"

#define DESCENDANTS_EVERY_NS 40000000u

struct descendants;

struct descendants *descendants_new(uint32_t root_pid); /* NULL: no memory */
void descendants_free(struct descendants *descendants);
uint32_t descendants_root(const struct descendants *descendants);

/* Is this process followed already? */
typedef bool (*descendants_known_fn)(void *context, uint32_t pid);
/* One without the hook; called once for each program that a process runs. */
typedef void (*descendants_found_fn)(void *context, const struct identity *identity);

/* Walk, unless the last walk was a moment ago; now_ns is monotonic. */
void descendants_scan(struct descendants *descendants, uint64_t now_ns,
		      descendants_known_fn known, descendants_found_fn found, void *context);

#endif
