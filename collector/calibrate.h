/* SPDX-License-Identifier: MIT */
/*
 * Raw ticks to Unix time. Ticks are the machine's, so one calibration serves all tracees: a
 * pair of both clocks, read once a second, begins a new straight piece, whose slope is that
 * of the second before. A step of the clock (somebody set it) makes no slope: the pieces
 * just do not meet there.
 *
 * What lies before the first pair is the tracee's own affair: a line from the pair in its
 * header to our first one, if that has a believable slope.
 */
#ifndef COLLECTOR_CALIBRATE_H
#define COLLECTOR_CALIBRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

/* Nanoseconds per tick, times 2^SHIFT. */
#define CALIBRATE_SHIFT 40

struct calibrate_piece {
	struct clock_pair from;
	uint64_t slope;
};

/* Start or continue to watch a clock: reads a pair if the last one is older than 0.9 s. The
 * first call for a clock takes 10 ms. */
void calibrate_tick(enum clock_kind kind);

/* The piece that holds now. */
const struct calibrate_piece *calibrate_latest(enum clock_kind kind);

/* The time of a tick at or after the first pair; before it, the first piece extended. */
uint64_t calibrate_time(enum clock_kind kind, uint64_t ticks);

/* How long so many ticks last: no matter that somebody set the clock meanwhile. */
uint64_t calibrate_duration(enum clock_kind kind, uint64_t ticks);

/* A tracee's own part: what happened before the first pair. */
struct calibrate_past {
	bool valid;
	struct clock_pair first; /* our first pair; the past lies before it */
	struct calibrate_piece piece;
};
void calibrate_past_init(struct calibrate_past *past, enum clock_kind kind,
			 struct clock_pair start);

/* Unix time of a tick; ticks are clamped to [start of the tracee, `now`]. */
uint64_t calibrate_convert(const struct calibrate_past *past, enum clock_kind kind,
			   uint64_t ticks, uint64_t now);

#endif
