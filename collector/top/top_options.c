/* SPDX-License-Identifier: MIT */
#include "top_options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "option_table.h"
#include "option_values.h"

/* The table hands out what `common` is the first member of. */
static struct top_options *
whole(struct options *options)
{
	return (struct top_options *)(void *)options;
}

static int
set_all(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	options->all = true;
	return 0;
}

static int
set_quiet(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	options->quiet = true;
	return 0;
}

static int
set_batch(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	whole(options)->batch = true;
	return 0;
}

static int
set_line(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	whole(options)->batch = whole(options)->line = true;
	return 0;
}

static int
help(struct options *options, const char *value, char *why, size_t size)
{
	(void)options, (void)value, (void)why, (void)size;
	return OPTIONS_HELP;
}

static int
number(const char *option, const char *value, uint64_t *n, char *why, size_t size)
{
	char *end;
	errno = 0;
	*n = strtoull(value, &end, 10);
	if (*value >= '0' && *value <= '9' && *end == '\0' && errno == 0 && *n > 0)
		return 0;
	snprintf(why, size, "--%s %s: a number above 0", option, value);
	return -EINVAL;
}

static int
set_iterations(struct options *options, const char *value, char *why, size_t size)
{
	return number("iterations", value, &whole(options)->iterations, why, size);
}

static int
set_rows(struct options *options, const char *value, char *why, size_t size)
{
	return number("rows", value, &whole(options)->most_rows, why, size);
}

static int
set_delay(struct options *options, const char *value, char *why, size_t size)
{
	char *end;
	double s = strtod(value, &end);
	if (end == value || *end != '\0' || !isfinite(s) || s < 0.05 || s > 86400) {
		snprintf(why, size, "--delay %s: seconds, from 0.05", value);
		return -EINVAL;
	}
	whole(options)->interval_ns = (uint64_t)(s * 1e9);
	return 0;
}

/* Losses come with the rings that they happen in. */
static int
set_view(struct options *options, const char *value, char *why, size_t size)
{
	bool *given = whole(options)->view_given, all = strcmp(value, "all") == 0;
	int view = view_find(value);
	for (int i = 0; i < N_VIEWS; i++)
		given[i] |= all || i == view || (view == VIEW_LOSSES && i == VIEW_RINGS);
	if (all || view >= 0)
		return 0;
	snprintf(why, size, "--view %s: processes, events, functions, losses, rings, targets, tail or all",
		 value);
	return -EINVAL;
}

static int
set_sort(struct options *options, const char *value, char *why, size_t size)
{
	(void)why, (void)size;
	whole(options)->sort = value;
	return 0;
}

static int
set_invert(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	whole(options)->invert = true;
	return 0;
}

static const struct option_row rows[] = {
	{"Which programs (one of these, or -- COMMAND; default: --all)", 'p', "pid", "N[,N]",
	 option_pid, "these processes and their children"},
	{NULL, 0, "all", NULL, set_all, "every traced process, those that start later too"},
	{NULL, 0, "name", "GLOB", option_name,
	 "those whose program or whole command line matches, as pgrep -f"},
	{"What is shown", 0, "view", "VIEW", set_view,
	 "processes, events, functions, losses, rings, targets, tail or\n"
	 "all; may be repeated\n"
	 "(default: processes; with json all but targets and tail)"},
	{NULL, 0, "sort", "COLUMN", set_sort, "of the first view: a column; a word that is none names them"},
	{NULL, 0, "invert", NULL, set_invert, "the other way round"},
	{NULL, 0, "rows", "N", set_rows, "print the first N rows of each view"},
	{NULL, 'd', "delay", "S", set_delay, "seconds between two looks (default 1)"},
	{NULL, 'n', "iterations", "N", set_iterations, "leave after N looks"},
	{"How", 'b', "batch", NULL, set_batch, "print each look, as scripts and files want it"},
	{NULL, 0, "line", NULL, set_line, "one line for each look, as vmstat has it"},
	{NULL, 0, "format", "json|text", option_format, "default: text on a terminal, else json"},
	{"With -- COMMAND", 'e', "events", "LIST", option_events,
	 "which events are recorded and counted, as without top (default,\n"
	 "where none are read: all are counted)"},
	{NULL, 0, "calls", "[=GLOB[,GLOB]]", option_calls,
	 "sum up calls of functions whose name, module or module.name\n"
	 "matches; may be repeated"},
	{NULL, 0, "no-c-calls", NULL, option_no_c_calls, "leave C functions out"},
	{NULL, 0, "calls-file", "LIST", option_calls_file,
	 "files, folders, globs, stdlib: functions that stand there;\n"
	 "-ITEM: not those; may be repeated"},
	{NULL, 0, "calls-backend", "NAME", option_calls_backend, "auto, profile, monitoring or eval"},
	{NULL, 0, "calls-level", "LEVEL", option_calls_level,
	 "stats: calls and times; count: calls alone (default: stats)"},
	{"Other", 'q', "quiet", NULL, set_quiet, "say nothing on stderr but failures"},
	{NULL, 'h', "help", NULL, help, "print this"},
};
static const struct option_table table = {rows, sizeof rows / sizeof rows[0]};

void
top_options_print_help(FILE *file)
{
	fputs("usage: auditd-collect top [options] [--pid N | --all | --name GLOB]\n"
	      "       auditd-collect top [options] -- COMMAND [ARGUMENT ...]\n"
	      "\n"
	      "Show what running Python programs do, as numbers: exact, from the counters that the\n"
	      "hook keeps, whether or not anybody reads the events.\n",
	      file);
	option_table_print(&table, file);
	fputs("\n"
	      "Exit status: 0 done, 1 failure, 2 usage, 4 no permission, 5 no such process or not\n"
	      "traced; with -- COMMAND the command's own (125, 126, 127 as without top).\n",
	      file);
}

static int
check_target(struct options *options, char *why, size_t size)
{
	int n = (options->n_pids > 0) + options->all + (options->name != NULL) +
		(options->command != NULL);
	if (n > 1) {
		snprintf(why, size, "only one of --pid, --all, --name and -- COMMAND at a time");
		return -EINVAL;
	}
	options->all |= n == 0;
	return 0;
}

/* What a program records and sums up is settled when it starts, or by a collector. */
static int
check_settings(const struct options *options, char *why, size_t size)
{
	struct call_rules rules;
	const struct call_settings *calls = &options->calls;
	if (options->command == NULL && (options->events[0] != '\0' || options->calls_wanted)) {
		snprintf(why, size, "-e and --calls are for -- COMMAND: what a running program counts "
				    "is set by a collector (auditd-collect --pid N --calls)");
		return -EINVAL;
	}
	if (!options->calls_wanted && options->calls_option != NULL) {
		snprintf(why, size, "--%s is about calls: add --calls", options->calls_option);
		return -EINVAL;
	}
	if (calls->level == CALL_LEVEL_RECORD) {
		snprintf(why, size, "--calls-level record: top sums up, and reads no calls: stats or "
				    "count");
		return -EINVAL;
	}
	int n = snprintf(why, size, "--calls: ");
	return call_rules_parse(&rules, calls->match, calls->files, why + n, size - (size_t)n) < 0
		       ? -EINVAL
		       : 0;
}

/* A view of the terminal's; for a program all that the counters tell: those read nothing. */
static void
choose_views(struct top_options *options)
{
	bool any = false;
	for (unsigned i = 0; i < N_VIEWS; i++)
		any |= options->view_given[i];
	for (int i = 0; i < N_VIEWS && !any; i++)
		options->view_given[i] = i == VIEW_PROCESSES ||
					 (options->common.format == FORMAT_JSON &&
					  (view_get((enum view_id)i)->part & REPORT_RECORDS) == 0);
}

static int
check_sort(const struct top_options *options, char *why, size_t size)
{
	int n = 0;
	const struct view *view = NULL;
	for (int i = N_VIEWS - 1; i >= 0; i--)
		if (options->view_given[i])
			view = view_get((enum view_id)i);
	if (options->sort == NULL || view_column(view, options->sort) >= 0)
		return 0;
	n = snprintf(why, size, "--sort %s: view %s has the columns", options->sort, view->name);
	for (unsigned i = 0; i < view->n_columns && n > 0 && (size_t)n < size; i++)
		n += snprintf(why + n, size - (size_t)n, "%s %s", i > 0 ? "," : "",
			      view->columns[i].name);
	return -EINVAL;
}

int
top_options_parse(struct top_options *options, int argc, char **argv, char *why, size_t why_bytes)
{
	memset(options, 0, sizeof *options);
	options->common.calls.level = CALL_LEVEL_STATS;
	options->interval_ns = 1000000000u;
	int err = option_table_parse(&table, &options->common, argc, argv, why, why_bytes);
	if (err != 0)
		return err;
	if (optind < argc)
		options->common.command = argv + optind;
	if (options->line && options->common.format == FORMAT_JSON) {
		snprintf(why, why_bytes, "--line prints text: not with --format json");
		return -EINVAL;
	}
	options->batch |= options->common.format == FORMAT_JSON || !isatty(STDOUT_FILENO);
	if (options->common.format == FORMAT_AUTO) { /* what is printed beside a command: on stderr */
		int fd = options->batch && options->common.command != NULL ? STDERR_FILENO
									     : STDOUT_FILENO;
		options->common.format = isatty(fd) ? FORMAT_TEXT : FORMAT_JSON;
	}
	choose_views(options);
	err = check_target(&options->common, why, why_bytes);
	if (err == 0)
		err = check_settings(&options->common, why, why_bytes);
	return err == 0 ? check_sort(options, why, why_bytes) : err;
}

void
top_options_fini(struct top_options *options)
{
	options_fini(&options->common);
}
