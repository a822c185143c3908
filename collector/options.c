/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "option_table.h"
#include "option_values.h"

#define SETTER(field) \
	static int set_##field(struct options *options, const char *value, char *why, \
			       size_t size) \
	{ \
		(void)value, (void)why, (void)size; \
		options->field = true; \
		return 0; \
	}
SETTER(all)
SETTER(backlog)
SETTER(dump)
SETTER(append)
SETTER(summary)
SETTER(fail_on_loss)
SETTER(quiet)
SETTER(verbose)

static int
set_no_redact(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	options->redact = false;
	return 0;
}

static int
set_summary_only(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	options->summary = options->summary_only = true;
	return 0;
}

static int
help(struct options *options, const char *value, char *why, size_t size)
{
	(void)options, (void)value, (void)why, (void)size;
	return OPTIONS_HELP;
}

static int
version(struct options *options, const char *value, char *why, size_t size)
{
	(void)options, (void)value, (void)why, (void)size;
	return OPTIONS_VERSION;
}

/* -f is left free on purpose (--follow of other tools): children are followed anyway. */
static const struct option_row rows[] = {
	{"Which programs (one of these, or -- COMMAND)", 'p', "pid", "N[,N]", option_pid,
	 "these processes and their children"},
	{NULL, 0, "all", NULL, set_all, "every traced process, those that start later too"},
	{NULL, 0, "name", "GLOB", option_name,
	 "those whose program or whole command line matches, as pgrep -f"},
	{NULL, 0, "post-mortem", "WHAT", option_post_mortem,
	 "what programs left that were killed: WHAT is a process id, the\n"
	 "name of a segment or all; it is removed when it was read;\n"
	 "may be repeated"},
	{"Which events", 'e', "events", "LIST", option_events,
	 "names, globs, categories (@file @net @proc @code @import ...),\n"
	 "all; a plain list replaces the default; +NAME, -NAME and\n"
	 "NAME=off|count|record change it; may be repeated"},
	{NULL, 'P', "path", "GLOB", option_path, "only events that touch such a path"},
	{NULL, 0, "addr", "HOST[:PORT]", option_addr, "only events that touch such an address"},
	{NULL, 0, "stack", "N", option_stack, "frames of context per event (default 1)"},
	{NULL, 0, "backlog", NULL, set_backlog, "also what was held before we came"},
	{NULL, 0, "dump", NULL, set_dump,
	 "only what is held now, and leave it there"},
	{NULL, 0, "reveal", "EVENT.ARG", option_reveal,
	 "show this argument, which is held back as a secret"},
	{NULL, 0, "no-redact", NULL, set_no_redact,
	 "show passwords and tokens inside command lines and URLs"},
	{"Calls and returns", 0, "calls", "[=GLOB[,GLOB]]", option_calls,
	 "record them, of functions whose name, module or module.name\n"
	 "matches; may be repeated"},
	{NULL, 0, "no-c-calls", NULL, option_no_c_calls, "leave C functions out"},
	{NULL, 0, "max-depth", "N", option_max_depth, "no calls that are nested deeper than N"},
	{NULL, 0, "calls-file", "LIST", option_calls_file,
	 "files, folders, globs, stdlib: functions that stand there;\n"
	 "-ITEM: not those; may be repeated"},
	{NULL, 0, "calls-backend", "NAME", option_calls_backend,
	 "auto, profile, monitoring (3.12 and later) or eval (3.9 and\n"
	 "later, no C functions)"},
	{NULL, 0, "calls-level", "LEVEL", option_calls_level,
	 "record: a line each; stats: calls and times of each function;\n"
	 "count: calls of each function (default: record)"},
	{"Where to", 'o', "output", "SINK", option_output,
	 "-, a file, unix:PATH, fd:N or '|program'; may be repeated\n"
	 "(default: stdout; stderr with -- COMMAND)"},
	{NULL, 0, "append", NULL, set_append, "append to files instead of emptying them"},
	{NULL, 0, "format", "json|text", option_format,
	 "default: text on a terminal, else json"},
	{NULL, 'c', "summary", NULL, set_summary, "at the end a table of events and losses"},
	{NULL, 0, "summary-only", NULL, set_summary_only, "that table, and no lines"},
	{NULL, 0, "stats-interval", "S", option_stats_interval,
	 "counts, func and stats lines every S seconds (default: at the\n"
	 "end)"},
	{"How long", 0, "duration", "S", option_duration, "leave after S seconds"},
	{NULL, 'n', "max-events", "N", option_max_events, "leave after N events"},
	{NULL, 0, "fail-on-loss", NULL, set_fail_on_loss,
	 "exit 3 instead of 0 when events were lost"},
	{"Other", 'q', "quiet", NULL, set_quiet, "say nothing on stderr but failures"},
	{NULL, 'v', "verbose", NULL, set_verbose, "say more on stderr"},
	{NULL, 0, "version", NULL, version, "print the version"},
	{NULL, 'h', "help", NULL, help, "print this"},
};
static const struct option_table table = {rows, sizeof rows / sizeof rows[0]};

void
options_print_help(FILE *file)
{
	fputs("usage: auditd-collect [options] --pid N | --all | --name GLOB\n"
	      "       auditd-collect [options] -- COMMAND [ARGUMENT ...]\n"
	      "       auditd-collect [options] --post-mortem PID|SEGMENT|all\n"
	      "       auditd-collect list | events [GLOB]   [--format json|text]\n"
	      "       auditd-collect top [options]          live counters (top --help)\n"
	      "\n"
	      "Show what running Python programs do: files, network, processes, code.\n",
	      file);
	option_table_print(&table, file);
	fputs("\n"
	      "Exit status: 0 done, 1 failure (or --calls=GLOB fits no function), 2 usage,\n"
	      "3 lost events (--fail-on-loss), 4 no permission, 5 no such process or not\n"
	      "traced; with -- COMMAND the command's own (125 failure of ours, 126 not\n"
	      "executable, 127 not found).\n",
	      file);
}

int
options_parse_format(const char *text, enum output_format *format)
{
	if (strcmp(text, "json") == 0)
		*format = FORMAT_JSON;
	else if (strcmp(text, "text") == 0)
		*format = FORMAT_TEXT;
	else
		return -EINVAL;
	return 0;
}

/* Exactly one way to say whom. */
static int
check_target(const struct options *options, char *why, size_t size)
{
	int n = (options->n_pids > 0) + options->all + (options->name != NULL) +
		(options->command != NULL) + (options->post_mortem.n > 0);
	if (n == 1)
		return 0;
	if (n == 0)
		snprintf(why, size, "say what to trace: --pid N, --all, --name GLOB, --post-mortem "
				    "WHAT or -- COMMAND (see --help)");
	else
		snprintf(why, size, "only one of --pid, --all, --name, --post-mortem and -- COMMAND at a time");
	return -EINVAL;
}

static int
check_calls(const struct options *options, char *why, size_t size)
{
	struct call_rules rules;
	const struct call_settings *calls = &options->calls;
	if (!options->calls_wanted) {
		if (options->calls_option == NULL)
			return 0;
		snprintf(why, size, "--%s is about calls: add --calls", options->calls_option);
		return -EINVAL;
	}
	int n = snprintf(why, size, "--calls: ");
	int err = call_rules_parse(&rules, calls->match, calls->files, why + n, size - (size_t)n);
	return err < 0 ? -EINVAL : 0;
}

/* Of the hook, in the program. */
static bool
asks_something(const struct options *options)
{
	return options->events[0] != '\0' || options->reveal[0] != '\0' || options->stack >= 0 ||
	       options->calls_wanted;
}

static int
check_together(const struct options *options, char *why, size_t size)
{
	int err = check_calls(options, why, size);
	if (err < 0)
		return err;
	if (options->summary_only && options->outputs.n > 0) {
		snprintf(why, size, "--summary-only writes no lines: leave out -o");
		return -EINVAL;
	}
	if (options->dump && (options->command != NULL || options->post_mortem.n > 0)) {
		snprintf(why, size, "--dump is for programs that run: --pid N, --all or --name GLOB");
		return -EINVAL;
	}
	if (options->post_mortem.n > 0 && asks_something(options)) {
		snprintf(why, size, "--events, --reveal, --stack and --calls ask something of programs "
				    "that run: leave them out with --post-mortem");
		return -EINVAL;
	}
	if (options->dump && asks_something(options)) {
		snprintf(why, size, "--dump shows what was recorded, and changes nothing: leave out --events, "
				    "--reveal, --stack and --calls");
		return -EINVAL;
	}
	if (options->summary_only && options->paths.n + options->addrs.n > 0) {
		snprintf(why, size, "--path and --addr choose lines, and --summary-only has none: its table "
				    "counts all events");
		return -EINVAL;
	}
	if (options->append && options->outputs.n == 0) {
		snprintf(why, size, "--append needs a file: add -o FILE");
		return -EINVAL;
	}
	return check_target(options, why, size);
}

int
options_parse(struct options *options, int argc, char **argv, char *why, size_t why_bytes)
{
	memset(options, 0, sizeof *options);
	options->stack = -1;
	options->redact = true;
	options->calls.level = CALL_LEVEL_RECORD;
	int err = option_table_parse(&table, options, argc, argv, why, why_bytes);
	if (err != 0)
		return err;
	if (optind < argc)
		options->command = argv + optind;
	return check_together(options, why, why_bytes);
}

void
options_fini(struct options *options)
{
	free(options->pids);
	free(options->paths.items);
	free(options->addrs.items);
	free(options->outputs.items);
	free(options->post_mortem.items);
}
