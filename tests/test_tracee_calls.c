/* SPDX-License-Identifier: MIT */
/*
 * A segment with calls in it: its account adds up at every level, its functions are told, and
 * what is wanted of calls stands in its control region.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "clock.h"
#include "defs.h"
#include "event.h"
#include "record.h"
#include "suite.h"
#include "temp_dir.h"
#include "tracee.h"
#include "value.h"

#define NAME "/pyauditd.1.2.00000003"

static struct segment_header *header;
static struct segment_layout at;
static uint8_t *object;
static struct lane lane, other;
static struct tracee *tracee;
static struct settings settings;
static char why[200];
static unsigned n_events, n_calls, n_returns, n_notices;

static int reserve(void *c, struct slot *s, uint64_t n) { (void)c, (void)s, (void)n; return 0; }
static bool reader_alive(void *c) { (void)c; return true; }
static void wake(void *c) { (void)c; }
static bool wait_a_little(void *c, unsigned waited) { (void)c, (void)waited; return false; }
static const struct lane_ops ops = {reserve, NULL, reader_alive, wake, wait_a_little};

static void
define(uint32_t id, unsigned kind, const char *text, size_t n)
{
	uint64_t *used = (uint64_t *)(object + at.defs);
	uint8_t *to = object + at.defs + DEFS_HEAD_BYTES + *used;
	struct def def = {.id = id, .kind = (uint16_t)kind, .len = (uint16_t)n};
	memcpy(to, &def, sizeof def);
	memcpy(to + sizeof def, text, n);
	*used += def_bytes(n);
}

enum { F = 1, G = 2, C = 3, EVENT = 4 };

static void
make_object(void)
{
	struct segment_header made = {
		.magic = SEGMENT_MAGIC, .abi_major = SEGMENT_ABI_MAJOR, .abi_minor = SEGMENT_ABI_MINOR,
		.abi_oldest = SEGMENT_ABI_OLDEST, .header_bytes = sizeof made, .ready = 1,
		.page_bytes = SEGMENT_PAGE, .n_ids = 4096, .n_lanes = 2,
		.defs_bytes = 65536, .lane0_slots = 4096, .other_slots = 4096,
		.mode = LANE_DROP, .clock_kind = CLOCK_KIND_MONOTONIC, .pid = 2, .nonce = 3,
		.lanes_used = 1, .call_tables = 3, .python_hex = 0x030b07f0, .events = "all",
		.calls = {.level = CALL_LEVEL_COUNT, .max_depth = 9, .match = "own"},
	};
	temp_dir_open();
	temp_write("object", "", 0, 0600);
	at = segment_layout(&made);
	ck_assert_int_eq(truncate(temp_path("object"), (off_t)at.total_bytes), 0);
	int fd = open(temp_path("object"), O_RDWR);
	object = mmap(NULL, at.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(object, MAP_FAILED);
	close(fd);
	header = memcpy(object, &made, sizeof made);
	lane_init(&lane, (struct lane_shared *)(object + at.lanes),
		  (struct slot *)(object + at.lanes + at.slots), 4096, LANE_DROP, 4096, &ops, NULL);
	define(F, DEF_CODE, "\1\0\0\0m\0a.py\0f", 13);
	define(G, DEF_CODE, "\2\0\0\0m\0a.py\0g", 13);
	define(C, DEF_CFUNC, "\0\0\0\0builtins\0\0c", 15);
	define(EVENT, DEF_EVENT, "x", 1);
}

static void
attach(void)
{
	struct identity identity = {.pid = 2};
	int fd = open(temp_path("object"), O_RDWR);
	int err = tracee_open(&tracee, fd, NAME, &identity, &settings, why, sizeof why);
	ck_assert_msg(err == 0, "%d: %s", err, why);
	tracee_backlog(tracee, true);
	n_events = n_calls = n_returns = n_notices = 0;
}

static void
end(void)
{
	tracee_close(tracee);
	munmap(object, at.total_bytes);
	temp_dir_close();
	settings = (struct settings){.stack = -1};
}

/* ---- what the hook does ---- */

static void
happens(enum call_event what, uint32_t id)
{
	uint64_t word = call_word(what, id), now = clock_ticks(CLOCK_KIND_MONOTONIC);
	if (!lane_call(&lane, word, now))
		lane_call_open(&lane, word, now, calls_stack(2, 0));
}

static void
emit(unsigned type, const void *bytes, size_t n, uint32_t id)
{
	struct lane_writer w;
	NEED(lane_begin(&lane, &w, type));
	lane_put(&w, bytes, n);
	lane_commit(&w, clock_ticks(CLOCK_KIND_MONOTONIC), 2, id);
}

static void
emit_event(void)
{
	static const struct audit_head head;
	((uint64_t *)(object + at.lanes + at.counters))[EVENT]++;
	emit(RECORD_AUDIT, &head, sizeof head, EVENT);
}

static void
emit_notice(void)
{
	static const uint8_t texts[] = {VALUE_STR8, 1, 'w', VALUE_STR8, 1, 'd'};
	store_relaxed(&lane.shared->calls, ++lane.calls);
	emit(RECORD_NOTICE, texts, sizeof texts, 0);
}

static struct call_stats *
stats_in_table(uint32_t table, uint32_t id)
{
	return (struct call_stats *)(object + at.call_tables + table * at.call_table_bytes) + id;
}

static struct call_stats *
stats_of(uint32_t id)
{
	return stats_in_table(0, id);
}

/* ---- what the collector makes of it ---- */

static void
take(void *context, struct tracee *from, const struct event *event)
{
	(void)context;
	n_events += event->type == EVENT_AUDIT;
	n_calls += event->type == EVENT_CALL;
	n_returns += event->type == EVENT_RETURN;
	n_notices += event->type == EVENT_NOTICE;
	if (event->type != EVENT_LOST)
		tracee_emitted(from, 1);
}

static void
drain(void)
{
	tracee_note(tracee);
	NEED(tracee_drain(tracee, take, NULL, 100000) >= 0);
	tracee_release(tracee);
}

static void
need_account(uint64_t counted, uint64_t recorded)
{
	struct account account;
	tracee_account(tracee, &account);
	NEED_MSG(account.counted == counted && account.recorded == recorded,
		 "%" PRIu64 " counted, %" PRIu64 " recorded", account.counted, account.recorded);
	NEED(account.attempted == counted + recorded + account.lost_hook);
	NEED(account.recorded == account.emitted + account.filtered + account.lost_collector);
}

START_TEST(calls_and_notices_are_recorded_and_have_no_counter)
{
	make_object();
	attach();
	emit_event();
	happens(CALL_PY_START, F);
	happens(CALL_PY_RETURN, F);
	drain();
	need_account(0, 3);
	emit_notice();
	happens(CALL_PY_START, G);
	emit_event();
	((uint64_t *)(object + at.lanes + at.counters))[EVENT] += 10; /* at level count */
	drain();
	need_account(10, 6);
	happens(CALL_PY_START, G); /* the slot stays open */
	drain();
	need_account(10, 7);
	NEED(n_events == 2 && n_calls == 3 && n_returns == 1 && n_notices == 1);
	NEED(tracee_calls(tracee) == 4);
	tracee_finish(tracee, take, NULL);
	need_account(10, 7);
	end();
}
END_TEST

START_TEST(calls_that_found_no_room_are_attempted_and_no_audit_events)
{
	struct account account;
	make_object();
	attach();
	for (int i = 0; i < 5 * 4096 + 7; i++)
		happens(CALL_PY_START, F);
	tracee_tick(tracee);
	tracee_finish(tracee, take, NULL);
	NEED(n_calls == 5 * 4096);
	need_account(0, 5 * 4096);
	tracee_account(tracee, &account);
	NEED(account.lost_hook == 7 && account.lost[LOST_LANE_FULL] == 7);
	NEED(tracee_calls(tracee) == 5 * 4096 + 7);
	end();
}
END_TEST

START_TEST(a_busy_lane_has_what_the_quiet_ones_leave)
{
	make_object();
	lane_init(&other, (struct lane_shared *)(object + segment_lane_offset(&at, 1)),
		  (struct slot *)(object + segment_lane_offset(&at, 1) + at.slots), 4096, LANE_DROP,
		  4096, &ops, NULL);
	header->lanes_used = 2;
	attach();
	for (int i = 0; i < 1000; i++)
		emit_event();
	tracee_note(tracee);
	NEED(tracee_drain(tracee, take, NULL, 900) == 900);
	NEED(tracee_drain(tracee, take, NULL, 900) == 100);
	NEED(n_events == 1000);
	end();
}
END_TEST

/* A list of what tracee_functions() tells: "f 3 2 1000 5000 c 1", no times where none are known. */
static char told[300];

static void
tell(void *context, const struct function *function, const struct function_sums *sums)
{
	(void)context;
	size_t n = strlen(told);
	n += (size_t)snprintf(told + n, sizeof told - n, "%s %" PRIu64 " ", function->func,
			      sums->calls);
	if (sums->has_times)
		snprintf(told + n, sizeof told - n, "%" PRIu64 " %" PRIu64 " %" PRIu64 " ",
			 sums->primitive, sums->own_ns, sums->cum_ns);
}

static void
need_functions(enum which_functions which, const char *list)
{
	told[0] = '\0';
	tracee_functions(tracee, which, tell, NULL);
	ck_assert_str_eq(told, list);
}

START_TEST(functions_are_told_with_their_sums_and_when_these_change)
{
	make_object();
	attach();
	need_functions(FUNCTIONS_SINCE, "");
	*stats_of(F) = (struct call_stats){3, 2, 1000, 5000};
	stats_of(C)->calls = 1;
	stats_of(0)->calls = 4;
	stats_of(EVENT)->calls = 8; /* no function */
	need_functions(FUNCTIONS_CHANGED, "? 4 f 3 2 1000 5000 c 1 ");
	need_functions(FUNCTIONS_CHANGED, "");
	stats_of(F)->own_ticks = 2000; /* a call that began before has ended */
	need_functions(FUNCTIONS_CHANGED, "f 3 2 2000 5000 ");
	define(9, DEF_CODE, "\2\0\0\0m\0a.py\0h", 13);
	*stats_of(9) = (struct call_stats){1, 1, 0, 0};
	need_functions(FUNCTIONS_CHANGED, "h 1 1 0 0 ");
	need_functions(FUNCTIONS_SINCE, "? 4 f 3 2 2000 5000 c 1 h 1 1 0 0 ");
	need_account(3 + 1 + 4 + 8 + 1, 0);
	NEED(tracee_calls(tracee) == 17);
	*stats_of(F) = (struct call_stats){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	tracee_functions(tracee, FUNCTIONS_SINCE, tell, NULL);
	end();
}
END_TEST

START_TEST(what_was_called_before_we_came_is_no_gain)
{
	make_object();
	*stats_of(F) = (struct call_stats){3, 2, 1000, 5000};
	*stats_of(G) = (struct call_stats){1, 1, 10, 10};
	attach();
	tracee_backlog(tracee, false);
	need_functions(FUNCTIONS_SINCE, "");
	stats_of(G)->calls = 2;
	need_functions(FUNCTIONS_SINCE, "g 2 1 10 10 ");
	need_functions(FUNCTIONS_GAINED, "g 1 0 0 0 ");
	stats_of(F)->own_ticks = 1400; /* what was open then goes on */
	need_functions(FUNCTIONS_GAINED, "f 0 0 400 0 g 1 0 0 0 ");
	need_functions(FUNCTIONS_SINCE, "f 3 2 1400 5000 g 2 1 10 10 ");
	stats_of(F)->own_ticks = 1; /* a hostile one's go back */
	need_functions(FUNCTIONS_GAINED, "f 0 0 0 0 g 1 0 0 0 ");
	end();
}
END_TEST

START_TEST(what_another_has_read_and_removed_is_not_read_again)
{
	make_object();
	struct identity identity = {.pid = 2};
	int fd = open(temp_path("object"), O_RDWR);
	unlink(temp_path("object"));
	ck_assert_int_eq(tracee_open(&tracee, fd, NAME, &identity, &settings, why, sizeof why), -ENOENT);
	NEED(strstr(why, "another collector") != NULL);
	/*
	 * Of one that ended cleanly without a reader we are the first; of one that lives, in any
	 * case.
	 */
	header->stopped = 2;
	ck_assert_int_eq(tracee_open(&tracee, dup(fd), NAME, &identity, &settings, why, sizeof why), 0);
	tracee_close(tracee);
	header->stopped = 0;
	identity = (struct identity){.pid = 2, .alive = true};
	ck_assert_int_eq(tracee_open(&tracee, fd, NAME, &identity, &settings, why, sizeof why), 0);
	end();
}
END_TEST

START_TEST(several_tables_are_added_up)
{
	make_object();
	attach();
	*stats_of(F) = (struct call_stats){3, 2, 1000, 5000};
	*stats_in_table(2, F) = (struct call_stats){1, 1, 10, 10};
	stats_in_table(1, C)->calls = 5;
	stats_in_table(2, C)->calls = 2;
	need_functions(FUNCTIONS_CHANGED, "f 4 3 1010 5010 c 7 ");
	stats_in_table(1, F)->calls = 1;
	need_functions(FUNCTIONS_CHANGED, "f 5 3 1010 5010 ");
	need_account(5 + 7, 0);
	end();
}
END_TEST

START_TEST(functions_that_were_read_are_counted)
{
	make_object();
	attach();
	for (int i = 0; i < 12; i++) {
		happens(CALL_PY_START, F);
		happens(CALL_C_CALL, C);
	}
	drain();
	told[0] = '\0';
	tracee_functions_seen(tracee, tell, NULL);
	ck_assert_str_eq(told, "f 12 c 12 ");
	need_functions(FUNCTIONS_SINCE, "");
	end();
}
END_TEST

static const struct segment_control *
control(void)
{
	return (const struct segment_control *)(object + at.control);
}

START_TEST(what_is_wanted_of_calls_is_published_with_the_rest)
{
	const struct call_settings calls = {CALL_LEVEL_STATS, CALL_BACKEND_PROFILE, 1, 3, "json.*",
					    "-stdlib"};
	make_object();
	settings.calls = &calls;
	attach();
	NEED(control()->version != 0 && control()->version % 2 == 0);
	ck_assert_mem_eq(&control()->calls, &calls, sizeof calls);
	ck_assert_str_eq(control()->events, "all"); /* the program's own */
	tracee_close(tracee);
	NEED(control()->version == 0);
	/* Not given: the program's own, when anything else is. */
	settings = (struct settings){.events = "open", .stack = -1};
	attach();
	NEED(control()->version != 0);
	NEED(control()->own == (SETTING_ALL & ~SETTING_EVENTS));
	/* For a hook that knows nothing of that, too. */
	NEED(control()->calls.level == CALL_LEVEL_COUNT && control()->calls.max_depth == 9);
	NEED(control()->calls.backend == CALL_BACKEND_AUTO && control()->calls.no_c == 0);
	ck_assert_str_eq(control()->calls.match, "own");
	ck_assert_str_eq(control()->calls.files, "");
	ck_assert_str_eq(control()->events, "open");
	tracee_close(tracee);
	settings.events = NULL;
	attach();
	NEED(control()->version == 0);
	end();
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("tracee_calls");
	settings.stack = -1;
	tcase_add_test(tc, calls_and_notices_are_recorded_and_have_no_counter);
	tcase_add_test(tc, calls_that_found_no_room_are_attempted_and_no_audit_events);
	tcase_add_test(tc, a_busy_lane_has_what_the_quiet_ones_leave);
	tcase_add_test(tc, functions_are_told_with_their_sums_and_when_these_change);
	tcase_add_test(tc, what_was_called_before_we_came_is_no_gain);
	tcase_add_test(tc, what_another_has_read_and_removed_is_not_read_again);
	tcase_add_test(tc, several_tables_are_added_up);
	tcase_add_test(tc, functions_that_were_read_are_counted);
	tcase_add_test(tc, what_is_wanted_of_calls_is_published_with_the_rest);
	return suite_run("tracee_calls", tc);
}
