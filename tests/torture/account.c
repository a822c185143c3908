/* SPDX-License-Identifier: MIT */
#include "account.h"

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

static void
take_record(struct account *a, const struct slot *record, unsigned k)
{
	uint64_t seq = record_seq(record->w[0]);
	must(seq >= a->next_seq, "seq %" PRIu64 " after %" PRIu64, seq, a->next_seq);
	check_record(record, k, seq, a->thread);
	a->gaps += seq - a->next_seq;
	if (a->reader.overwrite)
		while (a->next_seq < seq)
			a->gap_slots += slots_of(a->next_seq++);
	a->next_seq = seq + 1;
	a->records++;
	a->slots += k;
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
		take_record(a, copy + at, (unsigned)k);
		at += (uint64_t)k;
	}
	lane_reader_unread(&a->reader, (uint64_t)n - at);
	return n > 0;
}

void
account_drain(struct account *a, bool release)
{
	uint64_t dropped = n_dropped();
	for (int i = 0; drain_batch(a); i++) {
		if (release) {
			a->releases++;
			lane_reader_release(&a->reader);
		}
		if (i == 64)
			return;
	}
	/* Drops that no gap explains lie behind the last record. */
	if (!a->reader.overwrite && dropped > a->gaps) {
		a->next_seq += dropped - a->gaps;
		a->gaps = dropped;
	}
}

uint64_t
account_settle(struct account *a, bool was_killed)
{
	const struct lane_shared *lane = &arena->lane;
	uint64_t dropped = n_dropped();
	must(a->reader.position == lane->head, "%" PRIu64 " of %" PRIu64 " slots read",
	     a->reader.position - start, lane->head - start);
	must(a->slots + a->partial + a->reader.skipped == lane->head - start, "slots %" PRIu64,
	     a->slots);
	must(lane->high_water <= n_slots, "high water %" PRIu64, lane->high_water);

	/* attempts = committed + dropped, by the producer's own count */
	must(lane->seq - a->next_seq <= was_killed, "seq %" PRIu64 ", accounted for up to %" PRIu64,
	     lane->seq, a->next_seq);
	must(arena->attempts - a->next_seq <= was_killed, "%" PRIu64 " attempts, accounted for %"
	     PRIu64, arena->attempts, a->next_seq);
	must(a->next_seq - dropped - arena->committed <= was_killed, "%" PRIu64
	     " committed, %" PRIu64 " found", arena->committed, a->next_seq - dropped);

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
	return lane->seq - a->next_seq;
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
	must(a->slots + a->partial >= (written < kept ? written : kept), "%" PRIu64 " slots kept",
	     a->slots);
	must(a->partial < n_slots / 4, "%" PRIu64 " slots lost at the beginning", a->partial);
}
