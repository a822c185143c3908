/* SPDX-License-Identifier: MIT */
#include "drain.h"

#include <string.h>

#include "decode.h"

#define COPY_SLOTS 4096 /* at least RECORD_MAX_SLOTS */

static struct slot copy[COPY_SLOTS]; /* one thread drains */

/* Go on where an earlier collector stopped; without one both entries are zero, as is tail. */
static void
resume(struct drain *drain)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct lane_told *told = &drain->shared->told[i];
		uint64_t seq = load_relaxed(&told->seq);
		if (load_acquire(&told->tail) != drain->reader.position ||
		    (drain->resumed && seq <= drain->next_seq))
			continue;
		drain->resumed = true;
		drain->told = 1 - i;
		drain->next_seq = drain->before_events = seq;
		for (unsigned k = 0; k < LANE_DROP_REASONS; k++) {
			drain->dropped[k] = load_relaxed(&told->dropped[k]);
			drain->before_events -= drain->dropped[k];
		}
	}
}

/* Somebody moved tail and told nothing: what came before the first record is his. */
static void
resume_at(struct drain *drain, uint64_t seq)
{
	drain->resumed = true;
	drain->next_seq = drain->before_events = seq;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++) {
		drain->dropped[i] = load_relaxed(&drain->shared->dropped[i]);
		drain->before_events -= drain->dropped[i];
	}
}

void
drain_init(struct drain *drain, struct lane_shared *shared, const struct slot *slots,
	   uint64_t n_slots, uint32_t index, enum lane_mode mode, bool skip)
{
	memset(drain, 0, sizeof *drain);
	drain->shared = shared;
	drain->index = index;
	lane_reader_init(&drain->reader, shared, slots, n_slots, mode == LANE_OVERWRITE);
	drain->limit = drain->reader.position;
	drain->skip_to = skip ? load_acquire(&shared->head) : drain->limit;
	resume(drain);
}

void
drain_note(struct drain *drain)
{
	drain->limit = load_acquire(&drain->shared->head); /* (C) of common/lane.h */
	uint64_t unread = drain->limit - drain->reader.position;
	if (unread > drain->most_unread && unread <= drain->reader.n_slots)
		drain->most_unread = unread;
}

uint64_t
drain_dropped(const struct drain *drain)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		n += drain->dropped[i];
	return n;
}

uint64_t
drain_lost(const struct drain *drain)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		n += drain->lost[i];
	return n;
}

/* ---- losses ---- */

static void
tell_lost(struct drain *drain, const struct drain_to *to, unsigned reason, uint64_t n,
	  uint64_t time_ns)
{
	struct event event = {
		.type = EVENT_LOST,
		.time_ns = time_ns,
		.lane = drain->index,
		.lost_count = n,
		.lost_reason = reason,
		.lost_seq_from = drain->next_seq,
		.lost_seq_to = drain->next_seq + n - 1,
	};
	if (reason < LANE_DROP_REASONS)
		drain->dropped[reason] += n;
	else
		drain->lost[reason] += n;
	drain->next_seq += n;
	to->fn(to->context, &event, true);
}

/*
 * The events up to `seq` are missing. The hook's counts, which were stored before the next
 * record was, say why; those that came before anybody read come first.
 */
static void
tell_gap(struct drain *drain, const struct drain_to *to, uint64_t seq, uint64_t time_ns)
{
	static const uint8_t order[] = {LOST_NO_READER, LOST_LANE_FULL, LOST_NO_MEMORY};
	for (unsigned i = 0; i < sizeof order && drain->next_seq < seq; i++) {
		unsigned reason = order[i];
		uint64_t n = load_acquire(&drain->shared->dropped[reason]) - drain->dropped[reason];
		if (n > seq - drain->next_seq)
			n = (int64_t)n > 0 ? seq - drain->next_seq : 0;
		if (n > 0)
			tell_lost(drain, to, reason, n, time_ns);
	}
	bool replaced = drain->reader.overwrite && !drain->damaged;
	if (drain->next_seq < seq)
		tell_lost(drain, to, replaced ? LOST_OVERWRITTEN : LOST_DAMAGED,
			  seq - drain->next_seq, time_ns);
}

void
drain_look_for_losses(struct drain *drain)
{
	if (drain->looking)
		return;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		drain->noted[i] = load_acquire(&drain->shared->dropped[i]);
	drain->noted_head = load_acquire(&drain->shared->head);
	drain->looking = true;
}

/* Everything that was there when the counts were noted has been read. */
static void
tell_noted_losses(struct drain *drain, const struct drain_to *to)
{
	uint64_t n = 0;
	drain->looking = false;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		if ((int64_t)(drain->noted[i] - drain->dropped[i]) > 0)
			n += drain->noted[i] - drain->dropped[i];
	uint64_t taken = load_relaxed(&drain->shared->seq) - drain->next_seq;
	if (n > 0 && (int64_t)taken > 0)
		tell_gap(drain, to, drain->next_seq + (n < taken ? n : taken), to->now_ns);
}

void
drain_finish(struct drain *drain, const struct drain_to *to)
{
	uint64_t left = load_relaxed(&drain->shared->seq) - drain->next_seq;
	if ((int64_t)left <= 0 || left > RECORD_SEQ_MASK)
		return;
	uint64_t dropped = 0;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		dropped += load_acquire(&drain->shared->dropped[i]) - drain->dropped[i];
	/* The one that was being written; a damaged lane has more to say. */
	if (left == dropped + 1 && !drain->damaged) {
		if (dropped > 0)
			tell_gap(drain, to, drain->next_seq + dropped, to->now_ns);
		tell_lost(drain, to, LOST_KILLED, 1, to->now_ns);
	} else {
		tell_gap(drain, to, drain->next_seq + left, to->now_ns);
	}
}

/* ---- records ---- */

static void
give_up(struct drain *drain, const struct drain_to *to)
{
	struct event event = {
		.type = EVENT_NOTICE,
		.time_ns = to->now_ns,
		.lane = EVENT_NO_LANE,
		.what = "damaged",
		.detail = "what stands in a lane is no record: it is read no further",
	};
	drain->damaged = true;
	drain->looking = false;
	to->fn(to->context, &event, true);
}

/* False: its number is one that was there before. */
static bool
account_for(struct drain *drain, const struct drain_to *to, uint64_t masked, uint64_t time_ns)
{
	if (!drain->resumed)
		resume_at(drain, masked);
	/* The record has the lower 46 bits of it. */
	uint64_t ahead = (masked - drain->next_seq) & RECORD_SEQ_MASK;
	if (ahead > RECORD_SEQ_MASK / 2)
		return false;
	if (ahead > 0)
		tell_gap(drain, to, drain->next_seq + ahead, time_ns);
	return true;
}

static bool
take(struct drain *drain, const struct drain_to *to, const struct slot *slots, uint64_t position)
{
	struct event event = {.lane = drain->index};
	event.time_ns = to->time(to->context, slots[0].w[1]);
	if (!account_for(drain, to, record_seq(slots[0].w[0]), event.time_ns))
		return false;
	event.seq = drain->next_seq;
	if (!decode_record(slots, to->symbols, &event)) {
		tell_lost(drain, to, LOST_DAMAGED, 1, event.time_ns);
		return true;
	}
	drain->next_seq++;
	to->fn(to->context, &event, (int64_t)(position - drain->skip_to) >= 0);
	return true;
}

/* As many records as the copy holds; how many slots of it were used, -1: damaged. */
static int64_t
take_copied(struct drain *drain, const struct drain_to *to, uint64_t n_slots, uint64_t *left)
{
	uint64_t at = 0, position = drain->reader.position - n_slots;
	while (at < n_slots && *left > 0) {
		int k = record_check(copy + at, n_slots - at);
		/* The rest of it comes with the next copy, if there is more, and if it was not
		 * a whole copy that did not suffice. */
		if (k == 0 && drain->reader.position != drain->reader.head &&
		    n_slots - at < COPY_SLOTS)
			break;
		if (k < 0 && drain->reader.overwrite) {
			at++; /* of a record whose beginning was overwritten */
			continue;
		}
		if (k <= 0 || !take(drain, to, copy + at, position + at))
			return -1;
		at += (uint64_t)k;
		--*left;
	}
	return (int64_t)at;
}

uint64_t
drain_run(struct drain *drain, const struct drain_to *to, uint64_t max)
{
	uint64_t left = max;
	unsigned vain = 0;
	int64_t there;
	/* A copy in vain: what was overwritten left the beginning of a record only, or a lying
	 * head ends inside one. */
	while (left > 0 && !drain->damaged && vain < 2 &&
	       (there = (int64_t)(drain->limit - drain->reader.position)) > 0) {
		int64_t n = lane_reader_copy(&drain->reader, copy,
					     there < COPY_SLOTS ? (uint64_t)there : COPY_SLOTS);
		int64_t used = n > 0 ? take_copied(drain, to, (uint64_t)n, &left) : n;
		if (used < 0)
			give_up(drain, to);
		else if (n == 0)
			break;
		else
			lane_reader_unread(&drain->reader, (uint64_t)(n - used));
		vain = used == 0 ? vain + 1 : 0;
	}
	if (drain->looking && (int64_t)(drain->reader.position - drain->noted_head) >= 0)
		tell_noted_losses(drain, to);
	return max - left;
}

void
drain_release(struct drain *drain)
{
	if (drain->damaged || !drain->resumed)
		return;
	struct lane_told *told = &drain->shared->told[drain->told];
	store_relaxed(&told->tail, ~drain->reader.position); /* no entry while it is written */
	fence_release();
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		store_relaxed(&told->dropped[i], drain->dropped[i]);
	store_relaxed(&told->seq, drain->next_seq);
	store_release(&told->tail, drain->reader.position);
	drain->told = 1 - drain->told;
	lane_reader_release(&drain->reader);
}
