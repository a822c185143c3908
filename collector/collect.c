/* SPDX-License-Identifier: MIT */
#include "collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "clock.h"
#include "collect_state.h"
#include "exit_status.h"
#include "log.h"
#include "post_mortem.h"
#include "privileges.h"
#include "pulse.h"
#include "remarks.h"
#include "rounds.h"
#include "signals.h"
#include "sink.h"
#include "system_calls.h"

/* ---- set-up ---- */

/* Three descriptors for each process. Children of ours were started before. */
static void
allow_many_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
make_filter(struct collect *collect, char *why, size_t why_bytes)
{
	const struct options *options = collect->options;
	int err = 0;
	if (options->paths.n + options->addrs.n == 0)
		return 0;
	collect->filter = filter_new();
	if (collect->filter == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < options->paths.n && err == 0; i++)
		err = filter_add_path(collect->filter, options->paths.items[i], why, why_bytes);
	for (size_t i = 0; i < options->addrs.n && err == 0; i++)
		err = filter_add_addr(collect->filter, options->addrs.items[i], why, why_bytes);
	return err;
}

/* With --path os.chdir tells where relative paths start; it shows only if it was asked for. */
static void
choose_events(struct collect *collect)
{
	static const char chdir_too[] = ",+os.chdir";
	const struct options *options = collect->options;
	struct level_rules rules;
	size_t n = strlen(options->events);
	memcpy(collect->events, options->events, n + 1);
	level_rules_parse(&rules, options->events, true, NULL, 0);
	if (n == 0 || options->paths.n == 0 || n + sizeof chdir_too > sizeof collect->events ||
	    level_rules_apply(&rules, "os.chdir") == LEVEL_RECORD)
		return;
	memcpy(collect->events + n, chdir_too, sizeof chdir_too);
	collect->reading.hides_chdir = true;
}

static void
set_target(struct collect *collect)
{
	const struct options *options = collect->options;
	collect->roster.target.kind = options->post_mortem.n > 0 ? TARGET_DEAD
			       : options->all    ? TARGET_ALL
			       : options->name   ? TARGET_NAME
			       : options->n_pids ? TARGET_PIDS
						 : TARGET_LAUNCH;
	collect->roster.target.name = options->name;
}

static int
prepare(struct collect *collect, char *why, size_t why_bytes)
{
	const struct options *options = collect->options;
	struct reading *reading = &collect->reading;
	int err = make_filter(collect, why, why_bytes);
	if (err < 0)
		return err;
	err = outputs_open(&collect->outputs, options, why, why_bytes);
	if (err < 0)
		return err;
	err = printer_init(&collect->printer, collect->outputs, collect->filter, options->redact);
	if (err < 0)
		return err;
	*reading = (struct reading){
		.printer = &collect->printer,
		.summary = summary_new(),
		.settings = {collect->events, options->reveal, options->stack,
			     options->calls_wanted ? &options->calls : NULL, false},
		.backlog = options->backlog || options->dump,
		.dump = options->dump,
		.post_mortem = options->post_mortem.n > 0,
		.max_events = options->max_events,
		.stays = options->command != NULL,
	};
	choose_events(collect);
	if (reading->summary == NULL)
		return -ENOMEM;
	pulse_init(rounds_show_life, collect);
	err = waiter_init(&collect->waiter);
	if (err == 0)
		err = roster_init(&collect->roster, reading, &collect->waiter, why, why_bytes);
	return err;
}

/* Capabilities belong to a thread, and the start of one needs a call that is not left then. */
static void
confine(struct collect *collect)
{
	bool privileged = privileges_any();
	pid_t command = collect->options->command != NULL ? collect->launch.pid : 0;
	privileges_drop(PRIVILEGES_FOLLOW | (command != 0 ? PRIVILEGES_SIGNAL : 0));
	waiter_start(&collect->waiter);
	if (privileged)
		system_calls_limit(command);
}

/* 0, or what to exit with. */
static int
begin(struct collect *collect)
{
	const struct options *options = collect->options;
	char why[600] = "";
	collect->started_ns = collect->now_ns = clock_ns(CLOCK_MONOTONIC);
	collect->next_stats_ns = collect->now_ns + options->stats_interval_ns;
	remark_unknown_events(options);
	if (options->command != NULL) {
		int status = launch_start(&collect->launch, options->command,
					  &collect->reading.settings, why, sizeof why);
		if (status != 0) {
			log_error("%s", why);
			if (status == LAUNCH_NOT_FOUND)
				remark_calls_pattern(options);
			return status;
		}
		collect->roster.target.launch_id = collect->launch.id;
		roster_watch_descendants(&collect->roster, (uint32_t)collect->launch.pid);
	}
	allow_many_files();
	confine(collect);
	if (options->n_pids > 0)
		return roster_follow_pids(&collect->roster, options->pids, options->n_pids);
	if (options->post_mortem.n > 0)
		return post_mortem_begin(&collect->roster, &options->post_mortem);
	if (options->command == NULL)
		roster_look_everywhere(&collect->roster);
	return 0;
}

/* What was asked for has a name that nothing has, as far as anybody was seen to do anything. */
static bool
nothing_matched(const struct collect *collect)
{
	const struct call_settings *calls = collect->reading.settings.calls;
	return calls != NULL && (calls->match[0] != '\0' || calls->files[0] != '\0') &&
	       collect->reading.n_call_tracers > 0 && !collect->reading.called &&
	       !collect->reading.hindered;
}

static void
say_nothing_matched(const struct call_settings *calls)
{
	bool match = calls->match[0] != '\0', files = calls->files[0] != '\0';
	log_error("no function that was called fits %s%s%s%s%s", match ? "--calls=" : "",
		  calls->match, match && files ? " and " : "", files ? "--calls-file " : "",
		  calls->files);
}

static int
exit_status(const struct collect *collect)
{
	bool failed = outputs_failed(collect->outputs) || collect->printer.failed;
	bool lost = collect->options->fail_on_loss && summary_lost(collect->reading.summary) > 0;
	int status = 0;
	if (collect->options->command != NULL) {
		status = collect->launch.ended ? launch_exit_status(&collect->launch) : 0;
		if (status == 0 && failed)
			status = LAUNCH_FAILED;
	} else if (failed || collect->reading.left_some || nothing_matched(collect)) {
		status = EXIT_FAILED;
	}
	return status == 0 && lost ? EXIT_LOSS : status;
}

/* Where no line of ours should stand in the end. */
static bool
json_on_stderr(const struct collect *collect)
{
	const struct options *options = collect->options;
	return options->command != NULL && options->outputs.n == 0 &&
	       outputs_wants(collect->outputs, CHANNEL_JSON);
}

/* As lines are written, so that nobody who does not read it keeps us once we are told to leave. */
static void
print_summary(struct summary *summary)
{
	struct sink sink;
	char *text = NULL, why[200];
	size_t n = 0, n_lost;
	FILE *file = open_memstream(&text, &n);
	if (file == NULL)
		return;
	summary_print(summary, file);
	if (fclose(file) == 0 && sink_open(&sink, SINK_STDERR, false, why, sizeof why) == 0)
		sink_write(&sink, text, n, &n_lost);
	free(text);
}

static int
finish(struct collect *collect)
{
	if (roster_stop_watching(&collect->roster))
		roster_look(&collect->roster, clock_ns(CLOCK_MONOTONIC));
	rounds_end_gone(collect, true);
	while (collect->roster.n_followed > 0)
		if (followed_ended_cleanly(collect->roster.followed[0]))
			roster_end(&collect->roster, 0, -1);
		else
			followed_leave(roster_take_out(&collect->roster, 0));
	printer_flush(&collect->printer, true);
	outputs_close(collect->outputs);
	roster_bury(&collect->roster, collect->roster.n_ended);
	if (collect->options->summary)
		print_summary(collect->reading.summary);
	else if (!json_on_stderr(collect))
		remark_losses(collect->reading.summary);
	if (nothing_matched(collect))
		say_nothing_matched(collect->reading.settings.calls);
	return exit_status(collect);
}

static void
release_all(struct collect *collect)
{
	roster_fini(&collect->roster);
	waiter_fini(&collect->waiter);
	printer_fini(&collect->printer);
	summary_free(collect->reading.summary);
	filter_free(collect->filter);
	outputs_free(collect->outputs);
}

int
collect_run(const struct options *options)
{
	struct collect collect = {.options = options};
	char why[600] = "";
	signals_init(options->command != NULL);
	set_target(&collect);
	int err = prepare(&collect, why, sizeof why);
	if (err < 0) {
		log_error("%s", why[0] != '\0' ? why : strerror(-err));
		return err == -EINVAL            ? EXIT_USAGE
		       : options->command != NULL ? LAUNCH_FAILED
						  : EXIT_FAILED;
	}
	int status = begin(&collect);
	if (status == 0)
		rounds_run(&collect);
	if (status == 0 && options->command != NULL && collect.roster.n_seen == 0)
		remark_nothing_traced();
	int at_end = finish(&collect);
	release_all(&collect);
	return status != 0 ? status : at_end;
}
