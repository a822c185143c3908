/* SPDX-License-Identifier: MIT */
/*
 * What is missing is told at its place, with its reason, once; and whoever reads a lane next
 * goes on where the last one stopped.
 */
#include "drain.h"

#include <string.h>

#include "suite.h"
#include "value.h"

#define N_SLOTS 64

static struct lane_shared shared;
static struct slot slots[N_SLOTS];
static struct lane lane;
static struct drain drain;
static struct call_room room;
static bool reader_is_alive;

static int reserve(void *c, struct slot *s, uint64_t n) { (void)c, (void)s, (void)n; return 0; }
static bool reader_alive(void *c) { (void)c; return reader_is_alive; }
static void wake(void *c) { (void)c; }
static bool wait_a_little(void *c, unsigned waited) { (void)c, (void)waited; return false; }
static const struct lane_ops ops = {reserve, NULL, reader_alive, wake, wait_a_little};

/* What came out. A record of emit() holds nothing to decode, and is told as damaged, one. */
#define AN_EVENT 99 /* in place of a reason */
static struct told {
	uint64_t from, to;
	unsigned reason;
	bool wanted;
} told[512];
static unsigned n_told, n_notices;

static void
take(void *context, const struct event *event, bool wanted)
{
	(void)context;
	if (event->type == EVENT_NOTICE) {
		n_notices++;
		return;
	}
	NEED(n_told < 512);
	if (event->type == EVENT_AUDIT) {
		NEED(strcmp(event->name, "x") == 0);
		told[n_told++] = (struct told){event->seq, event->seq, AN_EVENT, wanted};
		return;
	}
	NEED(event->type == EVENT_LOST);
	NEED(event->lost_count == event->lost_seq_to - event->lost_seq_from + 1);
	told[n_told++] = (struct told){event->lost_seq_from, event->lost_seq_to,
				       event->lost_reason, wanted};
}

static uint64_t
time_of(void *context, uint64_t ticks)
{
	(void)context;
	return ticks;
}

static const struct drain_to to = {.fn = take, .time = time_of, .now_ns = 1};

static void
begin(enum lane_mode mode)
{
	memset(&shared, 0, sizeof shared);
	n_told = n_notices = 0;
	reader_is_alive = false;
	lane_init(&lane, &shared, slots, N_SLOTS, mode, N_SLOTS, &ops, NULL);
}

static void
attach(enum lane_mode mode, bool skip)
{
	room.n_entries = CALL_STACK_ENTRIES;
	drain_init(&drain, &shared, slots, N_SLOTS, 0, mode, skip, &room);
}

static void
emit(unsigned n)
{
	struct lane_writer w;
	for (unsigned i = 0; i < n; i++) {
		if (lane_begin(&lane, &w, RECORD_NOTICE))
			lane_commit(&w, 1, 7, 0);
		else
			lane_drop(&lane, lane_full_reason(&lane));
	}
}

/* Events with a name and no arguments. */
static void
emit_events(unsigned n)
{
	static const struct audit_head head = {.flags = AUDIT_NAME_INLINE};
	static const uint8_t name[] = {VALUE_STR8, 1, 'x'};
	struct lane_writer w;
	for (unsigned i = 0; i < n; i++) {
		NEED(lane_begin(&lane, &w, RECORD_AUDIT));
		lane_put(&w, &head, sizeof head);
		lane_put(&w, name, sizeof name);
		lane_commit(&w, 1, 7, 0);
	}
}

static uint64_t
run(void)
{
	drain_note(&drain);
	return drain_run(&drain, &to, UINT64_MAX);
}

/* The next one told. */
static void
need(unsigned *at, uint64_t from, uint64_t last, unsigned reason)
{
	NEED_MSG(*at < n_told, "nothing told of %d..%d", (int)from, (int)last);
	NEED_MSG(told[*at].from == from && told[*at].to == last && told[*at].reason == reason,
		 "%d..%d (%u), not %d..%d (%u)", (int)told[*at].from, (int)told[*at].to,
		 told[*at].reason, (int)from, (int)last, reason);
	++*at;
}

static void
need_records(unsigned *at, uint64_t from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		need(at, from + i, from + i, LOST_DAMAGED);
}

START_TEST(a_gap_has_the_reasons_that_the_hook_counted)
{
	unsigned at = 0;
	begin(LANE_DROP);
	emit(N_SLOTS + 5); /* 5 found no reader */
	reader_is_alive = true;
	emit(3);           /* 3 found it slow */
	attach(LANE_DROP, false);
	NEED(run() == N_SLOTS);
	need_records(&at, 0, N_SLOTS);
	NEED(at == n_told);
	drain_release(&drain);
	emit(2);
	NEED(run() == 2);
	need(&at, N_SLOTS, N_SLOTS + 4, LOST_NO_READER);
	need(&at, N_SLOTS + 5, N_SLOTS + 7, LOST_LANE_FULL);
	need_records(&at, N_SLOTS + 8, 2);
	NEED(at == n_told && drain_dropped(&drain) == 8);
}
END_TEST

START_TEST(losses_behind_the_last_record_are_told_when_they_are_looked_for)
{
	unsigned at = N_SLOTS;
	begin(LANE_DROP);
	emit(N_SLOTS + 7);
	attach(LANE_DROP, false);
	NEED(run() == N_SLOTS && n_told == N_SLOTS);
	NEED(run() == 0 && n_told == N_SLOTS);
	drain_look_for_losses(&drain);
	NEED(run() == 0);
	need(&at, N_SLOTS, N_SLOTS + 6, LOST_NO_READER);
	drain_look_for_losses(&drain);
	NEED(run() == 0);
	NEED(at == n_told);
}
END_TEST

START_TEST(losses_are_not_told_before_the_records_in_front_of_them)
{
	unsigned at = 0;
	begin(LANE_DROP);
	emit(N_SLOTS + 7);
	attach(LANE_DROP, false);
	drain_look_for_losses(&drain);
	drain_note(&drain);
	NEED(drain_run(&drain, &to, 10) == 10);
	need_records(&at, 0, 10);
	NEED(at == n_told);
	NEED(run() == N_SLOTS - 10);
	need_records(&at, 10, N_SLOTS - 10);
	need(&at, N_SLOTS, N_SLOTS + 6, LOST_NO_READER);
}
END_TEST

START_TEST(the_next_collector_goes_on_where_the_last_one_released)
{
	unsigned at = 0;
	begin(LANE_DROP);
	emit(N_SLOTS + 7);
	attach(LANE_DROP, false);
	drain_note(&drain);
	NEED(drain_run(&drain, &to, 20) == 20);
	drain_release(&drain);
	NEED(drain_run(&drain, &to, 5) == 5); /* killed before it released these */
	at = n_told;
	attach(LANE_DROP, false);
	NEED(drain.before_events == 20);
	NEED(run() == N_SLOTS - 20);
	need_records(&at, 20, N_SLOTS - 20);
	drain_look_for_losses(&drain);
	NEED(run() == 0);
	need(&at, N_SLOTS, N_SLOTS + 6, LOST_NO_READER);
	drain_release(&drain); /* tail has not moved since the last record: the losses are told */
	attach(LANE_DROP, false);
	NEED(drain.before_events == N_SLOTS && drain_dropped(&drain) == 7);
	drain_look_for_losses(&drain);
	NEED(run() == 0);
	NEED(at == n_told);
	emit(1);
	NEED(run() == 1);
	need_records(&at, N_SLOTS + 7, 1);
}
END_TEST

/* Stores of drain_release(), in the order that it makes them, up to any one of them. */
START_TEST(a_collector_killed_in_the_middle_of_a_release_leaves_nothing_untold)
{
	for (int stores = 0; stores <= 9; stores++) {
		unsigned at;
		begin(LANE_DROP);
		emit(N_SLOTS + 7);
		attach(LANE_DROP, false);
		run();
		drain_release(&drain);
		emit(4);
		run();
		struct lane_shared before = shared;
		drain_release(&drain);
		struct lane_shared after = shared;
		unsigned written = 1 - drain.told;
		shared = before;
		struct lane_told *entry = &shared.told[written];
		const struct lane_told *wanted = &after.told[written];
		if (stores > 0)
			entry->tail = ~wanted->tail;
		for (int i = 0; i < LANE_DROP_REASONS && stores > 1 + i; i++)
			entry->dropped[i] = wanted->dropped[i];
		if (stores > 5)
			entry->unwritten = wanted->unwritten;
		if (stores > 6)
			entry->unwritten_drops = wanted->unwritten_drops;
		if (stores > 7)
			entry->seq = wanted->seq;
		if (stores > 8)
			entry->tail = wanted->tail;
		at = n_told;
		attach(LANE_DROP, false);
		NEED(run() == 4);
		need(&at, N_SLOTS, N_SLOTS + 6, LOST_NO_READER);
		need_records(&at, N_SLOTS + 7, 4);
		shared = after;
		attach(LANE_DROP, false);
		NEED(run() == 0 && at == n_told);
	}
}
END_TEST

START_TEST(what_is_read_after_the_mark_is_not_given_back_with_it)
{
	unsigned at;
	begin(LANE_DROP);
	emit(7);
	attach(LANE_DROP, false);
	run();
	drain_mark(&drain);
	emit(3);
	run();
	NEED(shared.tail == 0);
	drain_release_marked(&drain);
	NEED(shared.tail == 7);
	at = n_told;
	attach(LANE_DROP, false); /* the one before was killed */
	NEED(drain.before_events == 7 && run() == 3);
	need_records(&at, 7, 3);
	drain_release(&drain);
	NEED(shared.tail == 10 && at == n_told);
}
END_TEST

/* Where an eighth of the ring waits, room is given back before the lines are written. */
START_TEST(a_kill_after_a_relief_is_told_to_the_last_event)
{
	unsigned at;
	begin(LANE_DROP);
	emit(5);
	attach(LANE_DROP, false);
	run();
	drain_mark(&drain);
	emit(2);
	run();
	drain_relieve(&drain);
	NEED(shared.tail == 0); /* seven are no eighth */
	emit(N_SLOTS - 7 + 2);  /* two find no room */
	run();
	drain_relieve(&drain);
	NEED(shared.tail == N_SLOTS);
	emit(4); /* behind the two that were dropped */
	run();
	drain_relieve(&drain);
	NEED(shared.tail == N_SLOTS); /* four are no eighth */
	drain_release_marked(&drain);  /* the first five are written */
	NEED(shared.tail == N_SLOTS);
	at = n_told;
	attach(LANE_DROP, false);
	NEED(drain.before_events == 5 && run() == 4);
	need(&at, 5, N_SLOTS - 1, LOST_COLLECTOR_KILLED);
	need(&at, N_SLOTS, N_SLOTS + 1, LOST_NO_READER);
	need_records(&at, N_SLOTS + 2, 4);
	drain_release(&drain);
	NEED(drain_lost(&drain) >= N_SLOTS - 5 && drain_dropped(&drain) == 2);
	attach(LANE_DROP, false);
	NEED(run() == 0 && at == n_told); /* it is told once */
}
END_TEST

/* One that comes, has read nothing yet, and is killed as well. */
START_TEST(a_second_kill_does_not_forget_what_the_first_one_took)
{
	unsigned at;
	begin(LANE_DROP);
	emit(5);
	attach(LANE_DROP, false);
	run();
	drain_release(&drain);
	emit(N_SLOTS - 5);
	run();
	drain_relieve(&drain); /* and is killed */
	emit(3);
	attach(LANE_DROP, false);
	drain_look_for_losses(&drain);
	NEED(drain_run(&drain, &to, 64) == 0); /* nothing was noted */
	for (unsigned i = 0; i < 2; i++)       /* in each of the two entries */
		drain_release(&drain);
	at = n_told;
	attach(LANE_DROP, false);
	NEED(run() == 3);
	need(&at, 5, N_SLOTS - 1, LOST_COLLECTOR_KILLED);
	need_records(&at, N_SLOTS, 3);
	NEED(at == n_told);
}
END_TEST

/* A mark of before that was told is given back after it. */
START_TEST(what_one_took_is_not_forgotten_until_it_is_written)
{
	unsigned at;
	begin(LANE_DROP);
	emit(N_SLOTS);
	attach(LANE_DROP, false);
	run();
	drain_mark(&drain);
	drain_relieve(&drain); /* and is killed */
	emit(3);
	attach(LANE_DROP, false);
	drain_mark(&drain);
	NEED(run() == 3);
	for (unsigned i = 0; i < 2; i++)
		drain_release_marked(&drain); /* killed, too */
	at = n_told;
	attach(LANE_DROP, false);
	NEED(run() == 3);
	need(&at, 0, N_SLOTS - 1, LOST_COLLECTOR_KILLED);
	need_records(&at, N_SLOTS, 3);
	NEED(at == n_told);
}
END_TEST

/* What was dropped in between is read, and its lines wait, too. */
START_TEST(drops_that_were_not_written_keep_their_reason)
{
	unsigned at;
	begin(LANE_DROP);
	emit(N_SLOTS);
	attach(LANE_DROP, false);
	run();
	drain_release(&drain);
	emit(N_SLOTS + 9); /* 9 dropped */
	run();
	drain_relieve(&drain);
	emit(N_SLOTS / 2); /* behind the nine: tells them */
	run();
	drain_relieve(&drain);
	NEED(shared.tail == 2 * N_SLOTS + N_SLOTS / 2);
	emit(1);
	at = n_told;
	attach(LANE_DROP, false);
	NEED(drain.before_events == N_SLOTS);
	NEED(run() == 1);
	need(&at, N_SLOTS, 2 * N_SLOTS + N_SLOTS / 2 - 1, LOST_COLLECTOR_KILLED);
	need(&at, 2 * N_SLOTS + N_SLOTS / 2, 2 * N_SLOTS + N_SLOTS / 2 + 8, LOST_NO_READER);
	need_records(&at, 2 * N_SLOTS + N_SLOTS / 2 + 9, 1);
	NEED(at == n_told);
}
END_TEST

/* Nobody who lies about it makes numbers of it. */
START_TEST(unwritten_events_that_never_were_are_none)
{
	static const uint64_t lies[] = {1000, UINT64_MAX, UINT64_C(1) << 46, UINT64_C(1) << 63};
	for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		unsigned at;
		begin(LANE_DROP);
		emit(4);
		attach(LANE_DROP, false);
		run();
		drain_release(&drain);
		emit(2);
		shared.told[1 - drain.told].unwritten = lies[i];
		at = n_told;
		attach(LANE_DROP, false);
		NEED(run() == 2);
		need_records(&at, 4, 2);
		NEED(at == n_told);
	}
}
END_TEST

START_TEST(what_was_held_before_we_came_is_not_wanted_unless_asked_for)
{
	begin(LANE_DROP);
	emit_events(10);
	attach(LANE_DROP, true);
	emit_events(3);
	NEED(run() == 13 && n_told == 13);
	for (unsigned i = 0; i < 13; i++)
		NEED(told[i].reason == AN_EVENT && told[i].from == i &&
		     told[i].wanted == (i >= 10));
	attach(LANE_DROP, false);
	NEED(run() == 13 && told[13].wanted);
}
END_TEST

START_TEST(an_event_that_a_kill_cut_short_is_one_lost)
{
	unsigned at;
	begin(LANE_DROP);
	emit(N_SLOTS + 2);
	shared.seq++; /* the number was taken, and no more */
	attach(LANE_DROP, false);
	while (run() > 0)
		;
	at = N_SLOTS;
	drain_finish(&drain, &to);
	need(&at, N_SLOTS, N_SLOTS + 1, LOST_NO_READER);
	need(&at, N_SLOTS + 2, N_SLOTS + 2, LOST_KILLED);
	NEED(at == n_told && drain.lost[LOST_KILLED] == 1);
	drain_finish(&drain, &to);
	NEED(at == n_told);
}
END_TEST

START_TEST(what_newer_events_replaced_is_counted)
{
	unsigned at = 0;
	begin(LANE_OVERWRITE);
	emit(3 * N_SLOTS);
	attach(LANE_OVERWRITE, false);
	NEED(run() == N_SLOTS);
	need(&at, 0, 2 * N_SLOTS - 1, LOST_OVERWRITTEN);
	need_records(&at, 2 * N_SLOTS, N_SLOTS);
	NEED(drain.lost[LOST_OVERWRITTEN] == 2 * N_SLOTS);
}
END_TEST

START_TEST(a_number_that_was_there_before_is_damage)
{
	begin(LANE_DROP);
	emit(4);
	slots[2].w[0] = record_w0(1, 1, RECORD_NOTICE, 1);
	attach(LANE_DROP, false);
	NEED(run() <= 3);
	NEED(n_notices == 1 && drain.damaged);
	NEED(run() == 0 && n_notices == 1);
}
END_TEST

/* Whatever a hostile hook leaves in its words: bounded work, bounded numbers. */
START_TEST(lies_cost_no_more_than_a_ring)
{
	struct dice dice = {.state = 7};
	for (int i = 0; i < 20000; i++) {
		begin(dice_below(&dice, 2) ? LANE_DROP : LANE_OVERWRITE);
		emit(dice_below(&dice, 100));
		attach(lane.mode, false);
		run();
		emit(dice_below(&dice, 100));
		uint64_t *words = (uint64_t *)&shared;
		for (unsigned n = dice_below(&dice, 4); n > 0; n--) {
			unsigned shift = dice_below(&dice, 64);
			words[dice_below(&dice, sizeof shared / 8)] = dice_u64(&dice) >> shift;
		}
		for (unsigned n = dice_below(&dice, 4); n > 0; n--)
			slots[dice_below(&dice, N_SLOTS)].w[0] ^= 1ULL << dice_below(&dice, 64);
		n_told = 0;
		if (dice_below(&dice, 2))
			drain_look_for_losses(&drain);
		NEED(run() <= N_SLOTS);
		NEED(n_told <= 2 * N_SLOTS + 8);
		drain_finish(&drain, &to);
		drain_release(&drain);
		if (dice_below(&dice, 2)) {
			attach(lane.mode, dice_below(&dice, 2));
			n_told = 0;
			NEED(run() <= N_SLOTS);
		}
	}
}
END_TEST

/* So that no line has an integer which a reader of JSON does not take. */
START_TEST(no_jumps_lead_to_a_number_that_no_program_comes_to)
{
	uint64_t seq = 0;
	begin(LANE_DROP);
	shared.told[0] = shared.told[1] = (struct lane_told){.seq = UINT64_C(1) << 60};
	attach(LANE_DROP, false);
	NEED(drain.next_seq == 0);
	for (unsigned lap = 0; lap < 4; lap++) {
		for (unsigned i = 0; i < N_SLOTS; i++, seq += RECORD_SEQ_MASK / 2)
			slots[i].w[0] = record_w0(1, 1, RECORD_NOTICE, seq);
		shared.head += N_SLOTS;
		run();
		drain_release(&drain);
		NEED(drain.next_seq <= (UINT64_C(1) << 52) + 1);
	}
	NEED(drain.damaged && n_notices == 1);
	shared.seq = drain.next_seq + 1000;
	shared.dropped[LOST_LANE_FULL] = UINT64_C(1) << 62;
	drain_finish(&drain, &to);
	NEED(drain.next_seq <= (UINT64_C(1) << 52) + 1001);
}
END_TEST

static bool
not_there(void *context, const struct lane_reader *reader, uint64_t n)
{
	(void)context, (void)reader, (void)n;
	return false;
}

START_TEST(a_hole_is_damage_and_is_not_looked_at)
{
	for (unsigned mode = LANE_DROP; mode <= LANE_BLOCK; mode++) {
		begin((enum lane_mode)mode);
		emit(3);
		attach((enum lane_mode)mode, false);
		drain.reader.there = not_there;
		NEED(run() == 0 && drain.damaged && n_notices == 1 && n_told == 0);
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("drain");
	tcase_add_test(tc, a_gap_has_the_reasons_that_the_hook_counted);
	tcase_add_test(tc, losses_behind_the_last_record_are_told_when_they_are_looked_for);
	tcase_add_test(tc, losses_are_not_told_before_the_records_in_front_of_them);
	tcase_add_test(tc, the_next_collector_goes_on_where_the_last_one_released);
	tcase_add_test(tc, a_collector_killed_in_the_middle_of_a_release_leaves_nothing_untold);
	tcase_add_test(tc, what_is_read_after_the_mark_is_not_given_back_with_it);
	tcase_add_test(tc, a_kill_after_a_relief_is_told_to_the_last_event);
	tcase_add_test(tc, drops_that_were_not_written_keep_their_reason);
	tcase_add_test(tc, what_one_took_is_not_forgotten_until_it_is_written);
	tcase_add_test(tc, a_second_kill_does_not_forget_what_the_first_one_took);
	tcase_add_test(tc, unwritten_events_that_never_were_are_none);
	tcase_add_test(tc, what_was_held_before_we_came_is_not_wanted_unless_asked_for);
	tcase_add_test(tc, an_event_that_a_kill_cut_short_is_one_lost);
	tcase_add_test(tc, what_newer_events_replaced_is_counted);
	tcase_add_test(tc, a_number_that_was_there_before_is_damage);
	tcase_add_test(tc, lies_cost_no_more_than_a_ring);
	tcase_add_test(tc, no_jumps_lead_to_a_number_that_no_program_comes_to);
	tcase_add_test(tc, a_hole_is_damage_and_is_not_looked_at);
	return suite_run("drain", tc);
}
