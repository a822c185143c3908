/* SPDX-License-Identifier: MIT */
/* Definitions, as the hook writes them (common/defs.h says how they stand). */
#ifndef HOOK_DEFINE_H
#define HOOK_DEFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "defs.h"
#include "levels.h"
#include "session.h"

/* Ids are given out once per process and its forked children; 0: none left. */
uint32_t define_new_id(void);

/* Is this id defined in the present segment? Ids outlive a fork, definitions do not. */
static inline bool
define_done(uint32_t id)
{
	return id != 0 && id < load_relaxed(&session.n_levels) &&
	       load_acquire(&session.levels[id]) != 0;
}

/* The pieces of a definition, put end to end. */
struct def_part {
	const void *bytes;
	size_t n;
};

/*
 * Append a definition and give its id a level, which says "defined". False: no room; the
 * caller does without. Cut at DEF_MAX_BYTES. With the session's lock held.
 */
bool define_locked(uint32_t id, enum def_kind kind, const struct def_part *parts, unsigned n_parts,
		   enum level level);

#endif
