/* SPDX-License-Identifier: MIT */
/*
 * The main loop. A round:
 *
 *	how far they are  what is read in this round happened before the next step
 *	who is new        names in /dev/shm -> candidates -> followed
 *	what they did     drain each a little, so that a flood does not hold up the others
 *	write             whole lines, in the order of time; then give back what is written
 *	who has ended     its last lines and the account
 *	sleep             unless somebody had more than his share
 */
#include "collect.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "exit_status.h"
#include "filter.h"
#include "give_back.h"
#include "launch.h"
#include "log.h"
#include "outputs.h"
#include "post_mortem.h"
#include "privileges.h"
#include "proc.h"
#include "pulse.h"
#include "remarks.h"
#include "roster.h"
#include "signals.h"
#include "system_calls.h"
#include "waiter.h"

#define SLEEP_NS 50000000u        /* a line comes within twice that of its event */
#define SETUP_SLEEP_NS 1000000u  /* while a new segment is being set up */
#define SHARE 4096                /* events of one process in a round */
#define ALIVE_NS 1000000000u      /* how often to look for ends that no descriptor tells: exec */
#define TICK_NS 1000000000u
#define IDLE_TICKS 4
#define EXEC_GRACE_NS 3000000000u /* a process that runs another program may be Python again */

struct collect {
	const struct options *options;
	struct outputs *outputs;
	struct filter *filter;
	struct printer printer;
	struct reading reading;
	struct roster roster;
	struct waiter waiter;
	struct give_back give_back;
	struct launch launch;
	uint64_t started_ns, now_ns;
	uint64_t next_tick_ns, next_alive_ns, next_stats_ns, alone_since_ns;
	unsigned n_idle_ticks; /* until somebody is seen */
	bool leaving;
};

/* ---- what they did ---- */

/* False: nobody had more than his share. */
static bool
drain_all(struct collect *collect)
{
	bool more = false;
	for (size_t i = 0; i < collect->roster.n_followed;) {
		int64_t n = followed_drain(collect->roster.followed[i], SHARE);
		if (n < 0) {
			followed_drop(roster_take_out(&collect->roster, i));
			continue;
		}
		more |= n >= SHARE;
		i++;
	}
	return more;
}

static void
write_all(struct collect *collect)
{
	printer_flush(&collect->printer, false);
	give_back(&collect->give_back, &collect->roster, &collect->printer);
}

/* The processes that came first end first: a parent that waits for nobody would look odd else. */
static void
end_those_gone(struct collect *collect)
{
	for (size_t i = 0; i < collect->roster.n_followed;) {
		if (followed_alive(collect->roster.followed[i])) {
			i++;
			continue;
		}
		bool command = collect->launch.ended && collect->roster.followed[i]->source.pid ==
								(uint32_t)collect->launch.pid;
		roster_end(&collect->roster, i, command ? collect->launch.status : -1);
	}
}

static bool
any_of_many_lanes(const struct collect *collect)
{
	for (size_t i = 0; i < collect->roster.n_followed; i++)
		if (collect->roster.followed[i]->many_lanes)
			return true;
	return false;
}

/* ---- time ---- */

static bool
is_due(struct collect *collect, uint64_t *next_ns, uint64_t interval_ns)
{
	if (collect->now_ns < *next_ns)
		return false;
	*next_ns = collect->now_ns + interval_ns;
	return true;
}

static void
tick(struct collect *collect)
{
	for (size_t i = 0; i < collect->roster.n_followed; i++)
		followed_tick(collect->roster.followed[i]);
	if (collect->roster.n_seen == 0 && ++collect->n_idle_ticks == IDLE_TICKS)
		remark_waiting(collect->options);
}

/* While a write waits. The roster is not in the middle of a change when lines are written. */
static void
show_life(void *context)
{
	struct collect *collect = context;
	for (size_t i = 0; i < collect->roster.n_followed; i++)
		followed_beat(collect->roster.followed[i]);
}

static void
report(struct collect *collect)
{
	for (size_t i = 0; i < collect->roster.n_followed; i++)
		followed_report(collect->roster.followed[i]);
}

/* ---- the end ---- */

/* A process that we follow by its pid may run something else now, and be Python again soon. */
static bool
pid_may_come_back(struct collect *collect)
{
	bool any = false;
	for (size_t i = 0; i < collect->options->n_pids; i++) {
		int proc = proc_open(collect->options->pids[i]);
		struct proc_stat stat;
		any |= proc >= 0 && proc_stat(proc, &stat) == 0 && stat.state != 'Z';
		if (proc >= 0)
			close(proc);
	}
	if (collect->alone_since_ns == 0)
		collect->alone_since_ns = collect->now_ns;
	return any && collect->now_ns - collect->alone_since_ns < EXEC_GRACE_NS;
}

static bool
targets_are_gone(struct collect *collect, bool command_had_ended)
{
	if (collect->roster.n_followed > 0 || collect->roster.candidates.n > 0 ||
	    collect->roster.unread) {
		collect->alone_since_ns = 0;
		return false;
	}
	switch (collect->roster.target.kind) {
	case TARGET_LAUNCH:
		return command_had_ended;
	case TARGET_PIDS:
		return !pid_may_come_back(collect);
	case TARGET_DEAD:
		return true;
	case TARGET_ALL:
	case TARGET_NAME:
		break;
	}
	return false;
}

/* --dump: all that was there is read. */
static bool
all_is_dumped(const struct collect *collect, bool more)
{
	return collect->options->dump && !more && collect->roster.candidates.n == 0 &&
	       !collect->roster.has_new;
}

/* With a command we stay until it has ended, and only stop to print. */
static void
stop_reading(struct collect *collect)
{
	collect->reading.closed = true;
	if (collect->options->command == NULL || collect->launch.ended)
		collect->leaving = true;
}

static void
look_at_limits(struct collect *collect)
{
	uint64_t duration_ns = collect->options->duration_ns;
	if (signals_stopping())
		collect->leaving = true;
	if (reading_is_full(&collect->reading) || outputs_gone(collect->outputs) ||
	    (duration_ns != 0 && collect->now_ns - collect->started_ns >= duration_ns))
		stop_reading(collect);
}

static void
look_at_signals(struct collect *collect)
{
	if (signals_take_reopen()) {
		printer_flush(&collect->printer, false);
		outputs_reopen(collect->outputs);
	}
	int forward = signals_take_forward();
	if (forward != 0 && !collect->launch.ended)
		kill(collect->launch.pid, forward);
	if (collect->options->command != NULL && !collect->launch.ended &&
	    launch_reap(&collect->launch))
		signals_command_ended();
}

/* ---- the loop ---- */

static uint64_t
time_to_sleep(const struct collect *collect)
{
	uint64_t end_ns = collect->started_ns + collect->options->duration_ns;
	if (candidates_waiting(&collect->roster.candidates))
		return SETUP_SLEEP_NS;
	if (collect->options->duration_ns == 0 || collect->reading.closed ||
	    end_ns > collect->now_ns + SLEEP_NS)
		return SLEEP_NS;
	return end_ns > collect->now_ns ? end_ns - collect->now_ns : 0;
}

static void
run(struct collect *collect)
{
	while (!collect->leaving) {
		bool woken = waiter_begin(&collect->waiter);
		for (size_t i = 0; i < collect->roster.n_followed; i++) {
			followed_note(collect->roster.followed[i]);
			waiter_word(&collect->waiter, followed_wake_word(collect->roster.followed[i]));
		}
		collect->now_ns = clock_ns(CLOCK_MONOTONIC);
		look_at_signals(collect);
		bool command_had_ended = collect->launch.ended;
		roster_look(&collect->roster, collect->now_ns);
		if (is_due(collect, &collect->next_tick_ns, TICK_NS))
			tick(collect);
		if (!command_had_ended)
			roster_look_for_untraced(&collect->roster, collect->now_ns);
		collect->printer.hold = collect->roster.n_followed > 1 ||
					collect->roster.candidates.n > 0 ||
					any_of_many_lanes(collect);
		bool more = drain_all(collect);
		write_all(collect);
		if (woken || command_had_ended ||
		    is_due(collect, &collect->next_alive_ns, ALIVE_NS))
			end_those_gone(collect);
		if (collect->options->stats_interval_ns != 0 &&
		    is_due(collect, &collect->next_stats_ns, collect->options->stats_interval_ns))
			report(collect);
		look_at_limits(collect);
		collect->leaving |= all_is_dumped(collect, more);
		if (targets_are_gone(collect, command_had_ended))
			break;
		if (!more && !collect->roster.has_new && !collect->leaving)
			waiter_sleep(&collect->waiter, time_to_sleep(collect));
	}
}

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
		.settings = {options->events, options->reveal, options->stack,
			     options->calls_wanted ? &options->calls : NULL, false},
		.backlog = options->backlog || options->dump,
		.dump = options->dump,
		.post_mortem = options->post_mortem.n > 0,
		.max_events = options->max_events,
	};
	if (reading->summary == NULL)
		return -ENOMEM;
	pulse_init(show_life, collect);
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
		const struct launch_settings settings = {options->events, options->reveal,
							 options->stack,
							 collect->reading.settings.calls};
		int status = launch_start(&collect->launch, options->command, &settings, why,
					  sizeof why);
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
	       collect->reading.n_call_tracers > 0 && !collect->reading.called;
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
	bool failed = outputs_failed(collect->outputs);
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

static int
finish(struct collect *collect)
{
	if (roster_stop_watching(&collect->roster))
		roster_look(&collect->roster, clock_ns(CLOCK_MONOTONIC));
	end_those_gone(collect);
	while (collect->roster.n_followed > 0)
		if (followed_ended_cleanly(collect->roster.followed[0]))
			roster_end(&collect->roster, 0, -1);
		else
			followed_leave(roster_take_out(&collect->roster, 0));
	printer_flush(&collect->printer, true);
	outputs_close(collect->outputs);
	roster_bury(&collect->roster, collect->roster.n_ended);
	if (collect->options->summary)
		summary_print(collect->reading.summary, stderr);
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
		run(&collect);
	if (status == 0 && options->command != NULL && collect.roster.n_seen == 0)
		remark_nothing_traced();
	int at_end = finish(&collect);
	release_all(&collect);
	return status != 0 ? status : at_end;
}
