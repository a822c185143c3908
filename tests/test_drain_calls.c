/* SPDX-License-Identifier: MIT */
/*
 * Packed calls come out one by one and once each, also from the slot that is still filled, in
 * whatever pieces it is read; and their pairs bridge no loss.
 */
#include "drain.h"

#include <string.h>

#include "defs.h"
#include "suite.h"
#include "value.h"

#define N_SLOTS 64
#define TID 7

static struct lane_shared shared;
static struct slot slots[N_SLOTS];
static struct lane lane;
static struct drain drain;
static struct call_room room;
static _Alignas(8) uint8_t region[4096];
static struct symbols *symbols;
static bool reader_is_alive, lies;
static uint32_t depth, greenlet; /* of the one thread, as the hook counts */
static uint64_t clock_now;

static int reserve(void *c, struct slot *s, uint64_t n) { (void)c, (void)s, (void)n; return 0; }
static bool reader_alive(void *c) { (void)c; return reader_is_alive; }
static void wake(void *c) { (void)c; }
static bool wait_a_little(void *c, unsigned waited) { (void)c, (void)waited; return false; }
static const struct lane_ops ops = {reserve, NULL, reader_alive, wake, wait_a_little};

/* ---- what came out ---- */

static struct told {
	enum event_type type;
	uint64_t seq, to; /* to: of a loss */
	unsigned what;    /* enum call_event, or the reason */
	char func;
	uint32_t depth, greenlet;
	bool known, wanted;
	uint64_t lasted, time_ns;
} told[2048];
static unsigned n_told, at;
static unsigned enough_at; /* so many are enough; 0: never */
static bool enough;

static void
take(void *context, const struct event *event, bool wanted)
{
	(void)context;
	NEED(n_told < 2048);
	struct told *t = &told[n_told++];
	enough = n_told == enough_at;
	*t = (struct told){.type = event->type, .seq = event->seq, .wanted = wanted,
			   .time_ns = event->time_ns};
	if (event->type == EVENT_LOST) {
		t->seq = event->lost_seq_from;
		t->to = event->lost_seq_to;
		t->what = event->lost_reason;
	} else if (event->type == EVENT_CALL || event->type == EVENT_RETURN) {
		NEED(event->tid == TID || lies);
		t->what = event->call;
		t->func = event->function->func[0];
		t->greenlet = event->greenlet;
		t->depth = event->depth;
		t->known = event->has_duration;
		t->lasted = event->duration_ns;
	}
}

static uint64_t
same(void *context, uint64_t ticks)
{
	(void)context;
	return ticks;
}

static struct drain_to to = {.fn = take, .time = same, .duration = same, .now_ns = 1};

/* ---- what goes in ---- */

static void
define(uint32_t id, unsigned kind, const char *text, size_t n)
{
	uint64_t used;
	struct def def = {.id = id, .kind = (uint16_t)kind, .len = (uint16_t)n};
	memcpy(&used, region, sizeof used);
	memcpy(region + DEFS_HEAD_BYTES + used, &def, sizeof def);
	memcpy(region + DEFS_HEAD_BYTES + used + sizeof def, text, n);
	used += def_bytes(n);
	memcpy(region, &used, sizeof used);
}

enum { F = 1, G = 2, C = 3, EVENT = 4 };

static void
begin(enum lane_mode mode)
{
	memset(&shared, 0, sizeof shared);
	memset(region, 0, sizeof region);
	n_told = at = depth = greenlet = 0;
	clock_now = 1000;
	reader_is_alive = true;
	define(F, DEF_CODE, "\1\0\0\0m\0a.py\0f", 13);
	define(G, DEF_CODE, "\2\0\0\0m\0a.py\0g", 13);
	define(C, DEF_CFUNC, "\0\0\0\0builtins\0\0c", 15);
	define(EVENT, DEF_EVENT, "x", 1);
	symbols_free(symbols);
	to.symbols = symbols = symbols_new(region, sizeof region, 100);
	lane_init(&lane, &shared, slots, N_SLOTS, mode, N_SLOTS, &ops, NULL);
}

static void
attach(bool skip)
{
	drain_fini(&drain); /* a zeroed one, at first */
	room.n_entries = CALL_STACK_ENTRIES;
	drain_init(&drain, &shared, slots, N_SLOTS, 0, lane.mode, skip, &room);
}

/* As the hook writes it; a microsecond after the last one. */
static bool
happens(enum call_event what, uint32_t id)
{
	uint64_t word = call_word(what, id);
	clock_now += 10;
	bool there = lane_call(&lane, word, clock_now) ||
		     lane_call_open(&lane, word, clock_now,
				    calls_w2(calls_stack(TID, greenlet), depth));
	if (!call_ends(what))
		depth++;
	else if (depth > 0)
		depth--;
	return there;
}

/* A lane full of them drops what comes. */
static void
happens_lost(enum call_event what, uint32_t id)
{
	NEED(!happens(what, id));
}

static void
emit_event(void)
{
	static const struct audit_head head;
	struct lane_writer w;
	NEED(lane_begin(&lane, &w, RECORD_AUDIT));
	lane_put(&w, &head, sizeof head);
	lane_commit(&w, clock_now, TID, EVENT);
}

static uint64_t
run(void)
{
	drain_note(&drain);
	return drain_run(&drain, &to, UINT64_MAX);
}

/* ---- the next one told ---- */

static const struct told *
next(enum event_type type, uint64_t seq)
{
	NEED_MSG(at < n_told, "nothing told of %d", (int)seq);
	const struct told *t = &told[at++];
	NEED_MSG(t->type == type && t->seq == seq, "type %d seq %d, not %d %d", t->type,
		 (int)t->seq, type, (int)seq);
	return t;
}

static void
need_call(uint64_t seq, char func, uint32_t at_depth)
{
	const struct told *t = next(EVENT_CALL, seq);
	NEED_MSG(t->func == func && t->depth == at_depth, "%c at %u, not %c at %u", t->func,
		 t->depth, func, at_depth);
}

#define UNKNOWN UINT64_MAX

static void
need_return(uint64_t seq, char func, uint64_t lasted)
{
	const struct told *t = next(EVENT_RETURN, seq);
	NEED_MSG(t->func == func && t->known == (lasted != UNKNOWN) &&
		 (!t->known || t->lasted == lasted),
		 "%d: %c took %d (%d), not %c %d", (int)seq, t->func, (int)t->lasted, t->known, func,
		 (int)lasted);
}

static void
need_lost(uint64_t from, uint64_t last, unsigned reason)
{
	const struct told *t = next(EVENT_LOST, from);
	NEED_MSG(t->to == last && t->what == reason, "%d..%d (%u)", (int)from, (int)t->to,
		 t->what);
}

START_TEST(an_open_slot_is_told_word_by_word)
{
	begin(LANE_DROP);
	attach(false);
	happens(CALL_PY_START, F);
	NEED(run() == 1);
	need_call(0, 'f', 1);
	NEED(!drain_has_more(&drain));
	NEED(run() == 0 && !drain_has_more(&drain));
	happens(CALL_C_CALL, C);
	drain_note(&drain);
	NEED(drain_has_more(&drain));
	happens(CALL_C_RETURN, C); /* after the note */
	NEED(drain_run(&drain, &to, 100) == 1 && !drain_has_more(&drain));
	need_call(1, 'c', 2);
	NEED(run() == 1);
	need_return(2, 'c', 10);
	drain_release(&drain);
	NEED(shared.tail == 0); /* it may still be filled */
	happens(CALL_PY_YIELD, F);
	happens(CALL_PY_RESUME, F);
	NEED(run() == 2);
	need_return(3, 'f', 30);
	need_call(4, 'f', 1);
	drain_release(&drain);
	NEED(shared.tail == 1); /* it is full */
	happens(CALL_PY_UNWIND, F);
	NEED(run() == 1);
	need_return(5, 'f', 10);
	NEED(at == n_told && told[5].what == CALL_PY_UNWIND);
	NEED(told[5].time_ns == 1060 && told[0].time_ns == 1010);
}
END_TEST

/* As the hook does when it finds another one running. */
static void
change_to(uint32_t other, uint32_t its_depth)
{
	lane_call_close(&lane);
	greenlet = other;
	depth = its_depth;
}

START_TEST(a_greenlet_returns_from_its_own_calls)
{
	begin(LANE_DROP);
	attach(false);
	happens(CALL_PY_START, F); /* 1010 */
	change_to(1, 0);
	happens(CALL_PY_START, F);
	happens(CALL_PY_START, G); /* 1030 */
	change_to(2, 0);
	happens(CALL_PY_START, F);
	change_to(1, 2);
	happens(CALL_PY_RETURN, G);
	happens(CALL_PY_RETURN, F); /* 1060 */
	change_to(0, 1);
	happens(CALL_PY_RETURN, F);
	change_to(2, 1);
	happens(CALL_PY_UNWIND, F); /* 1080 */
	NEED(run() == 8);
	need_call(0, 'f', 1);
	need_call(1, 'f', 1);
	need_call(2, 'g', 2);
	need_call(3, 'f', 1);
	need_return(4, 'g', 20);
	need_return(5, 'f', 40);
	need_return(6, 'f', 60);
	need_return(7, 'f', 40);
	static const uint32_t greenlets[] = {0, 1, 1, 2, 1, 1, 0, 2};
	for (unsigned i = 0; i < n_told; i++)
		NEED(told[i].greenlet == greenlets[i]);
}
END_TEST

START_TEST(a_slot_that_closed_early_is_gone_past)
{
	begin(LANE_DROP);
	attach(false);
	happens(CALL_PY_START, F);
	happens(CALL_PY_START, G);
	run();
	happens(CALL_PY_RETURN, G);
	emit_event();
	happens(CALL_PY_RETURN, F);
	NEED(run() == 3);
	need_call(0, 'f', 1);
	need_call(1, 'g', 2);
	need_return(2, 'g', 10);
	next(EVENT_AUDIT, 3);
	need_return(4, 'f', 30);
	drain_release(&drain);
	NEED(shared.tail == 2 && at == n_told);
	lane_call_close(&lane);
	emit_event();
	run();
	drain_release(&drain);
	next(EVENT_AUDIT, 5);
	NEED(shared.tail == 4 && at == n_told && !drain_has_more(&drain));
	NEED(shared.calls == 4 && shared.seq == 6);
}
END_TEST

START_TEST(whoever_comes_next_is_told_only_the_words_that_were_not)
{
	begin(LANE_DROP);
	attach(false);
	happens(CALL_PY_START, F);
	happens(CALL_PY_START, G);
	NEED(run() == 2);
	drain_release(&drain);
	happens(CALL_PY_RETURN, G);
	NEED(run() == 1); /* and is killed before it releases */
	at = n_told;
	attach(false);
	NEED(drain.before_events == 2);
	NEED(run() == 1);
	need_return(2, 'g', UNKNOWN); /* its call was the other's */
	drain_release(&drain);
	attach(false);
	NEED(run() <= 1 && at == n_told && !drain_has_more(&drain));
	happens(CALL_PY_START, G);
	happens(CALL_PY_RETURN, G);
	happens(CALL_PY_RETURN, F);
	NEED(run() >= 3);
	need_call(3, 'g', 2);
	need_return(4, 'g', 10);
	need_return(5, 'f', UNKNOWN);
	NEED(at == n_told && drain.before_events == 3);
}
END_TEST

START_TEST(words_that_were_there_before_we_came_are_not_wanted)
{
	begin(LANE_DROP);
	happens(CALL_PY_START, F);
	happens(CALL_PY_START, G);
	attach(true);
	happens(CALL_PY_RETURN, G);
	emit_event();
	NEED(run() == 4);
	for (unsigned i = 0; i < 4; i++)
		NEED(told[i].seq == i && told[i].wanted == (i >= 2));
	at = 2;
	need_return(2, 'g', 10); /* that call was seen, if not shown */
	/* A whole record that was there is not wanted, either. */
	begin(LANE_DROP);
	emit_event();
	attach(true);
	happens(CALL_PY_START, F);
	NEED(run() == 2 && !told[0].wanted && told[1].wanted);
}
END_TEST

static void
fill(void)
{
	while (happens(CALL_PY_START, F) && happens(CALL_PY_RETURN, F)) {
	}
}

START_TEST(no_pair_bridges_a_gap)
{
	begin(LANE_DROP);
	attach(false);
	happens(CALL_PY_START, G);
	fill();
	happens_lost(CALL_PY_START, F);
	NEED(run() == 5 * N_SLOTS);
	drain_release(&drain);
	at = n_told;
	uint64_t seq = 5 * N_SLOTS;
	happens(CALL_PY_START, F);
	happens(CALL_PY_RETURN, F);
	happens(CALL_PY_RETURN, G);
	NEED(run() == 3);
	need_lost(seq, seq + 1, LOST_LANE_FULL);
	need_call(seq + 2, 'f', 3);
	need_return(seq + 3, 'f', 10);
	need_return(seq + 4, 'g', UNKNOWN);
	NEED(at == n_told);
	/* Not even one that the hook did not count. */
	lane_call_close(&lane);
	happens(CALL_PY_START, F);
	lane_call_close(&lane);
	lane.seq += 3;
	happens(CALL_PY_RETURN, F);
	NEED(run() >= 2);
	need_call(seq + 5, 'f', 2);
	need_lost(seq + 6, seq + 8, LOST_DAMAGED);
	need_return(seq + 9, 'f', UNKNOWN);
	NEED(at == n_told);
}
END_TEST

/* A drop closes the slot and leaves head where it is. */
START_TEST(losses_behind_the_last_words_are_told_behind_them)
{
	begin(LANE_DROP);
	attach(false);
	happens(CALL_PY_START, F);
	run();
	drain_release(&drain);
	for (int i = 1; i < N_SLOTS; i++)
		emit_event();
	happens_lost(CALL_PY_START, G); /* closes nothing: another record did */
	run();
	drain_release(&drain);
	at = n_told;
	happens(CALL_PY_START, F); /* an open one of one word */
	NEED(run() == 1);
	need_lost(N_SLOTS, N_SLOTS, LOST_LANE_FULL);
	need_call(N_SLOTS + 1, 'f', 3);
	happens(CALL_PY_RETURN, F);
	drain_note(&drain);
	happens(CALL_PY_START, G); /* after the note */
	lane_call_close(&lane);
	lane_drop(&lane, LOST_LANE_FULL);
	drain_look_for_losses(&drain);
	NEED(drain_run(&drain, &to, 100) == 1);
	need_return(N_SLOTS + 2, 'f', 10);
	NEED(at == n_told && drain_has_more(&drain));
	NEED(run() == 1);
	need_call(N_SLOTS + 3, 'g', 3);
	need_lost(N_SLOTS + 4, N_SLOTS + 4, LOST_LANE_FULL);
	NEED(at == n_told && !drain_has_more(&drain));
	drain_release(&drain);
	attach(false); /* who comes next is not told the words, nor the loss */
	drain_look_for_losses(&drain);
	run();
	NEED(at == n_told);
	drain_finish(&drain, &to);
	NEED(at == n_told);
	happens(CALL_PY_RETURN, G);
	run();
	need_return(N_SLOTS + 5, 'g', UNKNOWN);
	NEED(at == n_told);
}
END_TEST

START_TEST(a_program_killed_with_an_open_slot_lost_nothing_of_it)
{
	begin(LANE_DROP);
	happens(CALL_PY_START, F);
	happens(CALL_PY_RETURN, F);
	attach(false);
	drain_look_for_losses(&drain);
	NEED(run() == 2);
	drain_finish(&drain, &to);
	need_call(0, 'f', 1);
	need_return(1, 'f', 10);
	NEED(at == n_told && drain.next_seq == 2 && drain_lost(&drain) == 0);
}
END_TEST

START_TEST(a_flight_recorder_has_its_last_calls)
{
	begin(LANE_OVERWRITE);
	for (int i = 0; i < 1000; i++) {
		happens(CALL_PY_START, F);
		happens(CALL_PY_RETURN, F);
	}
	happens(CALL_PY_START, G);
	attach(false);
	uint64_t lost = 2000 - 5 * (N_SLOTS - 1);
	run();
	need_lost(0, lost - 1, LOST_OVERWRITTEN);
	for (uint64_t seq = lost; seq < 2000; seq++) {
		if (seq % 2 == 0)
			need_call(seq, 'f', 1);
		else
			need_return(seq, 'f', seq == lost ? UNKNOWN : 10);
	}
	need_call(2000, 'g', 1);
	NEED(at == n_told && !drain_has_more(&drain));
	happens(CALL_PY_RETURN, G);
	run();
	need_return(2001, 'g', 10);
	/* The slot that was read in part is gone. */
	for (int i = 0; i < 400; i++)
		happens(CALL_PY_START, F);
	emit_event();
	run();
	NEED(told[at].type == EVENT_LOST && told[at].seq == 2002);
	NEED(told[n_told - 1].type == EVENT_AUDIT && told[n_told - 1].seq == 2402);
	NEED(n_told - at == 2402 - told[at].to + 1);
}
END_TEST

/* The copy then goes as far as the new end, which was not noted. */
START_TEST(a_flight_recorder_that_ran_away_meanwhile_keeps_its_open_slot)
{
	begin(LANE_OVERWRITE);
	attach(false);
	for (int i = 0; i < 5 * N_SLOTS; i++)
		happens(CALL_PY_START, F);
	drain_note(&drain);
	for (int i = 0; i < 5 * N_SLOTS + 2; i++)
		happens(CALL_PY_START, F);
	drain_run(&drain, &to, UINT64_MAX);
	NEED(told[n_told - 1].seq < 10 * N_SLOTS);
	happens(CALL_PY_START, G);
	run();
	at = n_told - 3;
	need_call(10 * N_SLOTS, 'f', 10 * N_SLOTS + 1);
	need_call(10 * N_SLOTS + 1, 'f', 10 * N_SLOTS + 2);
	need_call(10 * N_SLOTS + 2, 'g', 10 * N_SLOTS + 3);
}
END_TEST

START_TEST(slots_whose_numbers_overlap_are_damage)
{
	begin(LANE_DROP);
	attach(false);
	for (int i = 0; i < 15; i++)
		happens(CALL_PY_START, F);
	slots[1].w[0] = record_w0(1, 1, RECORD_CALLS, 3);
	NEED(run() == 5 && drain.damaged);
	for (uint64_t i = 0; i < 5; i++)
		need_call(i, 'f', (uint32_t)i + 1);
	NEED(n_told == 6 && told[5].type == EVENT_NOTICE);
}
END_TEST

START_TEST(a_lane_is_read_a_few_events_at_a_time)
{
	begin(LANE_DROP);
	attach(false);
	for (int i = 0; i < 11; i++)
		happens(CALL_PY_START, F);
	drain_note(&drain);
	NEED(drain_run(&drain, &to, 1) == 5);
	NEED(drain_run(&drain, &to, 6) == 6);
	NEED(drain_run(&drain, &to, 1) == 0 && !drain_has_more(&drain));
	for (uint64_t i = 0; i < 11; i++)
		need_call(i, 'f', (uint32_t)i + 1);
}
END_TEST

static bool
reads_until(unsigned n)
{
	enough_at = n;
	enough = false;
	drain_note(&drain);
	drain_run(&drain, &to, 1000);
	return n_told == n;
}

START_TEST(a_lane_is_read_until_it_is_enough)
{
	begin(LANE_DROP);
	attach(false);
	for (int i = 0; i < 11; i++)
		happens(CALL_PY_START, F);
	to.enough = &enough;
	NEED(reads_until(1) && drain_has_more(&drain));
	NEED(reads_until(4) && reads_until(8));
	/* Another one goes on in the middle of a slot. */
	drain_release(&drain);
	attach(false);
	NEED(reads_until(9) && reads_until(11) && !drain_has_more(&drain));
	to.enough = NULL;
	enough_at = 0;
	for (uint64_t i = 0; i < 11; i++)
		need_call(i, 'f', (uint32_t)i + 1);
}
END_TEST

START_TEST(a_word_that_is_no_event_is_one_lost)
{
	static const uint64_t wrong[] = {
		4ULL << 60 | (uint64_t)F << CALLS_TICK_BITS, /* no kind */
		15ULL << 60 | (uint64_t)F << CALLS_TICK_BITS,
		1,                                           /* none at all */
		1ULL << 60 | 50ULL << CALLS_TICK_BITS,       /* no definition */
		1ULL << 60 | (uint64_t)EVENT << CALLS_TICK_BITS,
		1ULL << 60 | (uint64_t)C << CALLS_TICK_BITS, /* a C function in Python, and so on */
		3ULL << 60 | (uint64_t)F << CALLS_TICK_BITS,
		1ULL << 60 | (1ULL << CALLS_TICK_BITS) * 0x3fffff,
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		begin(LANE_DROP);
		attach(false);
		happens(CALL_PY_START, G);
		happens(CALL_PY_START, F);
		happens(CALL_PY_RETURN, F);
		happens(CALL_PY_RETURN, G);
		slots[0].w[4] = wrong[i];
		NEED(run() == 4);
		need_call(0, 'g', 1);
		need_lost(1, 1, LOST_DAMAGED);
		need_return(2, 'f', UNKNOWN);
		need_return(3, 'g', UNKNOWN);
		NEED(at == n_told);
	}
	begin(LANE_DROP); /* id 0: there was no room to define it */
	attach(false);
	happens(CALL_PY_START, 0);
	happens(CALL_C_CALL, 0);
	NEED(run() == 2);
	need_call(0, '?', 1);
	need_call(1, '?', 2);
}
END_TEST

START_TEST(what_stands_behind_a_zero_word_is_nothing)
{
	begin(LANE_DROP);
	attach(false);
	for (int i = 0; i < 5; i++)
		happens(CALL_PY_START, F);
	happens(CALL_PY_START, G);
	slots[0].w[5] = 0;
	NEED(run() == 3);
	need_call(0, 'f', 1);
	need_call(1, 'f', 2);
	need_lost(2, 4, LOST_DAMAGED);
	need_call(5, 'g', 6);
	NEED(at == n_told);
}
END_TEST

/* Whatever a hostile hook does to an open slot: bounded work, no number twice. */
START_TEST(lies_cost_no_more_than_a_ring)
{
	struct dice dice = {.state = 11};
	lies = true;
	for (unsigned i = 0; i < rounds(20000); i++) {
		begin(dice_below(&dice, 2) ? LANE_DROP : LANE_OVERWRITE);
		attach(dice_below(&dice, 2));
		for (unsigned round = 4; round > 0; round--) {
			for (unsigned n = dice_below(&dice, 60); n > 0; n--)
				happens(dice_below(&dice, 2) ? CALL_PY_START : CALL_PY_RETURN,
					1 + dice_below(&dice, 2));
			if (dice_below(&dice, 4) == 0)
				lane_call_close(&lane);
			if (dice_below(&dice, 2))
				slots[dice_below(&dice, N_SLOTS)].w[dice_below(&dice, 8)] ^=
					1ULL << dice_below(&dice, 64);
			if (dice_below(&dice, 2))
				slots[(shared.head - 1) % N_SLOTS].w[dice_below(&dice, 8)] =
					dice_u64(&dice) >> dice_below(&dice, 64);
			if (dice_below(&dice, 8) == 0)
				shared.head += dice_below(&dice, 3) - 1;
			n_told = 0;
			drain_look_for_losses(&drain);
			NEED(run() <= 5 * N_SLOTS);
			NEED(n_told <= 10 * N_SLOTS + 8);
			uint64_t last = 0;
			for (unsigned k = 0; k < n_told; k++) {
				if (told[k].type == EVENT_NOTICE)
					continue;
				NEED(k == 0 || told[k].seq > last);
				last = told[k].type == EVENT_LOST ? told[k].to : told[k].seq;
			}
			NEED(drain.damaged || run() <= 1);
			if (dice_below(&dice, 2))
				drain_release(&drain);
			if (dice_below(&dice, 8) == 0)
				attach(dice_below(&dice, 2));
		}
		drain_finish(&drain, &to);
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("drain_calls");
	tcase_add_test(tc, an_open_slot_is_told_word_by_word);
	tcase_add_test(tc, a_greenlet_returns_from_its_own_calls);
	tcase_add_test(tc, a_slot_that_closed_early_is_gone_past);
	tcase_add_test(tc, whoever_comes_next_is_told_only_the_words_that_were_not);
	tcase_add_test(tc, words_that_were_there_before_we_came_are_not_wanted);
	tcase_add_test(tc, no_pair_bridges_a_gap);
	tcase_add_test(tc, losses_behind_the_last_words_are_told_behind_them);
	tcase_add_test(tc, a_program_killed_with_an_open_slot_lost_nothing_of_it);
	tcase_add_test(tc, a_flight_recorder_has_its_last_calls);
	tcase_add_test(tc, a_flight_recorder_that_ran_away_meanwhile_keeps_its_open_slot);
	tcase_add_test(tc, slots_whose_numbers_overlap_are_damage);
	tcase_add_test(tc, a_lane_is_read_a_few_events_at_a_time);
	tcase_add_test(tc, a_lane_is_read_until_it_is_enough);
	tcase_add_test(tc, a_word_that_is_no_event_is_one_lost);
	tcase_add_test(tc, what_stands_behind_a_zero_word_is_nothing);
	tcase_add_test(tc, lies_cost_no_more_than_a_ring);
	return suite_run("drain_calls", tc);
}
