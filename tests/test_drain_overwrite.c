/* SPDX-License-Identifier: MIT */
/* A flight recorder whose program was killed in the middle of an event is read to its end. */
#include "drain.h"
#include "suite.h"

#define N_SLOTS 16384 /* several copies of the drain's */

static struct lane_shared shared;
static struct slot slots[N_SLOTS];
static struct call_room room = {CALL_STACK_ENTRIES};
static uint64_t n_events, n_damaged, next_seq;

static int reserve(void *c, struct slot *s, uint64_t n) { (void)c, (void)s, (void)n; return 0; }
static bool reader_alive(void *c) { (void)c; return true; }
static void wake(void *c) { (void)c; }
static bool wait_a_little(void *c, unsigned waited) { (void)c, (void)waited; return false; }
static const struct lane_ops ops = {reserve, NULL, reader_alive, wake, wait_a_little};

static void
take(void *context, const struct event *event, bool wanted)
{
	(void)context, (void)wanted;
	if (event->type == EVENT_NOTICE) {
		n_damaged++;
		return;
	}
	/* A record that holds nothing to decode is told as one lost event. */
	NEED(event->type == EVENT_LOST);
	NEED(event->lost_seq_from == next_seq);
	next_seq = event->lost_seq_to + 1;
	n_events += event->lost_seq_from == event->lost_seq_to;
}

static uint64_t
time_of(void *context, uint64_t ticks)
{
	(void)context;
	return ticks;
}

static void
begin(struct lane *lane, struct lane_writer *w, unsigned k)
{
	NEED(lane_begin(lane, w, RECORD_NOTICE));
	memset(w->at, 'x', SLOT0_PAYLOAD);
	while (w->i + 1 < k)
		NEED(lane_next_slot(w));
}

START_TEST(what_a_kill_half_overwrote_is_skipped_and_the_rest_is_read)
{
	const struct drain_to to = {.fn = take, .time = time_of, .now_ns = 1};
	struct lane lane;
	struct lane_writer w;
	struct drain drain;
	for (unsigned k = 1; k <= 7; k++) {
		for (unsigned more = 1; more <= 28; more++) {
			memset(&shared, 0, sizeof shared);
			n_events = n_damaged = next_seq = 0;
			lane_init(&lane, &shared, slots, N_SLOTS, LANE_OVERWRITE, N_SLOTS, &ops, NULL);
			for (unsigned i = 0; i < 6000 + more; i++) {
				begin(&lane, &w, 1 + i % 7);
				lane_commit(&w, i, 7, 0);
			}
			begin(&lane, &w, k); /* and is killed */
			drain_init(&drain, &shared, slots, N_SLOTS, 0, LANE_OVERWRITE, false,
				   &room);
			drain_note(&drain);
			while (drain_run(&drain, &to, 1u << 20) > 0)
				;
			ck_assert_uint_eq(n_damaged, 0);
			ck_assert_uint_eq(next_seq, 6000 + more);
			ck_assert_uint_ge(n_events, (N_SLOTS - 14) / 4);
		}
	}
}
END_TEST

START_TEST(a_record_longer_than_what_was_committed_is_damage)
{
	const struct drain_to to = {.fn = take, .time = time_of, .now_ns = 1};
	static const enum lane_mode modes[] = {LANE_DROP, LANE_OVERWRITE};
	for (int m = 0; m < 2; m++) {
		struct lane lane;
		struct lane_writer w;
		struct drain drain;
		memset(&shared, 0, sizeof shared);
		n_events = n_damaged = next_seq = 0;
		lane_init(&lane, &shared, slots, N_SLOTS, modes[m], N_SLOTS, &ops, NULL);
		begin(&lane, &w, 5);
		lane_commit(&w, 1, 7, 0);
		shared.head = 3;
		drain_init(&drain, &shared, slots, N_SLOTS, 0, modes[m], false, &room);
		drain_note(&drain);
		ck_assert_uint_eq(drain_run(&drain, &to, 1u << 20), 0);
		ck_assert_uint_eq(n_damaged, 1);
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("overwritten");
	tcase_add_test(tc, what_a_kill_half_overwrote_is_skipped_and_the_rest_is_read);
	tcase_add_test(tc, a_record_longer_than_what_was_committed_is_damage);
	return suite_run("drain of a flight recorder", tc);
}
