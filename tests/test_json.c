/* SPDX-License-Identifier: MIT */
/* Every line of the stream is one line of JSON that says what went in. */
#include <errno.h>

#include "json.h"
#include "template.h"
#include "value_tree.h"

#define TIME_NS 1795359601123456789u

static struct json json;
static struct json_source source;

static void
init(bool redact)
{
	json_init(&json, redact);
	ck_assert_int_eq(json_source_init(&source, "web1:1234:88123456:9f3c", 1234, 0x030b07f0), 0);
}

static void
fini(void)
{
	json_source_fini(&source);
	json_fini(&json);
}

/* The one line that stands there; it is taken away. */
static json_t *
take_line(const char *type)
{
	json_t *line = oracle_parse(json.out.text, json.out.len);
	line_cut(&json.out, 0);
	NEED(json_integer_value(json_object_get(line, "v")) == 1);
	ck_assert_str_eq(json_string_value(json_object_get(line, "type")), type);
	ck_assert_str_eq(json_string_value(json_object_get(line, "time")),
			 "2026-11-22T15:00:01.123456789Z");
	double ts = json_real_value(json_object_get(line, "ts"));
	NEED(ts == 1795359601.123456);
	return line;
}

static json_int_t
number(const json_t *line, const char *name)
{
	const json_t *value = json_object_get(line, name);
	NEED_MSG(json_is_integer(value), "%s is no integer", name);
	return json_integer_value(value);
}

static const char *
string(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

static void
same_string(json_t *line, const char *name, const char *text)
{
	oracle_same_text(line, name, json_object_get(line, name), (const uint8_t *)text,
			 strlen(text), "");
}

/* An audit event of these values, which are left in tree_bytes. */
static struct event
audit(const char *name, const struct node *nodes, unsigned n)
{
	size_t bytes = tree_encode(nodes, n);
	return (struct event){.type = EVENT_AUDIT, .time_ns = TIME_NS, .seq = 18234, .lane = 3,
			      .tid = 1236, .name = name, .info = event_info_find(name),
			      .n_args = n, .values = tree_bytes, .values_end = tree_bytes + bytes};
}

static json_t *
audit_line(const struct event *event)
{
	ck_assert_int_eq(json_event(&json, &source, event), 0);
	json_t *line = take_line("audit");
	ck_assert_str_eq(string(line, "key"), "web1:1234:88123456:9f3c");
	NEED(number(line, "pid") == 1234);
	NEED(number(line, "tid") == event->tid);
	NEED(number(line, "lane") == event->lane);
	NEED(number(line, "seq") == (json_int_t)event->seq);
	return line;
}

START_TEST(an_event_has_its_arguments_by_name_and_its_roles_on_top)
{
	init(true);
	struct node nodes[] = {tree_str("/etc/pass%wd"), tree_str("r"), tree_int(524288)};
	struct event event = audit("open", nodes, 3);
	json_t *line = audit_line(&event), *args = json_object_get(line, "args");
	ck_assert_str_eq(string(line, "event"), "open");
	ck_assert_str_eq(string(line, "cat"), "file");
	ck_assert_str_eq(string(line, "path"), "/etc/pass%wd");
	ck_assert_uint_eq(json_object_size(args), 3);
	tree_same(line, "args.path", json_object_get(args, "path"), &nodes[0]);
	tree_same(line, "args.mode", json_object_get(args, "mode"), &nodes[1]);
	tree_same(line, "args.flags", json_object_get(args, "flags"), &nodes[2]);
	ck_assert_ptr_null(json_object_get(line, "enc"));
	ck_assert_ptr_null(json_object_get(line, "at"));
	json_decref(line);

	struct node address[] = {tree_plain(VALUE_NONE),
				 TREE_ITEMS(VALUE_TUPLE, tree_str("::1"), tree_int(8080))};
	event = audit("socket.connect", address, 2);
	line = audit_line(&event);
	ck_assert_str_eq(string(line, "cat"), "net");
	ck_assert_str_eq(string(line, "host"), "::1");
	NEED(number(line, "port") == 8080);
	json_decref(line);
	fini();
}
END_TEST

START_TEST(a_path_of_surrogates_is_percent_encoded_both_times)
{
	init(true);
	struct node nodes[] = {tree_str("/srv/100%/caf\xed\xb3\xa9"), tree_plain(VALUE_NONE),
			       tree_int(0)};
	struct event event = audit("open", nodes, 3);
	json_t *line = audit_line(&event);
	ck_assert_str_eq(string(line, "path"), "/srv/100%25/caf%E9");
	oracle_same_text(line, "path", json_object_get(line, "path"), nodes[0].bytes, nodes[0].len,
			 "");
	tree_same(line, "args.path", json_object_get(json_object_get(line, "args"), "path"),
		  &nodes[0]);
	oracle_no_more_notes(line);
	json_decref(line);
	fini();
}
END_TEST

START_TEST(an_fd_that_stands_for_a_path_is_an_fd)
{
	init(true);
	struct node nodes[] = {tree_int(7), tree_int(0600), tree_int(-1)};
	struct event event = audit("os.chmod", nodes, 3);
	json_t *line = audit_line(&event);
	NEED(number(line, "fd") == 7);
	ck_assert_ptr_null(json_object_get(line, "path"));
	json_decref(line);
	fini();
}
END_TEST

START_TEST(the_argv_of_a_new_program_is_strings_and_redacted)
{
	init(true);
	struct node nodes[] = {tree_str("mysql"),
			       TREE_ITEMS(VALUE_LIST, tree_str("mysql"), tree_str("--password=x"),
					  tree_int(7), tree_text(VALUE_BYTES8, "\xff", 1)),
			       tree_plain(VALUE_NONE), tree_kind(VALUE_SECRET, KIND_DICT, 20)};
	struct event event = audit("subprocess.Popen", nodes, 4);
	json_t *line = audit_line(&event), *argv = json_object_get(line, "argv");
	ck_assert_uint_eq(json_array_size(argv), 4);
	ck_assert_str_eq(json_string_value(json_array_get(argv, 1)), "--password=[redacted]");
	ck_assert_str_eq(json_string_value(json_array_get(argv, 2)), "7");
	oracle_enc(line, "argv[1]", "redacted");
	oracle_enc(line, "argv[2]", "type");
	oracle_enc(line, "argv[3]", "bytes+percent");
	oracle_enc(line, "args.args[1]", "redacted");
	oracle_enc(line, "args.args[3]", "bytes+percent");
	oracle_no_more_notes(line);
	json_decref(line);

	json.redact = false;
	line = audit_line(&event);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(line, "argv"), 1)),
			 "--password=x");
	json_decref(line);

	/* One text is the first element. */
	struct node one[] = {tree_plain(VALUE_NONE), tree_str("ls -l"), tree_plain(VALUE_NONE),
			     tree_plain(VALUE_NONE)};
	event = audit("subprocess.Popen", one, 4);
	line = audit_line(&event);
	argv = json_object_get(line, "argv");
	ck_assert_uint_eq(json_array_size(argv), 1);
	ck_assert_str_eq(json_string_value(json_array_get(argv, 0)), "ls -l");
	json_decref(line);
	fini();
}
END_TEST

START_TEST(an_argv_of_64_kib_stands_there_whole)
{
	static char words[64][1024];
	struct node kids[64], nodes[4] = {tree_str("prog"), {0}, tree_plain(VALUE_NONE),
					  tree_plain(VALUE_NONE)};
	init(true);
	for (unsigned i = 0; i < 64; i++) {
		memset(words[i], 'A' + (int)i % 26, sizeof words[i]);
		kids[i] = tree_text(VALUE_STR, words[i], sizeof words[i]);
	}
	nodes[1] = tree_items(VALUE_LIST, kids, 64);
	struct event event = audit("subprocess.Popen", nodes, 4);
	json_t *line = audit_line(&event);
	tree_same(line, "argv", json_object_get(line, "argv"), &nodes[1]);
	tree_same(line, "args.args", json_object_get(json_object_get(line, "args"), "args"),
		  &nodes[1]);
	oracle_no_more_notes(line);
	json_decref(line);
	fini();
}
END_TEST

START_TEST(arguments_beyond_the_table_have_numbers)
{
	struct node nodes[255];
	init(true);
	for (unsigned i = 0; i < 255; i++)
		nodes[i] = i % 2 ? tree_str("\xff") : tree_int(i);
	struct event event = audit("myapp.login", nodes, 255);
	event.n_args_full = 300;
	json_t *line = audit_line(&event), *args = json_object_get(line, "args");
	ck_assert_str_eq(string(line, "cat"), "custom");
	ck_assert_uint_eq(json_object_size(args), 255);
	for (unsigned i = 0; i < 255; i++) {
		char name[16], field[32];
		snprintf(name, sizeof name, "_%u", i);
		snprintf(field, sizeof field, "args._%u", i);
		tree_same(line, field, json_object_get(args, name), &nodes[i]);
	}
	oracle_trunc(line, "args", 300);
	oracle_no_more_notes(line);
	json_decref(line);

	/* More than the table knows: the first by name, the rest by number. */
	struct node open[] = {tree_str("a"), tree_str("r"), tree_int(0), tree_int(9)};
	event = audit("open", open, 4);
	line = audit_line(&event);
	args = json_object_get(line, "args");
	ck_assert_uint_eq(json_object_size(args), 4);
	NEED(number(args, "_3") == 9);
	json_decref(line);
	event = audit("builtins.id", NULL, 0);
	line = audit_line(&event);
	ck_assert_uint_eq(json_object_size(json_object_get(line, "args")), 0);
	json_decref(line);
	fini();
}
END_TEST

START_TEST(every_event_of_the_table_makes_a_line_of_any_values)
{
	size_t n_events;
	const struct event_info *all = event_info_all(&n_events);
	init(true);
	for (unsigned seed = 0; seed < rounds(6000); seed++) {
		struct dice dice = {seed};
		struct node nodes[6];
		unsigned n = dice_below(&dice, 7);
		tree_reset();
		for (unsigned i = 0; i < n; i++)
			nodes[i] = tree_random(&dice, VALUE_MAX_DEPTH);
		struct event event = audit(all[seed % n_events].name, nodes, n);
		json.redact = seed % 2;
		json_decref(audit_line(&event));
	}
	fini();
}
END_TEST

START_TEST(random_arguments_come_back)
{
	init(false);
	for (unsigned seed = 0; seed < rounds(6000); seed++) {
		struct dice dice = {seed + 77};
		struct node nodes[20];
		unsigned n = dice_below(&dice, 20);
		tree_reset();
		for (unsigned i = 0; i < n; i++)
			nodes[i] = tree_random(&dice, 2);
		struct event event = audit("myapp.event", nodes, n);
		json_t *line = audit_line(&event), *args = json_object_get(line, "args");
		NEED(json_object_size(args) == n);
		for (unsigned i = 0; i < n; i++) {
			char field[32];
			snprintf(field, sizeof field, "args._%u", i);
			tree_same(line, field, json_object_get(args, field + 5), &nodes[i]);
		}
		oracle_no_more_notes(line);
		json_decref(line);
	}
	fini();
}
END_TEST

START_TEST(sites_are_told_whatever_their_names_are)
{
	size_t budget = 1 << 20;
	struct prepared prepared = {.budget = &budget};
	struct site site = {.func = "A.<lambda>\"", .file = "/srv/\xed\xb2\x80%.py", .module = "m",
			    .line = UINT32_MAX, .prepared = &prepared};
	struct site plain = {.func = "f", .file = "f.py", .module = "m", .line = 0};
	const struct site *stack[] = {&plain, &site};
	init(true);
	struct event event = audit("builtins.id", NULL, 0);
	event.at = &site;
	event.caller = &plain;
	event.stack = stack;
	event.n_stack = 2;
	/* The second time from what was kept. */
	for (unsigned i = 0; i < 2; i++) {
		json_t *line = audit_line(&event), *at = json_object_get(line, "at");
		ck_assert_str_eq(string(at, "func"), "A.<lambda>\"");
		ck_assert_str_eq(string(at, "file"), "/srv/%80%25.py");
		NEED(number(at, "line") == UINT32_MAX);
		oracle_enc(line, "at.file", "percent");
		ck_assert_str_eq(string(json_object_get(line, "caller"), "func"), "f");
		json_t *frames = json_object_get(line, "stack");
		ck_assert_uint_eq(json_array_size(frames), 2);
		ck_assert_str_eq(string(json_array_get(frames, 1), "file"), "/srv/%80%25.py");
		oracle_enc(line, "stack[1].file", "percent");
		oracle_no_more_notes(line);
		ck_assert_ptr_nonnull(prepared.block);
		json_decref(line);
	}
	free(prepared.block);
	fini();
}
END_TEST

START_TEST(what_is_kept_of_an_event_gives_the_same_line)
{
	size_t budget = 1 << 20;
	struct prepared prepared = {.budget = &budget};
	init(true);
	struct node nodes[] = {tree_str("/a"), tree_str("r"), tree_int(0)};
	struct event event = audit("open", nodes, 3);
	ck_assert_int_eq(json_event(&json, &source, &event), 0);
	size_t n = json.out.len;
	event.prepared = &prepared;
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(json_event(&json, &source, &event), 0);
		ck_assert_uint_eq(json.out.len, (i + 2) * n);
		ck_assert_mem_eq(json.out.text, json.out.text + (i + 1) * n, n);
		ck_assert_ptr_nonnull(prepared.block);
	}
	free(prepared.block);
	fini();
}
END_TEST

START_TEST(argument_names_are_those_of_the_python_that_raised_them)
{
	struct node nodes[] = {tree_str("/a"), tree_int(3)};
	json_init(&json, true);
	for (unsigned minor = 8; minor < 16; minor++) {
		ck_assert_int_eq(json_source_init(&source, "web1:1234:88123456:9f3c", 1234,
						  0x03000000 | minor << 16), 0);
		struct event event = audit("shutil.rmtree", nodes, 2);
		json_t *line = audit_line(&event), *args = json_object_get(line, "args");
		ck_assert_ptr_nonnull(json_object_get(args, minor < 11 ? "_1" : "dir_fd"));
		json_decref(line);
		json_source_fini(&source);
	}
	json_fini(&json);
}
END_TEST

START_TEST(names_of_events_are_any_text)
{
	init(true);
	for (unsigned i = 0; i < TREE_PIECES; i++) {
		if (memchr(tree_pieces[i].bytes, 0, tree_pieces[i].n) != NULL)
			continue;
		struct event event = audit(tree_pieces[i].bytes, NULL, 0);
		json_t *line = audit_line(&event);
		same_string(line, "event", tree_pieces[i].bytes);
		oracle_no_more_notes(line);
		json_decref(line);
	}
	fini();
}
END_TEST

/* ---- functions ---- */

static struct event
call_event(enum call_event call, struct function *function)
{
	return (struct event){.type = call_ends(call) ? EVENT_RETURN : EVENT_CALL,
			      .time_ns = TIME_NS, .seq = 18235, .lane = 3, .tid = 1236,
			      .call = call, .function = function, .depth = 4,
			      .has_duration = call_ends(call), .duration_ns = 18211};
}

static json_t *
call_line(const struct event *event)
{
	ck_assert_int_eq(json_event(&json, &source, event), 0);
	json_t *line = take_line(event->type == EVENT_CALL ? "call" : "return");
	ck_assert_str_eq(string(line, "key"), "web1:1234:88123456:9f3c");
	NEED(number(line, "pid") == 1234);
	NEED(number(line, "tid") == 1236);
	NEED(number(line, "lane") == 3);
	NEED(number(line, "seq") == 18235);
	return line;
}

START_TEST(each_event_of_a_call_says_its_kind_and_how)
{
	static const struct {
		enum call_event call;
		const char *type, *kind, *how;
	} rows[] = {
		{CALL_PY_START, "call", "py", NULL}, {CALL_PY_RESUME, "call", "resume", NULL},
		{CALL_C_CALL, "call", "c", NULL}, {CALL_PY_RETURN, "return", "py", "return"},
		{CALL_PY_YIELD, "return", "py", "yield"},
		{CALL_PY_UNWIND, "return", "py", "unwind"},
		{CALL_C_RETURN, "return", "c", "c_return"},
		{CALL_C_RAISE, "return", "c", "c_exception"},
	};
	init(true);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool is_c = rows[i].kind[0] == 'c', ends = rows[i].how != NULL;
		struct function f = {.func = "JSONDecoder.decode", .module = "json.decoder",
				     .file = is_c ? "" : "/lib/decoder.py", .line = is_c ? 0 : 332,
				     .is_c = is_c};
		struct event event = call_event(rows[i].call, &f);
		json_t *line = call_line(&event);
		ck_assert_str_eq(string(line, "type"), rows[i].type);
		ck_assert_str_eq(string(line, "kind"), rows[i].kind);
		ck_assert_str_eq(string(line, "func"), "JSONDecoder.decode");
		if (ends) {
			ck_assert_str_eq(string(line, "how"), rows[i].how);
			NEED(number(line, "dur_ns") == 18211);
			ck_assert_uint_eq(json_object_size(line), 13);
		} else {
			ck_assert_str_eq(string(line, "module"), "json.decoder");
			NEED(number(line, "depth") == 4);
			ck_assert_uint_eq(json_object_size(line), is_c ? 13 : 15);
		}
		if (!ends && !is_c) {
			ck_assert_str_eq(string(line, "file"), "/lib/decoder.py");
			NEED(number(line, "line") == 332);
		}
		ck_assert_ptr_null(json_object_get(line, "greenlet"));
		json_decref(line);
		event.has_duration = false;
		event.greenlet = 17;
		line = call_line(&event);
		ck_assert_ptr_null(json_object_get(line, "dur_ns"));
		NEED(number(line, "greenlet") == 17);
		json_decref(line);
	}
	fini();
}
END_TEST

START_TEST(functions_are_told_whatever_their_names_are)
{
	size_t budget = 1 << 20;
	init(true);
	for (unsigned i = 0; i < TREE_PIECES; i++) {
		const char *piece = tree_pieces[i].bytes;
		struct prepared prepared = {.budget = &budget};
		struct function f = {.func = piece, .module = piece, .file = piece,
				     .line = UINT32_MAX, .prepared = &prepared};
		if (memchr(piece, 0, tree_pieces[i].n) != NULL)
			continue;
		/* The second time from what was kept. */
		for (unsigned k = 0; k < 4; k++) {
			struct event event = call_event(k % 2 ? CALL_PY_RETURN : CALL_PY_START, &f);
			json_t *line = call_line(&event);
			same_string(line, "func", piece);
			if (event.type == EVENT_CALL) {
				same_string(line, "module", piece);
				same_string(line, "file", piece);
				NEED(number(line, "line") == UINT32_MAX);
			}
			oracle_no_more_notes(line);
			ck_assert_ptr_nonnull(prepared.block);
			json_decref(line);
		}
		free(prepared.block);
	}
	fini();
}
END_TEST

START_TEST(a_function_has_its_sums_as_far_as_they_are_known)
{
	struct function f = {.func = "f", .module = "m", .file = "m.py", .line = 3};
	struct function_sums sums = {true, 120034, 120000, 88123000, 912000111};
	init(true);
	ck_assert_int_eq(json_function(&json, &source, TIME_NS, &f, &sums), 0);
	json_t *line = take_line("func");
	ck_assert_str_eq(string(line, "kind"), "py");
	ck_assert_str_eq(string(line, "func"), "f");
	ck_assert_str_eq(string(line, "module"), "m");
	ck_assert_str_eq(string(line, "file"), "m.py");
	NEED(number(line, "line") == 3 && number(line, "pid") == 1234);
	NEED(number(line, "calls") == 120034 && number(line, "primitive") == 120000);
	NEED(number(line, "own_ns") == 88123000 && number(line, "cum_ns") == 912000111);
	ck_assert_uint_eq(json_object_size(line), 15);
	json_decref(line);

	f = (struct function){.func = "len", .module = "builtins", .file = "", .is_c = true};
	sums = (struct function_sums){.calls = UINT64_MAX};
	ck_assert_int_eq(json_function(&json, &source, TIME_NS, &f, &sums), 0);
	line = take_line("func");
	ck_assert_str_eq(string(line, "kind"), "c");
	NEED(number(line, "calls") == TREE_SAFE_INT);
	ck_assert_uint_eq(json_object_size(line), 10);
	ck_assert_ptr_null(json_object_get(line, "file"));
	ck_assert_ptr_null(json_object_get(line, "own_ns"));
	json_decref(line);
	fini();
}
END_TEST

START_TEST(losses_and_notices_have_their_place)
{
	init(true);
	struct event event = {.type = EVENT_LOST, .time_ns = TIME_NS, .lane = 2, .lost_count = 512,
			      .lost_seq_from = 10, .lost_seq_to = 521,
			      .lost_reason = LOST_LANE_FULL};
	ck_assert_int_eq(json_event(&json, &source, &event), 0);
	json_t *line = take_line("lost");
	NEED(number(line, "count") == 512);
	NEED(number(line, "lane") == 2);
	NEED(number(line, "seq_from") == 10);
	NEED(number(line, "seq_to") == 521);
	ck_assert_str_eq(string(line, "reason"), "lane_full");
	json_decref(line);

	event.lane = EVENT_NO_LANE;
	event.lost_count = UINT64_MAX;
	event.lost_reason = 77;
	ck_assert_int_eq(json_event(&json, &source, &event), 0);
	line = take_line("lost");
	ck_assert_ptr_null(json_object_get(line, "lane"));
	ck_assert_ptr_null(json_object_get(line, "seq_from"));
	NEED(number(line, "count") == TREE_SAFE_INT);
	json_decref(line);

	event = (struct event){.type = EVENT_NOTICE, .time_ns = TIME_NS, .lane = 1, .seq = 5,
			       .tid = 6, .what = "evicted", .detail = "by \x1b[31m \xff %"};
	ck_assert_int_eq(json_event(&json, &source, &event), 0);
	line = take_line("notice");
	NEED(number(line, "seq") == 5);
	ck_assert_str_eq(string(line, "what"), "evicted");
	same_string(line, "detail", event.detail);
	oracle_no_more_notes(line);
	json_decref(line);

	event.lane = EVENT_NO_LANE;
	event.detail = NULL;
	ck_assert_int_eq(json_event(&json, &source, &event), 0);
	line = take_line("notice");
	ck_assert_ptr_null(json_object_get(line, "seq"));
	ck_assert_ptr_null(json_object_get(line, "detail"));
	NEED(number(line, "pid") == 1234);
	json_decref(line);
	ck_assert_int_eq(json_notice(&json, NULL, TIME_NS, "what", "\n\x7f\xc2\x9b"), 0);
	line = take_line("notice");
	ck_assert_ptr_null(json_object_get(line, "pid"));
	same_string(line, "detail", "\n\x7f\xc2\x9b");
	json_decref(line);
	fini();
}
END_TEST

START_TEST(a_process_is_who_the_kernel_says)
{
	static struct segment_header header = {.python_hex = 0x030f00a9, .coverage = COVERAGE_SITE};
	char *argv[] = {"python", "\xff%", "a\nb", "--password", "hunter2", "\xed\xb2\x80", NULL};
	struct identity identity = {.pid = 1234, .ns_pid = 7, .alive = true, .ppid = 1, .uid = 1000,
				    .argv = argv,
				    .exe = "/opt/\xed\xb2\x80/python", .cwd = "/srv/100%\xed\xb3\xbf"};
	init(true);
	ck_assert_int_eq(json_start(&json, &source, TIME_NS, &identity, &header, "web1:1:12:77aa"),
			 0);
	json_t *line = take_line("process");
	ck_assert_str_eq(string(line, "action"), "start");
	NEED(number(line, "pid") == 1234);
	NEED(number(line, "ns_pid") == 7);
	NEED(number(line, "ppid") == 1);
	NEED(number(line, "uid") == 1000);
	ck_assert_str_eq(string(line, "python"), "3.15.0a9");
	ck_assert_str_eq(string(line, "coverage"), "site");
	ck_assert_str_eq(string(line, "parent"), "web1:1:12:77aa");
	/* These were never code points: three bytes. */
	ck_assert_str_eq(string(line, "exe"), "/opt/%ED%B2%80/python");
	ck_assert_str_eq(string(line, "cwd"), "/srv/100%25%ED%B3%BF");
	json_t *words = json_object_get(line, "argv");
	ck_assert_uint_eq(json_array_size(words), 6);
	ck_assert_str_eq(json_string_value(json_array_get(words, 1)), "%FF%25");
	ck_assert_str_eq(json_string_value(json_array_get(words, 4)), "[redacted]");
	ck_assert_str_eq(json_string_value(json_array_get(words, 5)), "%ED%B2%80");
	oracle_enc(line, "exe", "percent");
	oracle_enc(line, "cwd", "percent");
	oracle_enc(line, "argv[1]", "percent");
	oracle_enc(line, "argv[4]", "redacted");
	oracle_enc(line, "argv[5]", "percent");
	oracle_no_more_notes(line);
	json_decref(line);

	/* Of a process that is gone little is known. */
	identity = (struct identity){.ns_pid = 7, .uid = 1000};
	header.python_hex = 0x030b07f0;
	header.coverage = 99;
	ck_assert_int_eq(json_start(&json, &source, TIME_NS, &identity, &header, NULL), 0);
	line = take_line("process");
	ck_assert_str_eq(string(line, "python"), "3.11.7");
	ck_assert_str_eq(string(line, "coverage"), "none");
	ck_assert_ptr_null(json_object_get(line, "exe"));
	ck_assert_ptr_null(json_object_get(line, "argv"));
	ck_assert_ptr_null(json_object_get(line, "parent"));
	ck_assert_ptr_null(json_object_get(line, "ns_pid"));
	json_decref(line);

	identity.pid = identity.ns_pid = 99;
	identity.alive = true;
	ck_assert_int_eq(json_start_untraced(&json, TIME_NS, &identity), 0);
	line = take_line("process");
	NEED(number(line, "pid") == 99);
	ck_assert_ptr_null(json_object_get(line, "ns_pid"));
	ck_assert_str_eq(string(line, "coverage"), "none");
	ck_assert_ptr_null(json_object_get(line, "key"));
	json_decref(line);
	fini();
}
END_TEST

/* The account is read from shared memory: any number may stand there. */
START_TEST(accounts_are_told_up_to_what_json_numbers_hold)
{
	struct account account = {.attempted = 912856, .counted = 900000, .recorded = 12344,
				  .lost_hook = 512, .emitted = 12300, .filtered = 44,
				  .high_water_slots = 65536, .ring_slots = 65536};
	init(true);
	account.lost[LOST_LANE_FULL] = 512;
	account.lost[N_LOST_REASONS - 2] = 1;
	account.lost[N_LOST_REASONS - 1] = 2;
	ck_assert_int_eq(json_stats(&json, &source, TIME_NS, &account), 0);
	json_t *line = take_line("stats"), *lost = json_object_get(line, "lost");
	NEED(number(line, "attempted") == 912856);
	NEED(number(line, "counted") == 900000);
	NEED(number(line, "recorded") == 12344);
	NEED(number(line, "lost_hook") == 512);
	NEED(number(line, "emitted") == 12300);
	NEED(number(line, "filtered") == 44);
	NEED(number(line, "lost_collector") == 0);
	NEED(number(line, "high_water_slots") == 65536);
	NEED(number(line, "ring_slots") == 65536);
	ck_assert_uint_eq(json_object_size(lost), 2);
	NEED(number(lost, "lane_full") == 512);
	NEED(number(lost, "unknown") == 3);
	json_decref(line);

	ck_assert_int_eq(json_exit(&json, &source, TIME_NS, "clean", 3 << 8, &account), 0);
	line = take_line("process");
	ck_assert_str_eq(string(line, "action"), "exit");
	ck_assert_str_eq(string(line, "exit"), "clean");
	NEED(number(line, "attempted") == 912856);
	NEED(number(line, "lost_hook") == 512);
	NEED(number(line, "lost_collector") == 0);
	NEED(number(line, "status") == 3);
	ck_assert_ptr_null(json_object_get(line, "signal"));
	json_decref(line);

	memset(&account, 0xff, sizeof account);
	ck_assert_int_eq(json_stats(&json, &source, TIME_NS, &account), 0);
	line = take_line("stats");
	lost = json_object_get(line, "lost");
	NEED(number(line, "attempted") == TREE_SAFE_INT);
	NEED(number(line, "ring_slots") == TREE_SAFE_INT);
	ck_assert_uint_eq(json_object_size(lost), LOST_COLLECTOR_KILLED + 1 + 1); /* and "unknown" */
	NEED(number(lost, "damaged") == TREE_SAFE_INT);
	json_decref(line);
	ck_assert_int_eq(json_exit(&json, &source, TIME_NS, "killed", 9, &account), 0);
	line = take_line("process");
	NEED(number(line, "signal") == 9);
	ck_assert_ptr_null(json_object_get(line, "status"));
	json_decref(line);
	fini();
}
END_TEST

START_TEST(counts_are_one_object_of_any_names)
{
	init(true);
	json_counts_begin(&json, &source, TIME_NS);
	json_count(&json, "builtins.id", LEVEL_COUNT, 900000);
	json_count(&json, "\"\\\x1b", LEVEL_COUNT, 1);
	json_count(&json, "x\xff", LEVEL_COUNT, 2);
	json_count(&json, "?", LEVEL_COUNT, UINT64_MAX);
	ck_assert_int_eq(json_counts_end(&json), 0);
	json_t *line = take_line("counts"), *events = json_object_get(line, "events");
	ck_assert_uint_eq(json_object_size(events), 4);
	NEED(number(events, "builtins.id") == 900000);
	NEED(number(events, "\"\\\x1b") == 1);
	NEED(number(events, "x%FF") == 2);
	NEED(number(events, "?") == TREE_SAFE_INT);
	oracle_enc(line, "events.x%FF", "percent");
	oracle_no_more_notes(line);
	json_decref(line);

	/* Nothing to say, no line; what stood before stays. */
	line_literal(&json.out, "before\n");
	json_counts_begin(&json, &source, TIME_NS);
	ck_assert_int_eq(json_counts_end(&json), 0);
	ck_assert_uint_eq(json.out.len, 7);
	fini();
}
END_TEST

START_TEST(keys_are_any_text)
{
	json_init(&json, true);
	ck_assert_int_eq(json_source_init(&source, "h\"\\\n\x7f:1:2:ab", UINT32_MAX, 0), 0);
	ck_assert_int_eq(json_notice(&json, &source, TIME_NS, "w", NULL), 0);
	json_t *line = take_line("notice");
	ck_assert_str_eq(string(line, "key"), "h\"\\\n\x7f:1:2:ab");
	NEED(number(line, "pid") == UINT32_MAX);
	json_decref(line);
	fini();
}
END_TEST

START_TEST(lines_without_memory_are_taken_back_whole)
{
	init(true);
	struct node nodes[] = {tree_str("/a"), tree_str("r"), tree_int(0)};
	struct event event = audit("open", nodes, 3);
	ck_assert_int_eq(json_event(&json, &source, &event), 0);
	size_t n = json.out.len;
	json_counts_begin(&json, &source, TIME_NS);
	json_count(&json, "a", LEVEL_COUNT, 1);
	json.out.failed = true; /* as if something in it had found no memory */
	ck_assert_int_eq(json_counts_end(&json), -ENOMEM);
	ck_assert_uint_eq(json.out.len, n);
	json_decref(take_line("audit"));
	/* Also when only the notes found none. */
	json_counts_begin(&json, &source, TIME_NS);
	json_count(&json, "\xff", LEVEL_COUNT, 1);
	json.encoder.enc.failed = true;
	ck_assert_int_eq(json_counts_end(&json), -ENOMEM);
	ck_assert_uint_eq(json.out.len, 0);
	fini();
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("json");
	tcase_add_test(tc, an_event_has_its_arguments_by_name_and_its_roles_on_top);
	tcase_add_test(tc, a_path_of_surrogates_is_percent_encoded_both_times);
	tcase_add_test(tc, an_fd_that_stands_for_a_path_is_an_fd);
	tcase_add_test(tc, the_argv_of_a_new_program_is_strings_and_redacted);
	tcase_add_test(tc, an_argv_of_64_kib_stands_there_whole);
	tcase_add_test(tc, arguments_beyond_the_table_have_numbers);
	tcase_add_test(tc, every_event_of_the_table_makes_a_line_of_any_values);
	tcase_add_test(tc, random_arguments_come_back);
	tcase_add_test(tc, sites_are_told_whatever_their_names_are);
	tcase_add_test(tc, what_is_kept_of_an_event_gives_the_same_line);
	tcase_add_test(tc, argument_names_are_those_of_the_python_that_raised_them);
	tcase_add_test(tc, names_of_events_are_any_text);
	tcase_add_test(tc, each_event_of_a_call_says_its_kind_and_how);
	tcase_add_test(tc, functions_are_told_whatever_their_names_are);
	tcase_add_test(tc, a_function_has_its_sums_as_far_as_they_are_known);
	tcase_add_test(tc, losses_and_notices_have_their_place);
	tcase_add_test(tc, a_process_is_who_the_kernel_says);
	tcase_add_test(tc, accounts_are_told_up_to_what_json_numbers_hold);
	tcase_add_test(tc, counts_are_one_object_of_any_names);
	tcase_add_test(tc, keys_are_any_text);
	tcase_add_test(tc, lines_without_memory_are_taken_back_whole);
	return suite_run("json", tc);
}
