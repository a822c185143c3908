/* SPDX-License-Identifier: MIT */
/*
 * The exact counters of a segment, by definition id, summed over its lanes, and the sums of its
 * functions. They are read with pread(2), not from a mapping: the hook gives a page memory when it
 * first needs it, and touching a hole of a mapping would take memory from /dev/shm, or find none.
 */
#ifndef COLLECTOR_COUNTERS_H
#define COLLECTOR_COUNTERS_H

#include <stdint.h>

#include "segment.h"

/* Adds to sums[0..n_ids) those of the first n_lanes lanes of the object. */
void counters_sum(int fd, const struct segment_layout *at, uint32_t n_lanes, uint64_t *sums,
		  uint32_t n_ids);

/* Adds to stats[0..n_ids); only of a segment that has them. */
void counters_calls(int fd, const struct segment_layout *at, struct call_stats *stats,
		    uint32_t n_ids);

#endif
