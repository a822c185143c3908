/* SPDX-License-Identifier: MIT */
/* The lanes of a tracee: who they are, what is read from them, and what they get back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "tracee_state.h"

/* ---- lanes ---- */

static bool
add_lane(struct tracee *tracee)
{
	const struct segment_header *header = &tracee->segment.header;
	uint32_t i = tracee->n_lanes;
	struct drain **lanes = realloc(tracee->lanes, (i + 1) * sizeof *lanes);
	if (lanes == NULL)
		return false;
	tracee->lanes = lanes;
	uint8_t *base = attachment_lane(&tracee->segment, i);
	struct drain *drain = base != NULL ? malloc(sizeof *drain) : NULL;
	if (drain == NULL)
		return false;
	struct lane_shared *shared = (struct lane_shared *)base;
	drain_init(drain, shared, (const struct slot *)(base + tracee->segment.at.slots),
		   i == 0 ? header->lane0_slots : header->other_slots, i,
		   (enum lane_mode)header->mode, !tracee->backlog && !tracee->begun,
		   &tracee->call_room);
	if (tracee->begun)
		drain_began_with_us(drain);
	drain->reader.there = attachment_slots_there;
	drain->reader.there_context = &tracee->segment;
	drain->reader.there_at = segment_lane_offset(&tracee->segment.at, i) + tracee->segment.at.slots;
	store_relaxed(&shared->waiting, tracee->waiting);
	lanes[i] = drain;
	tracee->n_lanes++;
	return true;
}

/* Lanes that were taken since; those that are there at the first call were there before us. */
static void
find_lanes(struct tracee *tracee)
{
	uint64_t used = load_acquire(&tracee->segment.shared->lanes_used);
	if (used > tracee->segment.header.n_lanes)
		used = tracee->segment.header.n_lanes;
	if (used == 0)
		used = 1;
	while (tracee->n_lanes < used && add_lane(tracee)) {
	}
	tracee->begun = true;
}

void
tracee_note(struct tracee *tracee)
{
	if (tracee->noted_last)
		return;
	find_lanes(tracee);
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_note(tracee->lanes[i]);
}

void
tracee_note_last(struct tracee *tracee)
{
	tracee_note(tracee);
	tracee->noted_last = true;
}

void
tracee_backlog(struct tracee *tracee, bool wanted)
{
	tracee->backlog = wanted;
	find_lanes(tracee);
	if (!wanted)
		tracee_note_functions(tracee);
}

void
tracee_release_nothing(struct tracee *tracee)
{
	tracee->releases_nothing = true;
}

void
tracee_read_until(struct tracee *tracee, const bool *enough)
{
	tracee->enough = enough;
}

void
tracee_set_waiting(struct tracee *tracee, bool waiting)
{
	tracee->waiting = waiting;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		store_relaxed(&tracee->lanes[i]->shared->waiting, waiting);
}

/* ---- reading ---- */

static void
hand_over(void *context, const struct event *event, bool wanted)
{
	struct tracee *tracee = context;
	if (tracee->segment.hit && event->lane == EVENT_NO_LANE)
		return; /* of the zeroes behind a truncation, which is_condemned() tells */
	tracee->n_notices += event->type == EVENT_NOTICE && event->lane != EVENT_NO_LANE;
	if (event->type == EVENT_CALL && wanted)
		event->function->n_calls++;
	if (wanted)
		tracee->fn(tracee->context, tracee, event);
	else
		tracee->filtered++;
}

static uint64_t
time_of(void *context, uint64_t ticks)
{
	struct tracee *tracee = context;
	enum clock_kind kind = (enum clock_kind)tracee->segment.header.clock_kind;
	return calibrate_convert(&tracee->past, kind,
				 identity_ticks(&tracee->identity, kind, ticks), tracee->now_ticks);
}

static uint64_t
duration_of(void *context, uint64_t ticks)
{
	struct tracee *tracee = context;
	return calibrate_duration((enum clock_kind)tracee->segment.header.clock_kind, ticks);
}

static struct drain_to
begin_reading(struct tracee *tracee, tracee_event_fn fn, void *context)
{
	tracee->fn = fn;
	tracee->context = context;
	tracee->now_ticks = clock_ticks((enum clock_kind)tracee->segment.header.clock_kind);
	return (struct drain_to){
		.fn = hand_over,
		.time = time_of,
		.duration = duration_of,
		.context = tracee,
		.symbols = tracee->symbols,
		.now_ns = clock_ns(CLOCK_REALTIME),
		.enough = tracee->enough,
	};
}

/* What reached no lane. */
static void
tell_lost(struct tracee *tracee, uint64_t now_ns)
{
	for (unsigned i = 0; i < N_LOST_REASONS; i++) {
		if (!LOST_IS_HOOKS(i))
			continue;
		uint64_t n = load_relaxed(&tracee->segment.shared->lost[i]) - tracee->lost[i];
		if ((int64_t)n <= 0)
			continue;
		struct event event = {
			.type = EVENT_LOST,
			.time_ns = now_ns,
			.lane = EVENT_NO_LANE,
			.lost_count = n,
			.lost_reason = i,
		};
		tracee->lost[i] += n;
		tracee->fn(tracee->context, tracee, &event);
	}
}

static bool
is_condemned(struct tracee *tracee)
{
	if (tracee->segment.hit)
		snprintf(tracee->why, sizeof tracee->why,
			 "its segment was truncated while it was read");
	else if (symbols_refused(tracee->symbols))
		snprintf(tracee->why, sizeof tracee->why,
			 "the names of all programs that are read fill %u MiB, and it has more of "
			 "them than %u MiB", SYMBOLS_OF_ALL_BYTES >> 20, SYMBOLS_ALWAYS_BYTES >> 20);
	else if (symbols_damaged(tracee->symbols))
		snprintf(tracee->why, sizeof tracee->why, "its definitions make no sense");
	return tracee->why[0] != '\0';
}

/* Of many quiet processes each round touches as little as can be. */
bool
tracee_has_more(const struct tracee *tracee)
{
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		if (drain_has_more(tracee->lanes[i]))
			return true;
	return false;
}

static bool
is_enough(const struct tracee *tracee)
{
	return tracee->enough != NULL && *tracee->enough;
}

/* Where one had all that there is, the next turn begins behind it. */
static uint64_t
drain_lane(struct tracee *tracee, uint32_t i, const struct drain_to *to, uint64_t max)
{
	bool before = is_enough(tracee);
	uint64_t n = drain_run(tracee->lanes[i], to, max);
	if (!before && is_enough(tracee))
		tracee->first_lane = i + 1;
	return n;
}

/* Each lane has its share; what the quiet ones leave of theirs is for the busy ones. */
static uint64_t
drain_lanes(struct tracee *tracee, const struct drain_to *to, uint64_t max)
{
	uint64_t n = 0, share = max / (tracee->n_lanes + 1) + 1;
	uint32_t first = tracee->first_lane;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		n += drain_lane(tracee, (first + i) % tracee->n_lanes, to, share);
	for (uint32_t i = 0; i < tracee->n_lanes && n < max; i++) {
		uint32_t lane = (first + i) % tracee->n_lanes;
		if (drain_has_more(tracee->lanes[lane]))
			n += drain_lane(tracee, lane, to, max - n);
	}
	return n;
}

int64_t
tracee_drain(struct tracee *tracee, tracee_event_fn fn, void *context, uint64_t max)
{
	struct drain_to to = begin_reading(tracee, fn, context);
	if (!tracee->looking && !tracee_has_more(tracee))
		return is_condemned(tracee) ? -TRACEE_CONDEMNED : 0;
	tracee->unreleased = tracee->unmarked = true;
	if (tracee->looking) {
		tell_lost(tracee, to.now_ns);
		for (uint32_t i = 0; i < tracee->n_lanes; i++)
			drain_look_for_losses(tracee->lanes[i]);
		tracee->looking = false;
	}
	int64_t n = (int64_t)drain_lanes(tracee, &to, max);
	return is_condemned(tracee) ? -TRACEE_CONDEMNED : n;
}

void
tracee_release(struct tracee *tracee)
{
	if (!tracee->unreleased || tracee->releases_nothing)
		return;
	tracee_mark(tracee);
	tracee_release_marked(tracee);
}

void
tracee_mark(struct tracee *tracee)
{
	if (!tracee->unmarked)
		return;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_mark(tracee->lanes[i]);
	memcpy(tracee->marked_lost, tracee->lost, sizeof tracee->marked_lost);
	tracee->unmarked = false;
}

void
tracee_release_marked(struct tracee *tracee)
{
	if (!tracee->unreleased || tracee->releases_nothing)
		return;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_release_marked(tracee->lanes[i]);
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		store_relaxed(&tracee->segment.control->told_lost[i], tracee->marked_lost[i]);
	tracee->unreleased = tracee->unmarked;
}

void
tracee_relieve(struct tracee *tracee)
{
	if (!tracee->unreleased || tracee->releases_nothing)
		return;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_relieve(tracee->lanes[i]);
}

bool
tracee_finish(struct tracee *tracee, tracee_event_fn fn, void *context)
{
	tracee->looking = true;
	tracee_note_last(tracee);
	while (tracee_drain(tracee, fn, context, 4096) > 0) {
	}
	tracee->unreleased = tracee->unmarked = true;
	if (is_enough(tracee) && tracee_has_more(tracee))
		return false;
	struct drain_to to = begin_reading(tracee, fn, context);
	tell_lost(tracee, to.now_ns);
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_finish(tracee->lanes[i], &to);
	return true;
}

void
tracee_give_up(struct tracee *tracee, tracee_event_fn fn, void *context)
{
	struct drain_to to = begin_reading(tracee, fn, context);
	for (uint32_t i = 0; i < tracee->n_lanes; i++) {
		tracee->lanes[i]->damaged = true;
		drain_finish(tracee->lanes[i], &to);
	}
}
