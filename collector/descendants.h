/* SPDX-License-Identifier: MIT */
/*
 * Finds the descendants of processes, and among them Python programs that run without the hook
 * (-I, -E, an emptied environment), by walking the children in /proc. One that lives shorter than
 * the grace, or whose parent ended before it was seen, is missed.
 */
#ifndef COLLECTOR_DESCENDANTS_H
#define COLLECTOR_DESCENDANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "identity.h"

#define DESCENDANTS_EVERY_NS 40000000u

struct descendants;

struct descendants *descendants_new(void); /* NULL: no memory */
void descendants_free(struct descendants *descendants);

/* Those of this process, and itself, are looked at, too. */
void descendants_of(struct descendants *descendants, uint32_t pid);

struct descendants_asker {
	void *context;
	/* Is this process followed already? */
	bool (*knows)(void *context, uint32_t pid);
	/* It descends from one of them; said once. */
	void (*joined)(void *context, uint32_t pid, uint64_t start_time);
	/* One without the hook; said once for each program that a process runs. */
	void (*found)(void *context, const struct identity *identity);
};

/* Walk, unless the last walk was a moment ago; now_ns is monotonic. */
void descendants_scan(struct descendants *descendants, uint64_t now_ns,
		      const struct descendants_asker *asker);

#endif
