/* SPDX-License-Identifier: MIT */
/* Lines for people: what they show, and that nothing in them can move a cursor. */
#include "text.h"
#include "value_tree.h"

#define TIME_NS 1795359601123456789u

static struct text text;

static void
init(bool redact)
{
	setenv("TZ", "UTC", 1);
	text_init(&text, redact);
}

/* What was written since, without its newline. */
static const char *
take_line(void)
{
	oracle_harmless(text.out.text, text.out.len, true);
	NEED(text.out.len > 0 && memchr(text.out.text, '\n', text.out.len) ==
					 text.out.text + text.out.len - 1);
	text.out.text[text.out.len - 1] = '\0';
	line_cut(&text.out, 0);
	return text.out.text;
}

static struct event
audit(const char *name, const struct node *nodes, unsigned n)
{
	size_t bytes = tree_encode(nodes, n);
	return (struct event){.type = EVENT_AUDIT, .time_ns = TIME_NS, .lane = 3, .tid = 1236,
			      .name = name, .info = event_info_find(name), .n_args = n,
			      .values = tree_bytes, .values_end = tree_bytes + bytes};
}

/* The line of an event, from its third column on. */
static const char *
shown(const char *name, const struct node *nodes, unsigned n)
{
	struct event event = audit(name, nodes, n);
	ck_assert_int_eq(text_event(&text, 1234, &event), 0);
	const char *line = take_line();
	ck_assert_int_eq(strncmp(line, "15:00:01.123456 1234/1236        ", 33), 0);
	return line + 33;
}
#define SHOWN(name, ...) \
	shown((name), (const struct node[]){__VA_ARGS__}, \
	      sizeof(const struct node[]){__VA_ARGS__} / sizeof(struct node))

START_TEST(the_columns_stand_below_their_headings)
{
	init(true);
	ck_assert_int_eq(text_header(&text), 0);
	ck_assert_str_eq(take_line(),
			 "TIME            PID/TID          EVENT               DETAILS  AT");
	ck_assert_str_eq(SHOWN("open", tree_str("/etc/passwd"), tree_str("r"), tree_int(5)),
			 "open                /etc/passwd mode=\"r\" flags=5 ");
	ck_assert_str_eq(SHOWN("a.very.long.name.of.an.event", tree_int(1)),
			 "a.very.long.name.of.an.event _0=1 ");
	/* The main thread has no number of its own. */
	struct event event = audit("builtins.id", NULL, 0);
	event.tid = 1234;
	text_event(&text, 1234, &event);
	ck_assert_str_eq(take_line(),
			 "15:00:01.123456 1234             builtins.id         ");
	text_fini(&text);
}
END_TEST

START_TEST(what_has_a_role_comes_first_and_without_its_name)
{
	init(true);
	ck_assert_str_eq(SHOWN("os.rename", tree_str("a"), tree_str("b"), tree_int(-1),
			       tree_int(-1)),
			 "os.rename           a -> b src_dir_fd=-1 dst_dir_fd=-1 ");
	ck_assert_str_eq(SHOWN("os.chdir", tree_int(7)), "os.chdir            fd 7 ");
	ck_assert_str_eq(SHOWN("socket.connect", tree_plain(VALUE_NONE),
			       TREE_ITEMS(VALUE_TUPLE, tree_str("::1"), tree_int(80), tree_int(0),
					  tree_int(0))),
			 "socket.connect      [::1]:80 address=[\"::1\",80,0,0] ");
	ck_assert_str_eq(SHOWN("socket.connect", tree_plain(VALUE_NONE),
			       TREE_ITEMS(VALUE_TUPLE, tree_str("127.0.0.1"), tree_int(80))),
			 "socket.connect      127.0.0.1:80 ");
	ck_assert_str_eq(SHOWN("socket.bind", tree_plain(VALUE_NONE),
			       TREE_ITEMS(VALUE_TUPLE, tree_int(3), tree_int(9))),
			 "socket.bind         address=[3,9] ");
	ck_assert_str_eq(SHOWN("subprocess.Popen", tree_plain(VALUE_NONE),
			       TREE_ITEMS(VALUE_LIST, tree_str("ls"), tree_str("--token=x")),
			       tree_plain(VALUE_NONE), tree_plain(VALUE_NONE)),
			 "subprocess.Popen    [\"ls\",\"--token=[redacted]\"] ");
	text_fini(&text);
}
END_TEST

START_TEST(what_is_cut_says_so)
{
	init(true);
	struct node path = tree_text(VALUE_STR_CUT, "/long", 5);
	path.full = 1u << 20;
	ck_assert_str_eq(SHOWN("os.chdir", path), "os.chdir            /long... ");
	path = tree_text(VALUE_STR_CUT, "\xc3\xa9\xc3\xa9", 4);
	path.full = 3; /* in code points, and fewer than the bytes that are there */
	ck_assert_str_eq(SHOWN("os.chdir", path), "os.chdir            \xc3\xa9\xc3\xa9... ");
	struct node text_cut = tree_text(VALUE_STR_CUT, "aaa", 3);
	text_cut.full = 10000;
	ck_assert_str_eq(SHOWN("my.x", text_cut, tree_int(1)),
			 "my.x                _0=\"aaa\"... _1=1 ");
	struct event event = audit("myapp.x", NULL, 0);
	event.n_args_full = 99;
	text_event(&text, 1234, &event);
	ck_assert_str_eq(take_line() + 33, "myapp.x             ... ");
	text_fini(&text);
}
END_TEST

START_TEST(the_place_is_the_users_own_and_short)
{
	struct site at = {.func = "load", .file = "/usr/lib/python3/json/__init__.py", .line = 1};
	struct site caller = {.func = "main", .file = "/srv/\x1b[31m/app\x1b.py", .line = 32};
	init(true);
	struct event event = audit("myapp.x", NULL, 0);
	event.at = &at;
	text_event(&text, 1234, &event);
	ck_assert_str_eq(take_line() + 33, "myapp.x              load __init__.py:1");
	event.caller = &caller;
	text_event(&text, 1234, &event);
	ck_assert_str_eq(take_line() + 33, "myapp.x              main app\\u001B.py:32");
	text_fini(&text);
}
END_TEST

START_TEST(losses_notices_and_processes_have_lines_of_their_own)
{
	char *argv[] = {"python", "a\nb\xff", "\xe2\x80\xae", NULL};
	struct identity identity = {.pid = 1234, .argv = argv, .exe = "/bin/\x1b"};
	struct account account = {.lost_hook = 2, .lost_collector = 3};
	struct event event = {.type = EVENT_LOST, .time_ns = TIME_NS, .lane = 0, .lost_count = 512,
			      .lost_reason = LOST_LANE_FULL};
	init(true);
	text_event(&text, 1234, &event);
	ck_assert_str_eq(take_line() + 33, "-- lost --          512 events, lane_full");
	event = (struct event){.type = EVENT_NOTICE, .what = "evicted", .detail = "by\n\x7f"};
	text_event(&text, 1234, &event);
	ck_assert_str_eq(take_line() + 33, "-- notice --        evicted: by\\n\\u007F");
	event.detail = NULL;
	text_event(&text, 1234, &event);
	ck_assert_str_eq(take_line() + 33, "-- notice --        evicted");
	text_start(&text, TIME_NS, &identity, COVERAGE_SITE);
	ck_assert_str_eq(take_line() + 33, "-- process --       [\"python\",\"a\\nb%FF\","
					   "\"\\u202e\"]  (seen from: site)");
	identity.alive = true;
	identity.pid = 1234;
	identity.ns_pid = 7;
	text_start(&text, TIME_NS, &identity, COVERAGE_SITE);
	ck_assert_ptr_nonnull(strstr(take_line(), "  (seen from: site; inside: pid 7)"));
	identity.ns_pid = 1234;
	identity.argv = NULL;
	text_start(&text, TIME_NS, &identity, COVERAGE_NONE);
	ck_assert_str_eq(take_line() + 33, "-- process --       /bin/\\u001B  (seen from: none)");
	text_exit(&text, 1234, TIME_NS, "killed", -1, &account);
	ck_assert_str_eq(take_line() + 33, "-- exit --          killed, 5 events lost");
	account = (struct account){0};
	text_exit(&text, 1234, TIME_NS, "clean", -1, &account);
	ck_assert_str_eq(take_line() + 33, "-- exit --          clean");
	text_fini(&text);
}
END_TEST

static const char *
call_shown(enum call_event call, uint32_t depth, struct function *function, uint64_t lasted)
{
	struct event event = {.type = call_ends(call) ? EVENT_RETURN : EVENT_CALL, .tid = 1236,
			      .time_ns = TIME_NS, .call = call, .function = function,
			      .depth = depth, .has_duration = lasted != 0, .duration_ns = lasted};
	ck_assert_int_eq(text_event(&text, 1234, &event), 0);
	const char *line = take_line();
	ck_assert_int_eq(strncmp(line, "15:00:01.123456 1234/1236        ", 33), 0);
	return line + 33;
}

START_TEST(calls_stand_below_those_that_made_them)
{
	struct function f = {.func = "D.decode", .module = "m", .file = "/l/decoder.py",
			     .line = 332};
	struct function c = {.func = "len", .module = "builtins", .file = "", .is_c = true};
	char far[200];
	init(true);
	ck_assert_str_eq(call_shown(CALL_PY_START, 1, &f, 0),
			 "call                D.decode decoder.py:332");
	ck_assert_str_eq(call_shown(CALL_C_CALL, 2, &c, 0), "c call                len builtins");
	ck_assert_str_eq(call_shown(CALL_C_RAISE, 2, &c, 0), "c exception           len");
	ck_assert_str_eq(call_shown(CALL_C_RETURN, 2, &c, 90), "c return              len 0.0 us");
	ck_assert_str_eq(call_shown(CALL_PY_YIELD, 1, &f, 18211),
			 "yield               D.decode 18.2 us");
	ck_assert_str_eq(call_shown(CALL_PY_RESUME, 1, &f, 0),
			 "resume              D.decode decoder.py:332");
	ck_assert_str_eq(call_shown(CALL_PY_RETURN, 1, &f, 1999999),
			 "return              D.decode 1.9 ms");
	ck_assert_str_eq(call_shown(CALL_PY_UNWIND, 1, &f, 61500000000),
			 "unwind              D.decode 61.5 s");
	snprintf(far, sizeof far, "return              %78slen 999.9 us", "");
	ck_assert_str_eq(call_shown(CALL_PY_RETURN, UINT32_MAX, &c, 999999), far);
	text_fini(&text);
}
END_TEST

START_TEST(a_greenlet_has_its_number_behind_the_thread)
{
	struct function f = {.func = "f", .module = "m", .file = "m.py", .line = 3};
	struct event event = {.type = EVENT_CALL, .tid = 1236, .greenlet = 17, .time_ns = TIME_NS,
			      .call = CALL_PY_START, .function = &f, .depth = 1};
	init(true);
	ck_assert_int_eq(text_event(&text, 1234, &event), 0);
	ck_assert_str_eq(take_line(), "15:00:01.123456 1234/1236#17     call                f m.py:3");
	event.tid = 1234;
	ck_assert_int_eq(text_event(&text, 1234, &event), 0);
	ck_assert_str_eq(take_line(), "15:00:01.123456 1234#17          call                f m.py:3");
	text_fini(&text);
}
END_TEST

START_TEST(a_function_has_a_line_of_its_sums)
{
	struct function f = {.func = "f", .module = "m", .file = "m.py", .line = 3};
	struct function_sums sums = {true, 12, 7, 88123000, 912000111};
	init(true);
	text_function(&text, 1234, TIME_NS, &f, &sums);
	ck_assert_str_eq(take_line() + 33, "-- func --          f m.py:3  calls 12 (primitive 7), "
					   "own 88.1 ms, cumulative 912.0 ms");
	sums.has_times = false;
	text_function(&text, 1234, TIME_NS, &f, &sums);
	ck_assert_str_eq(take_line() + 33, "-- func --          f m.py:3  calls 12");
	text_fini(&text);
}
END_TEST

/* Any code point, in every place that shows text of the program. */
START_TEST(no_code_point_that_moves_the_cursor_or_turns_text_gets_out)
{
	init(false);
	for (unsigned c = 1; c < 0x3000; c++) {
		char s[8] = {0};
		if (c < 0x80) {
			s[0] = (char)c;
		} else if (c < 0x800) {
			s[0] = (char)(0xc0 | c >> 6);
			s[1] = (char)(0x80 | (c & 0x3f));
		} else {
			s[0] = (char)(0xe0 | c >> 12);
			s[1] = (char)(0x80 | (c >> 6 & 0x3f));
			s[2] = (char)(0x80 | (c & 0x3f));
		}
		struct site site = {.func = s, .file = s, .line = 1};
		struct node nodes[] = {tree_str(s), tree_str(s),
				       TREE_ITEMS(VALUE_DICT, tree_str(s), tree_str(s))};
		struct event event = audit("open", nodes, 3);
		tree_reset();
		event.name = s;
		event.caller = &site;
		NEED(text_event(&text, 1, &event) == 0);
		NEED(text_notice(&text, 1, TIME_NS, s, s) == 0);
		struct function function = {.func = s, .module = s, .file = s};
		struct function_sums sums = {.calls = 1};
		NEED(text_function(&text, 1, TIME_NS, &function, &sums) == 0);
		event = (struct event){.type = EVENT_CALL, .call = CALL_PY_START,
				       .function = &function};
		NEED(text_event(&text, 1, &event) == 0);
		oracle_harmless(text.out.text, text.out.len, true);
		line_cut(&text.out, 0);
	}
	text_fini(&text);
}
END_TEST

START_TEST(random_events_make_one_harmless_line_each)
{
	size_t n_events;
	const struct event_info *all = event_info_all(&n_events);
	for (unsigned seed = 0; seed < 10000; seed++) {
		struct dice dice = {seed};
		struct node nodes[5];
		unsigned n = dice_below(&dice, 6);
		tree_reset();
		if (seed == 0)
			init(true);
		text.redact = seed % 2;
		for (unsigned i = 0; i < n; i++)
			nodes[i] = tree_random(&dice, VALUE_MAX_DEPTH);
		struct event event = audit(all[seed % n_events].name, nodes, n);
		event.info = seed % 7 != 0 ? event.info : NULL;
		NEED(text_event(&text, 1, &event) == 0);
		take_line();
	}
	text_fini(&text);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("text");
	tcase_add_test(tc, the_columns_stand_below_their_headings);
	tcase_add_test(tc, what_has_a_role_comes_first_and_without_its_name);
	tcase_add_test(tc, what_is_cut_says_so);
	tcase_add_test(tc, the_place_is_the_users_own_and_short);
	tcase_add_test(tc, losses_notices_and_processes_have_lines_of_their_own);
	tcase_add_test(tc, calls_stand_below_those_that_made_them);
	tcase_add_test(tc, a_greenlet_has_its_number_behind_the_thread);
	tcase_add_test(tc, a_function_has_a_line_of_its_sums);
	tcase_add_test(tc, no_code_point_that_moves_the_cursor_or_turns_text_gets_out);
	tcase_add_test(tc, random_events_make_one_harmless_line_each);
	return suite_run("text", tc);
}
