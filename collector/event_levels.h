/* SPDX-License-Identifier: MIT */
/*
 * The level of each event of a segment, as its user means it. Some events the hook hears for
 * itself, as when a profile function is set: for them stands LEVEL_WATCH in the segment, and what
 * is in force, the collector's settings or the program's own, says what becomes of them. So it does
 * where the hook is to ask for another level and has not come by since, if the two say the same.
 */
#ifndef COLLECTOR_EVENT_LEVELS_H
#define COLLECTOR_EVENT_LEVELS_H

#include <stdint.h>

#include "segment.h"
#include "symbols.h"

/* levels[0..n_ids), enum level. What cannot be read is LEVEL_UNDEFINED. */
void event_levels_read(int fd, const struct segment_header *header, const struct segment_layout *at,
		       const struct symbols *symbols, uint8_t *levels, uint32_t n_ids);

#endif
