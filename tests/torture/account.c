/* SPDX-License-Identifier: MIT */
#include "account.h"

#include "calls.h"
#include "producer.h"

#define BATCH 512

uint64_t
n_dropped(void)
{
	uint64_t n = 0;
	for (int i = 0; i < N_LOST_REASONS; i++)
		n += load_acquire(&arena->lane.dropped[i]);
	return n;
}

struct account
account_open(enum lane_mode mode)
{
	struct account a = {.thread = ONE_PRODUCER};
	lane_reader_init(&a.reader, &arena->lane, arena->slots, n_slots, mode == LANE_OVERWRITE);
	return a;
}

/* The events before `seq` are missing. */
static void
take_gap(struct account *a, uint64_t seq)
{
	a->gaps += seq - a->next_seq;
	for (; a->next_seq < seq; a->next_seq++) {
		a->calls += is_call(a->next_seq);
		if (a->reader.overwrite)
			a->gap_slots += slots_of(a->next_seq);
	}
}

static void
take_event(struct account *a, uint64_t seq)
{
	must(seq >= a->next_seq, "seq %" PRIu64 " after %" PRIu64, seq, a->next_seq);
	take_gap(a, seq);
	a->calls += is_call(seq);
	a->next_seq = seq + 1;
	a->records++;
}

/* Of what lies at `position`. Of the slot that was open before, more was not to be had. */
static void
close_other_slot(struct account *a, uint64_t position)
{
	if (a->open_taken == 0 || a->open_position == position)
		return;
	must(a->reader.overwrite, "an open slot was released");
	a->open_taken = 0;
	a->gap_slots++;
}

/* What is new in a slot of calls; false: it may still be open. */
static bool
take_calls(struct account *a, const struct slot *slot, uint64_t position, bool *news)
{
	uint64_t words[CALLS_PER_SLOT], seq = record_seq(slot->w[0]);
	bool closed;
	unsigned n = read_calls(&a->reader, slot, position, words, &closed);
	*news = n == 0 || n != a->open_taken;
	if (n == 0) {
		must(a->reader.overwrite, "an empty slot, after seq %" PRIu64, a->next_seq);
		return false; /* to be copied again, and found to be gone */
	}
	must(n >= a->open_taken, "%u words, %" PRIu64 " before", n, a->open_taken);
	for (unsigned i = (unsigned)a->open_taken; i < n; i++) {
		check_call(slot, i, words[i], a->thread);
		take_event(a, seq + i);
		a->from_open += !closed;
	}
	a->open_position = position;
	a->open_taken = closed ? 0 : n;
	return a->open_taken == 0;
}

/* The event or events at copy[at]; false: it may still be open. */
static bool
take(struct account *a, const struct slot *slot, unsigned k, uint64_t position, bool *news)
{
	close_other_slot(a, position);
	if (record_type(slot->w[0]) == RECORD_CALLS) {
		must(k == 1, "a slot of calls with %u", k);
		if (!take_calls(a, slot, position, news))
			return false;
	} else {
		check_record(slot, k, record_seq(slot->w[0]), a->thread);
		take_event(a, record_seq(slot->w[0]));
	}
	a->slots += k;
	return true;
}

/*
 * The records of one batch; false: there was nothing. When what was overwritten meanwhile is
 * taken away, less than one record may be left: then the next batch begins with that.
 */
static bool
drain_batch(struct account *a)
{
	static struct slot copy[MOST_SLOTS];
	uint64_t max = n_slots / 4 > BATCH ? n_slots / 4 : BATCH, at = 0;
	bool news = true;
	int64_t n = lane_reader_copy(&a->reader, copy, max);
	must(n >= 0, "head %" PRIu64 " position %" PRIu64, arena->lane.head, a->reader.position);
	while (at < (uint64_t)n) {
		int k = record_check(copy + at, (uint64_t)n - at);
		if (k == 0)
			break;
		if (k < 0) {
			must(a->reader.overwrite, "no record, after seq %" PRIu64, a->next_seq);
			a->partial++;
			at++;
			continue;
		}
		if (!take(a, copy + at, (unsigned)k, a->reader.position - (uint64_t)n + at, &news))
			break;
		at += (uint64_t)k;
	}
	lane_reader_unread(&a->reader, (uint64_t)n - at);
	return at > 0 || (n > 0 && news);
}

void
account_drain(struct account *a, bool release)
{
	uint64_t dropped = n_dropped();
	for (int i = 0; drain_batch(a); i++) {
		if (release) {
			a->releases++;
			lane_reader_release(&a->reader, a->reader.position);
		}
		if (i == 64)
			return;
	}
	/* Drops that no gap explains lie behind the last record. */
	if (!a->reader.overwrite && dropped > a->gaps)
		take_gap(a, a->next_seq + (dropped - a->gaps));
}

uint64_t
account_settle(struct account *a, bool was_killed)
{
	const struct lane_shared *lane = &arena->lane;
	uint64_t dropped = n_dropped(), open = a->open_taken > 0;
	must(a->reader.position + open == lane->head, "%" PRIu64 " of %" PRIu64 " slots read",
	     a->reader.position - start, lane->head - start);
	must(a->slots + open + a->partial + a->reader.skipped == lane->head - start,
	     "slots %" PRIu64, a->slots);
	must(lane->high_water <= n_slots, "high water %" PRIu64, lane->high_water);

	/* attempts = committed + dropped, by the producer's own count */
	struct counts counts = counts_with_open_slot();
	uint64_t under_way = counts.seq - a->next_seq;
	must(under_way <= was_killed, "seq %" PRIu64 ", accounted for up to %" PRIu64, counts.seq,
	     a->next_seq);
	must(arena->attempts - a->next_seq <= was_killed, "%" PRIu64 " attempts, accounted for %"
	     PRIu64, arena->attempts, a->next_seq);
	must(a->next_seq - dropped - arena->committed <= was_killed, "%" PRIu64
	     " committed, %" PRIu64 " found", arena->committed, a->next_seq - dropped);

	/* A kill as a slot closes leaves that one's calls uncounted. */
	uint64_t calls = a->calls + (under_way && is_call(a->next_seq));
	must(calls - counts.calls <= (was_killed && counts.n_open == 0 ? CALLS_PER_SLOT : 0),
	     "%" PRIu64 " calls, %" PRIu64 " counted", calls, counts.calls);

	/* committed = read + overwritten */
	if (a->reader.overwrite) {
		must(dropped == 0, "dropped in overwrite mode");
		must(a->gap_slots == a->partial + a->reader.skipped,
		     "records of %" PRIu64 " slots are missing, %" PRIu64 " were skipped",
		     a->gap_slots, a->partial + a->reader.skipped);
	} else {
		must(a->gaps == dropped, "gaps %" PRIu64 ", dropped %" PRIu64, a->gaps, dropped);
		must(a->reader.skipped + a->partial == 0, "slots skipped");
	}
	return under_way;
}

void
account_check_kept(const struct account *a)
{
	uint64_t under_way = arena->lane.intent - arena->lane.head;
	uint64_t written = arena->lane.head - start;
	if ((int64_t)under_way < 0)
		under_way = 0; /* killed before the first record */
	must(under_way <= n_slots / 4, "intent %" PRIu64, arena->lane.intent);
	uint64_t kept = n_slots - under_way;
	must(a->slots + (a->open_taken > 0) + a->partial >= (written < kept ? written : kept),
	     "%" PRIu64 " slots kept", a->slots);
	must(a->partial < n_slots / 4, "%" PRIu64 " slots lost at the beginning", a->partial);
}
