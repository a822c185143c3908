/* SPDX-License-Identifier: MIT */
/* The command line: what is accepted, and why the rest is not. */
#include <errno.h>
#include <string.h>

#include "options.h"
#include "suite.h"

static struct options options;
static char why[400];

/* Words up to NULL. */
static int
parse(char **words)
{
	static char *argv[41]; /* the command points into it */
	int argc = 0;
	argv[argc++] = "auditd-collect";
	for (; *words != NULL; words++)
		argv[argc++] = *words;
	memset(&options, 0xff, sizeof options);
	why[0] = '\0';
	argv[argc] = NULL;
	return options_parse(&options, argc, argv, why, sizeof why);
}
#define PARSE(...) parse((char *[]){__VA_ARGS__, NULL})

#define ACCEPT(...) \
	do { \
		ck_assert_int_eq(PARSE(__VA_ARGS__), 0); \
		options_fini(&options); \
	} while (0)

/* Refused with this reason, or a part of it. */
#define REFUSE(reason, ...) \
	do { \
		ck_assert_int_eq(PARSE(__VA_ARGS__), -EINVAL); \
		ck_assert_msg(strstr(why, reason) != NULL, "%s", why); \
		options_fini(&options); \
	} while (0)

START_TEST(exactly_one_target_is_wanted)
{
	char *none[] = {NULL};
	ck_assert_int_eq(parse(none), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "say what to trace"));
	options_fini(&options);
	ACCEPT("--all");
	ACCEPT("-p", "1");
	ACCEPT("--name", "app");
	ACCEPT("--", "ls");
	REFUSE("only one of", "--all", "-p", "1");
	REFUSE("only one of", "--all", "--name", "x");
	REFUSE("only one of", "--all", "ls");
	REFUSE("say what to trace", "-q", "--");
}
END_TEST

START_TEST(defaults_are_what_the_help_says)
{
	ck_assert_int_eq(PARSE("--all"), 0);
	ck_assert_int_eq(options.stack, -1);
	ck_assert(options.redact && !options.backlog && !options.append && !options.summary);
	ck_assert(!options.fail_on_loss && !options.quiet && !options.verbose);
	ck_assert_int_eq(options.format, FORMAT_AUTO);
	ck_assert_str_eq(options.events, "");
	ck_assert_str_eq(options.reveal, "");
	ck_assert_uint_eq(options.duration_ns + options.max_events + options.stats_interval_ns, 0);
	ck_assert_ptr_null(options.command);
	options_fini(&options);
}
END_TEST

START_TEST(the_command_keeps_its_own_options)
{
	ck_assert_int_eq(PARSE("-q", "--", "python", "-c", "pass", "--all"), 0);
	ck_assert_str_eq(options.command[0], "python");
	ck_assert_str_eq(options.command[3], "--all");
	ck_assert_ptr_null(options.command[4]);
	ck_assert(options.quiet && !options.all);
	options_fini(&options);
	ck_assert_int_eq(PARSE("-q", "python", "-v"), 0);
	ck_assert(!options.verbose);
	ck_assert_str_eq(options.command[1], "-v");
	options_fini(&options);
}
END_TEST

START_TEST(pids_are_lists_of_numbers)
{
	ck_assert_int_eq(PARSE("-p", "1,22", "--pid=2147483647"), 0);
	ck_assert_uint_eq(options.n_pids, 3);
	ck_assert_uint_eq(options.pids[1], 22);
	ck_assert_uint_eq(options.pids[2], 2147483647);
	options_fini(&options);
	char *wrong[] = {"", "0", "-1", "1,", ",1", "1,,2", "x", "1x", " 1", "+1", "2147483648",
			 "99999999999999999999999999999999"};
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		REFUSE("is no process id", "-p", wrong[i]);
}
END_TEST

START_TEST(event_lists_are_joined_and_checked_together)
{
	ck_assert_int_eq(PARSE("--all", "-e", "trace=open", "-e", "+socket.*"), 0);
	ck_assert_str_eq(options.events, "open,+socket.*");
	options_fini(&options);
	REFUSE("unknown event 'opne'", "--all", "-e", "opne");
	REFUSE("needs a list", "--all", "-e", "");
	static char longer[2 * LEVELS_TEXT_BYTES];
	for (size_t i = 0; i + 5 < sizeof longer; i += 5)
		memcpy(longer + i, "open,", 5);
	longer[LEVELS_TEXT_BYTES - LEVELS_TEXT_BYTES % 5 + 4] = '\0';
	REFUSE("longer than 1023 bytes", "--all", "-e", longer);
	longer[4] = '\0';
	ACCEPT("--all", "-e", longer);
}
END_TEST

START_TEST(numbers_have_limits)
{
	ck_assert_int_eq(PARSE("--all", "--stack", "64", "-n", "18446744073709551615"), 0);
	ck_assert_int_eq(options.stack, 64);
	ck_assert_uint_eq(options.max_events, UINT64_MAX);
	options_fini(&options);
	ACCEPT("--all", "--stack=0");
	REFUSE("0 to 64", "--all", "--stack", "65");
	REFUSE("0 to 64", "--all", "--stack", "-1");
	REFUSE("above 0", "--all", "-n", "0");
	REFUSE("above 0", "--all", "-n", "18446744073709551616");
	ck_assert_int_eq(PARSE("--all", "--duration", "1.5", "--stats-interval", "0.001"), 0);
	ck_assert_uint_eq(options.duration_ns, 1500000000);
	ck_assert_uint_eq(options.stats_interval_ns, 1000000);
	options_fini(&options);
	char *wrong[] = {"0", "-1", "nan", "inf", "1e10", "x", "1x", "", "0.0001"};
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		REFUSE("a number of seconds", "--all", "--duration", wrong[i]);
		REFUSE("a number of seconds", "--all", "--stats-interval", wrong[i]);
	}
}
END_TEST

START_TEST(reveal_takes_an_argument_that_there_is)
{
	ck_assert_int_eq(PARSE("--all", "--reveal", "os.putenv.value", "--reveal",
			       "builtins.input/result.result"), 0);
	ck_assert_str_eq(options.reveal, "os.putenv.value,builtins.input/result.result");
	options_fini(&options);
	REFUSE("write EVENT.ARG", "--all", "--reveal", "os.putenv");
	REFUSE("write EVENT.ARG", "--all", "--reveal", "value");
	REFUSE("write EVENT.ARG", "--all", "--reveal", ".");
	REFUSE("has no argument 'valeu'", "--all", "--reveal", "os.putenv.valeu");
	char *words[40] = {"--all"};
	for (unsigned i = 1; i < 39; i++)
		words[i] = "--reveal=os.putenv.value";
	ck_assert_int_eq(parse(words), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "longer than 511 bytes"));
	ck_assert_uint_lt(strlen(options.reveal), OPTIONS_REVEAL_BYTES);
	options_fini(&options);
}
END_TEST

START_TEST(paths_addresses_and_outputs_are_lists)
{
	ck_assert_int_eq(PARSE("--all", "-P", "/a", "--path=*.log", "--addr", "h:80",
			       "--addr=[::1]:1", "-o", "-", "-o", "/tmp/x", "-o", "|cat",
			       "-o", "unix:/s"), 0);
	ck_assert_uint_eq(options.paths.n, 2);
	ck_assert_str_eq(options.paths.items[1], "*.log");
	ck_assert_uint_eq(options.addrs.n, 2);
	ck_assert_uint_eq(options.outputs.n, 4);
	ck_assert_str_eq(options.outputs.items[2], "|cat");
	options_fini(&options);
	REFUSE("needs a pattern", "--all", "-P", "");
	REFUSE("write HOST", "--all", "--addr", "");
	REFUSE("write HOST", "--all", "--addr", "h:65536");
	REFUSE("write HOST", "--all", "--addr", "[::1");
	ACCEPT("--all", "--addr", "::1");
	ACCEPT("--all", "--addr", "[::1]");
	ACCEPT("--all", "--addr", ":53");
	REFUSE("-o needs", "--all", "-o", "");
	REFUSE("-o needs", "--all", "-o", "|");
	REFUSE("-o needs", "--all", "-o", "unix:");
	REFUSE("one pattern, once", "--name", "a", "--name", "b");
	REFUSE("one pattern, once", "--name", "");
}
END_TEST

START_TEST(options_that_contradict_each_other_are_refused)
{
	REFUSE("leave out -o", "--all", "--summary-only", "-o", "x");
	REFUSE("--append needs a file", "--all", "--append");
	REFUSE("--summary-only has none", "--all", "--summary-only", "-P", "/x");
	REFUSE("--summary-only has none", "--all", "--summary-only", "--addr", "localhost");
	REFUSE("changes nothing", "--all", "--dump", "-e", "@net");
	REFUSE("changes nothing", "--all", "--dump", "--calls");
	ACCEPT("--all", "--dump", "-P", "/x");
	ck_assert_int_eq(PARSE("--all", "--summary-only"), 0);
	ck_assert(options.summary && options.summary_only);
	options_fini(&options);
	ck_assert_int_eq(PARSE("--all", "-c"), 0);
	ck_assert(options.summary && !options.summary_only);
	options_fini(&options);
	ck_assert_int_eq(PARSE("--all", "--format", "text", "--no-redact"), 0);
	ck_assert(options.format == FORMAT_TEXT && !options.redact);
	options_fini(&options);
	REFUSE("json or text", "--all", "--format", "xml");
}
END_TEST

START_TEST(calls_are_asked_for_and_then_chosen)
{
	ck_assert_int_eq(PARSE("--all"), 0);
	ck_assert(!options.calls_wanted);
	options_fini(&options);
	ck_assert_int_eq(PARSE("--all", "--calls"), 0);
	ck_assert(options.calls_wanted && options.calls.level == CALL_LEVEL_RECORD);
	ck_assert_str_eq(options.calls.match, "");
	ck_assert_str_eq(options.calls.files, "");
	ck_assert_uint_eq(options.calls.backend + options.calls.no_c + options.calls.max_depth, 0);
	options_fini(&options);
	ck_assert_int_eq(PARSE("--calls-file", "-stdlib", "--calls=json.*,a", "--calls",
			       "--calls=b*", "--calls-file=app.py", "--no-c-calls", "--max-depth",
			       "4294967295", "--calls-backend", "eval", "--calls-level=stats",
			       "python3", "app.py"), 0);
	ck_assert_str_eq(options.calls.match, "json.*,a,b*");
	ck_assert_str_eq(options.calls.files, "-stdlib,app.py");
	ck_assert(options.calls.no_c && options.calls.max_depth == UINT32_MAX);
	ck_assert_uint_eq(options.calls.backend, CALL_BACKEND_EVAL);
	ck_assert_uint_eq(options.calls.level, CALL_LEVEL_STATS);
	ck_assert_str_eq(options.command[0], "python3"); /* and no argument of --calls */
	options_fini(&options);
}
END_TEST

START_TEST(what_is_said_about_calls_wants_calls)
{
	REFUSE("--no-c-calls is about calls: add --calls", "--all", "--no-c-calls");
	REFUSE("--max-depth is about calls: add --calls", "--all", "--max-depth", "3");
	REFUSE("add --calls", "--all", "--calls-file", "x");
	REFUSE("add --calls", "--all", "--calls-backend", "auto");
	REFUSE("add --calls", "--all", "--calls-level", "count");
	REFUSE("auto, profile, monitoring or eval", "--all", "--calls", "--calls-backend", "x");
	REFUSE("record, stats or count", "--all", "--calls", "--calls-level", "all");
	REFUSE("record, stats or count", "--all", "--calls", "--calls-level", "off");
	REFUSE("above 0", "--all", "--calls", "--max-depth", "0");
	REFUSE("above 0", "--all", "--calls", "--max-depth", "4294967296");
	REFUSE("is empty", "--all", "--calls=a,,b");
	REFUSE("is empty", "--all", "--calls", "--calls-file", "-stdlib,");
	REFUSE("needs a list", "--all", "--calls=");
	REFUSE("needs a list", "--all", "--calls", "--calls-file", "");
	static char longer[CALL_RULES_BYTES + 16] = "--calls=";
	memset(longer + 8, 'x', CALL_RULES_BYTES - 1);
	ACCEPT("--all", longer);
	REFUSE("longer than 511 bytes", "--all", longer, "--calls=y");
	memset(longer + 8, 'x', CALL_RULES_BYTES);
	REFUSE("longer than 511 bytes", "--all", longer);
}
END_TEST

START_TEST(wrong_options_are_named)
{
	REFUSE("unknown option --nosuch", "--nosuch", "--all");
	REFUSE("unknown option -z", "--all", "-z");
	REFUSE("unknown option -z", "--all", "-qz");
	REFUSE("--pid needs an argument (N[,N])", "-p");
	REFUSE("--duration needs an argument (S)", "--all", "--duration");
	REFUSE("--all takes no argument", "--all=1");
	REFUSE("unknown option", "--s"); /* stack, summary, ... */
	ck_assert_int_eq(PARSE("--help"), OPTIONS_HELP);
	options_fini(&options);
	ck_assert_int_eq(PARSE("-h", "--nosuch"), OPTIONS_HELP);
	options_fini(&options);
	ck_assert_int_eq(PARSE("--version"), OPTIONS_VERSION);
	options_fini(&options);
}
END_TEST

START_TEST(the_help_fits_a_terminal_and_names_every_option)
{
	char *text = NULL;
	size_t n = 0;
	FILE *file = open_memstream(&text, &n);
	options_print_help(file);
	fclose(file);
	static const char *const names[] = {
		"--pid", "--all", "--name", "--events", "--path", "--addr", "--stack", "--backlog",
		"--reveal", "--no-redact", "--output", "--append", "--format", "--summary",
		"--summary-only", "--stats-interval", "--duration", "--max-events",
		"--fail-on-loss", "--quiet", "--verbose", "--version", "--help"};
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		ck_assert_msg(strstr(text, names[i]) != NULL, "%s", names[i]);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		ck_assert_msg(strlen(line) <= 100, "%s", line);
	free(text);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("options");
	tcase_add_test(tc, exactly_one_target_is_wanted);
	tcase_add_test(tc, defaults_are_what_the_help_says);
	tcase_add_test(tc, the_command_keeps_its_own_options);
	tcase_add_test(tc, pids_are_lists_of_numbers);
	tcase_add_test(tc, event_lists_are_joined_and_checked_together);
	tcase_add_test(tc, numbers_have_limits);
	tcase_add_test(tc, reveal_takes_an_argument_that_there_is);
	tcase_add_test(tc, paths_addresses_and_outputs_are_lists);
	tcase_add_test(tc, options_that_contradict_each_other_are_refused);
	tcase_add_test(tc, calls_are_asked_for_and_then_chosen);
	tcase_add_test(tc, what_is_said_about_calls_wants_calls);
	tcase_add_test(tc, wrong_options_are_named);
	tcase_add_test(tc, the_help_fits_a_terminal_and_names_every_option);
	return suite_run("options", tc);
}
