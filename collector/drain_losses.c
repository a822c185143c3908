/* SPDX-License-Identifier: MIT */
#include "drain_losses.h"

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

/* Of the next n that are lost for this reason: how many were before we came. */
static uint64_t
before_us(const struct drain *drain, unsigned reason, uint64_t n)
{
	uint64_t left = reason == LOST_NO_READER   ? drain->before_us - drain->dropped[reason]
			: reason == LOST_OVERWRITTEN ? drain->before_seq - drain->next_seq : 0;
	return (int64_t)left <= 0 ? 0 : left < n ? left : n;
}

void
drain_tell_lost(struct drain *drain, const struct drain_to *to, unsigned reason, uint64_t n,
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
		.lost_before = before_us(drain, reason, n),
	};
	if (reason < LANE_DROP_REASONS)
		drain->dropped[reason] += n;
	else
		drain->lost[reason] += n;
	drain->next_seq += n;
	drain->resumed = true; /* by these numbers, whatever the first record says */
	call_stacks_forget(&drain->calls);
	to->fn(to->context, &event, true);
}

void
drain_tell_unwritten(struct drain *drain, const struct drain_to *to, uint64_t time_ns)
{
	uint64_t n = drain->unwritten, drops = drain->unwritten_drops;
	if (n == 0)
		return;
	drain->unwritten = 0;
	/* No more than there ever were; the open slot's are not in seq yet. */
	uint64_t end = drain->next_seq + n;
	uint64_t most = load_relaxed(&drain->shared->seq) + CALLS_PER_SLOT;
	if (n > RECORD_SEQ_MASK / 2 || drops > n || end > most)
		return;
	if (n > drops)
		drain_tell_lost(drain, to, LOST_COLLECTOR_KILLED, n - drops, time_ns);
	drain_tell_gap(drain, to, end, time_ns);
}

/* The hook's counts, which were stored before the next record was, say why. */
void
drain_tell_gap(struct drain *drain, const struct drain_to *to, uint64_t seq, uint64_t time_ns)
{
	static const uint8_t orders[2][3] = {{LOST_NO_READER, LOST_LANE_FULL, LOST_NO_MEMORY},
					     {LOST_LANE_FULL, LOST_NO_READER, LOST_NO_MEMORY}};
	/* Who finds us silent for too long says so after he has waited for us. */
	bool ours = drain->dropped[LOST_NO_READER] >= drain->before_us;
	for (unsigned i = 0; i < 3 && drain->next_seq < seq; i++) {
		unsigned reason = orders[ours][i];
		uint64_t n = load_acquire(&drain->shared->dropped[reason]) - drain->dropped[reason];
		if (n > seq - drain->next_seq)
			n = (int64_t)n > 0 ? seq - drain->next_seq : 0;
		if (n > 0)
			drain_tell_lost(drain, to, reason, n, time_ns);
	}
	bool replaced = drain->reader.overwrite && !drain->damaged;
	if (drain->next_seq < seq)
		drain_tell_lost(drain, to, replaced ? LOST_OVERWRITTEN : LOST_DAMAGED,
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
	/* A drop closes the slot: what is lost comes behind the words that are there now. */
	if (drain->noted_head != drain->reader.position)
		drain->noted_words = drain_words(drain, drain->noted_head - 1);
	drain->looking = true;
}

/* Everything that was there when the counts were noted has been read. */
static bool
has_read_noted(const struct drain *drain)
{
	int64_t ahead = (int64_t)(drain->noted_head - drain->reader.position);
	return ahead <= 0 || (ahead == 1 && drain->part_at == drain->reader.position &&
			      drain->part >= drain->noted_words);
}

void
drain_tell_noted(struct drain *drain, const struct drain_to *to)
{
	uint64_t n = 0;
	if (!drain->looking || !has_read_noted(drain))
		return;
	drain_tell_unwritten(drain, to, to->now_ns);
	drain->looking = false;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		if ((int64_t)(drain->noted[i] - drain->dropped[i]) > 0)
			n += drain->noted[i] - drain->dropped[i];
	uint64_t seq = load_relaxed(&drain->shared->seq), taken = seq - drain->next_seq;
	if (n > 0 && (int64_t)taken > 0 && seq <= DRAIN_SEQ_MOST)
		drain_tell_gap(drain, to, drain->next_seq + (n < taken ? n : taken), to->now_ns);
}

void
drain_finish(struct drain *drain, const struct drain_to *to)
{
	drain_tell_unwritten(drain, to, to->now_ns);
	uint64_t seq = load_relaxed(&drain->shared->seq), left = seq - drain->next_seq;
	if ((int64_t)left <= 0 || left > RECORD_SEQ_MASK || seq > DRAIN_SEQ_MOST)
		return;
	uint64_t dropped = 0;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		dropped += load_acquire(&drain->shared->dropped[i]) - drain->dropped[i];
	/* The one that was being written; a damaged lane has more to say. */
	if (left == dropped + 1 && !drain->damaged) {
		if (dropped > 0)
			drain_tell_gap(drain, to, drain->next_seq + dropped, to->now_ns);
		drain_tell_lost(drain, to, LOST_KILLED, 1, to->now_ns);
	} else {
		drain_tell_gap(drain, to, drain->next_seq + left, to->now_ns);
	}
}
