/* SPDX-License-Identifier: MIT */
#include "calibrate.h"

#include <stddef.h>

#define N_PIECES 128 /* two minutes: events are drained much sooner */
#define PAIR_INTERVAL_NS 900000000u
#define FIRST_SLOPE_NS 10000000
/* Slewing changes the rate by 500 ppm at most; beyond twice that the clock was set. */
#define PLAUSIBLE_PPM 1000

struct calibration {
	struct calibrate_piece pieces[N_PIECES]; /* a ring; `n` ever made */
	uint64_t n;
	struct clock_pair first;
	uint64_t base_slope; /* of the first one: what later ones are compared with */
};
static struct calibration calibrations[CLOCK_KIND_CNTVCT + 1];

static uint64_t
slope_between(struct clock_pair a, struct clock_pair b)
{
	uint64_t ticks = b.ticks - a.ticks;
	if (b.ticks <= a.ticks || b.realtime_ns <= a.realtime_ns)
		return 0;
	unsigned __int128 ns = b.realtime_ns - a.realtime_ns;
	return (uint64_t)((ns << CALIBRATE_SHIFT) / ticks);
}

static bool
is_plausible(uint64_t slope, uint64_t base, unsigned ppm)
{
	uint64_t off = slope > base ? slope - base : base - slope;
	return slope != 0 && off <= base / 1000000 * ppm;
}

static uint64_t
along(const struct calibrate_piece *piece, uint64_t ticks)
{
	int64_t ahead = (int64_t)(ticks - piece->from.ticks);
	__int128 ns = (__int128)ahead * (__int128)piece->slope;
	return piece->from.realtime_ns + (uint64_t)(int64_t)(ns >> CALIBRATE_SHIFT);
}

static void
begin(struct calibration *c, enum clock_kind kind)
{
	struct timespec wait = {.tv_nsec = FIRST_SLOPE_NS};
	c->first = clock_pair_read(kind);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
	struct clock_pair second = clock_pair_read(kind);
	c->base_slope = slope_between(c->first, second);
	if (kind == CLOCK_KIND_MONOTONIC || c->base_slope == 0)
		c->base_slope = 1ULL << CALIBRATE_SHIFT;
	c->pieces[0] = (struct calibrate_piece){c->first, c->base_slope};
	c->n = 1;
}

void
calibrate_tick(enum clock_kind kind)
{
	struct calibration *c = &calibrations[kind];
	if (c->n == 0) {
		begin(c, kind);
		return;
	}
	const struct calibrate_piece *last = &c->pieces[(c->n - 1) % N_PIECES];
	uint64_t now = clock_ticks(kind);
	if (along(last, now) - last->from.realtime_ns < PAIR_INTERVAL_NS)
		return;
	struct calibrate_piece next = {clock_pair_read(kind), last->slope};
	uint64_t slope = slope_between(last->from, next.from);
	if (is_plausible(slope, c->base_slope, PLAUSIBLE_PPM))
		next.slope = slope;
	c->pieces[c->n++ % N_PIECES] = next;
}

const struct calibrate_piece *
calibrate_latest(enum clock_kind kind)
{
	struct calibration *c = &calibrations[kind];
	if (c->n == 0)
		begin(c, kind);
	return &c->pieces[(c->n - 1) % N_PIECES];
}

uint64_t
calibrate_time(enum clock_kind kind, uint64_t ticks)
{
	const struct calibrate_piece *piece = calibrate_latest(kind);
	const struct calibration *c = &calibrations[kind];
	uint64_t oldest = c->n > N_PIECES ? c->n - N_PIECES : 0;
	for (uint64_t i = c->n - 1; i > oldest && (int64_t)(ticks - piece->from.ticks) < 0;)
		piece = &c->pieces[--i % N_PIECES];
	return along(piece, ticks);
}

uint64_t
calibrate_duration(enum clock_kind kind, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * calibrate_latest(kind)->slope >>
			  CALIBRATE_SHIFT);
}

void
calibrate_past_init(struct calibrate_past *past, enum clock_kind kind, struct clock_pair start)
{
	calibrate_latest(kind);
	const struct calibration *c = &calibrations[kind];
	*past = (struct calibrate_past){.first = c->first, .piece = {start, 0}};
	uint64_t slope = slope_between(start, c->first);
	/* A program that ran for years, or a clock set since: 1 % tells it from nonsense. */
	past->valid = is_plausible(slope, c->base_slope, 10000);
	past->piece.slope = slope;
}

uint64_t
calibrate_convert(const struct calibrate_past *past, enum clock_kind kind, uint64_t ticks,
		  uint64_t now)
{
	if ((int64_t)(ticks - now) > 0)
		ticks = now;
	if ((int64_t)(ticks - past->first.ticks) >= 0)
		return calibrate_time(kind, ticks);
	if (!past->valid) {
		/* Not before its start, as far as that is known; and never before the epoch. */
		struct calibrate_piece first = {past->first, calibrations[kind].base_slope};
		uint64_t ns = along(&first, ticks);
		return (int64_t)ns < 0 ? 0 : ns;
	}
	if ((int64_t)(ticks - past->piece.from.ticks) < 0)
		ticks = past->piece.from.ticks;
	return along(&past->piece, ticks);
}
