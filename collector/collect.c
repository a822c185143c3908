/* SPDX-License-Identifier: MIT */
/*
 * The main loop. A round:
 *
 *	how far they are  what is read in this round happened before the next step
 *	who is new        names in /dev/shm -> candidates -> followed
 *	what they did     drain each a little, so that a flood does not hold up the others
 *	write             whole lines, in the order of time; then give the room back
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

#include "candidates.h"
#include "clock.h"
#include "descendants.h"
#include "exit_status.h"
#include "filter.h"
#include "followed.h"
#include "launch.h"
#include "log.h"
#include "outputs.h"
#include "proc.h"
#include "signals.h"
#include "waiter.h"

#define SLEEP_NS 50000000u        /* a line comes within twice that of its event */
#define SETUP_SLEEP_NS 1000000u  /* while a new segment is being set up */
#define SHARE 4096                /* events of one process in a round */
#define ALIVE_NS 1000000000u      /* how often to look for ends that no descriptor tells: exec */
#define TICK_NS 1000000000u
#define SCAN_NS 1000000000u       /* how often to look for other roots, at most */
#define SCAN_DIVISOR 400          /* and the share of the time that it may take */
#define EXEC_GRACE_NS 3000000000u /* a process that runs another program may be Python again */

struct collect {
	const struct options *options;
	struct outputs *outputs;
	struct filter *filter;
	struct printer printer;
	struct reading reading;
	struct places places;
	struct candidates candidates;
	struct target target;
	struct waiter waiter;
	struct launch launch;
	struct descendants **descendants; /* of the command, or of each pid asked for */
	size_t n_descendants;
	struct followed **followed;
	size_t n_followed, room_followed;
	uint64_t started_realtime_ns, started_ns, now_ns;
	uint64_t next_tick_ns, next_scan_ns, next_alive_ns, next_stats_ns, alone_since_ns;
	bool leaving;
};

/* ---- whom ---- */

static bool
is_followed(const struct collect *collect, const struct segment_found *found)
{
	for (size_t i = 0; i < collect->n_followed; i++) {
		const struct segment_found *other = &collect->followed[i]->found;
		if (other->dev == found->dev && other->ino == found->ino)
			return true;
	}
	return false;
}

static int
follow(struct collect *collect, struct segment_found *found, struct place *place, bool from_start,
       char *why, size_t why_bytes)
{
	struct followed *followed;
	if (collect->n_followed == collect->room_followed) {
		size_t room = collect->room_followed > 0 ? 2 * collect->room_followed : 16;
		struct followed **list = realloc(collect->followed, room * sizeof *list);
		if (list == NULL)
			return -ENOMEM;
		collect->followed = list;
		collect->room_followed = room;
	}
	int err = followed_open(&followed, &collect->reading, found, place, from_start, why,
				why_bytes);
	if (err != 0)
		return err;
	collect->followed[collect->n_followed++] = followed;
	if (followed->pidfd >= 0)
		waiter_watch(&collect->waiter, followed->pidfd);
	target_follow(&collect->target, &followed->found, followed->pid);
	return 0;
}

/* A candidates_fn. */
static bool
try_candidate(void *context, struct place *place, struct segment_found *found)
{
	struct collect *collect = context;
	char why[256] = "";
	if (is_followed(collect, found))
		return true;
	bool from_start = collect->target.kind == TARGET_LAUNCH ||
			  found->created_ns >= collect->started_realtime_ns;
	uint32_t pid = found->identity.alive ? found->identity.pid : found->name_pid;
	int err = follow(collect, found, place, from_start, why, sizeof why);
	if (err == TRACEE_NOT_READY)
		return false;
	if (err == TRACEE_BUSY && found->identity.alive)
		log_note("pid %" PRIu32 ": %s; not read", pid, why);
	else if (err < 0)
		log_error("pid %" PRIu32 ": %s; not read", pid,
			  why[0] != '\0' ? why : strerror(-err));
	return true;
}

static int
refuse_pid(uint32_t pid, int err, const char *why)
{
	if (err == DISCOVER_UNTRACED) {
		log_error("pid %" PRIu32 " does not have the hook: start it with "
			  "`auditd-collect -- COMMAND`, or set PYAUDITD=1 after `python -m "
			  "pyauditd install`", pid);
		return EXIT_NO_TARGET;
	}
	log_error("pid %" PRIu32 ": %s", pid, why[0] != '\0' ? why : strerror(-err));
	if (err == -ESRCH)
		return EXIT_NO_TARGET;
	return err == -EACCES || err == -EPERM ? EXIT_NO_PERMISSION : EXIT_FAILED;
}

static struct place *
place_of_pid(struct collect *collect, uint32_t pid)
{
	int proc = proc_open(pid);
	struct place *place = proc >= 0 ? places_of(&collect->places, proc) : NULL;
	if (proc >= 0)
		close(proc);
	return place;
}

/* All of them, or an exit status. */
static int
follow_pids(struct collect *collect)
{
	for (size_t i = 0; i < collect->options->n_pids; i++) {
		struct segment_found found;
		char why[256] = "";
		uint32_t pid = collect->options->pids[i];
		int err = discover_process(pid, &found, why, sizeof why);
		if (err == 0 && !is_followed(collect, &found))
			err = follow(collect, &found, place_of_pid(collect, pid), false, why,
				     sizeof why);
		discover_fini(&found);
		if (err != 0)
			return refuse_pid(pid, err, why);
	}
	return 0;
}

static void
list_place(void *context, struct place *place)
{
	struct collect *collect = context;
	places_list(place, candidates_add, &collect->candidates);
}

static void
scan_places(struct collect *collect)
{
	places_scan(&collect->places, list_place, collect);
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC);
	uint64_t pause_ns = (end_ns - collect->now_ns) * SCAN_DIVISOR;
	collect->next_scan_ns = end_ns + (pause_ns > SCAN_NS ? pause_ns : SCAN_NS);
}

static void
look_for_new(struct collect *collect)
{
	if (collect->now_ns >= collect->next_scan_ns)
		scan_places(collect);
	places_poll(&collect->places, candidates_add, &collect->candidates);
	candidates_try(&collect->candidates, &collect->target, collect->now_ns, try_candidate,
		       collect);
}

static bool
knows_pid(void *context, uint32_t pid)
{
	struct collect *collect = context;
	for (size_t i = 0; i < collect->n_followed; i++)
		if (collect->followed[i]->pid == pid)
			return true;
	return false;
}

static void
found_untraced(void *context, const struct identity *identity)
{
	struct collect *collect = context;
	printer_untraced(&collect->printer, clock_ns(CLOCK_REALTIME), identity);
}

static void
add_descendants(struct collect *collect, uint32_t root)
{
	struct descendants **list = realloc(collect->descendants,
					    (collect->n_descendants + 1) * sizeof *list);
	if (list == NULL)
		return;
	collect->descendants = list;
	list[collect->n_descendants] = descendants_new(root);
	collect->n_descendants += list[collect->n_descendants] != NULL;
}

/* ---- what they did ---- */

/* False: nobody had more than his share. */
static bool
drain_all(struct collect *collect)
{
	bool more = false;
	for (size_t i = 0; i < collect->n_followed;) {
		struct followed *followed = collect->followed[i];
		int64_t n = followed_drain(followed, SHARE);
		if (n < 0) {
			if (followed->pidfd >= 0)
				waiter_unwatch(&collect->waiter, followed->pidfd);
			followed_drop(followed);
			collect->followed[i] = collect->followed[--collect->n_followed];
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
	for (size_t i = 0; i < collect->n_followed; i++)
		followed_release(collect->followed[i]);
}

/* The processes that came first end first: a parent that waits for nobody would look odd else. */
static void
end_those_gone(struct collect *collect)
{
	size_t kept = 0;
	for (size_t i = 0; i < collect->n_followed; i++) {
		struct followed *followed = collect->followed[i];
		if (followed_alive(followed)) {
			collect->followed[kept++] = followed;
			continue;
		}
		bool command = collect->launch.ended &&
			       followed->source.pid == (uint32_t)collect->launch.pid;
		if (followed->pidfd >= 0)
			waiter_unwatch(&collect->waiter, followed->pidfd);
		followed_end(followed, command ? collect->launch.status : -1);
	}
	collect->n_followed = kept;
}

static bool
any_of_many_lanes(const struct collect *collect)
{
	for (size_t i = 0; i < collect->n_followed; i++)
		if (collect->followed[i]->many_lanes)
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
	for (size_t i = 0; i < collect->n_followed; i++)
		followed_tick(collect->followed[i]);
}

static void
report(struct collect *collect)
{
	for (size_t i = 0; i < collect->n_followed; i++)
		followed_report(collect->followed[i]);
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
	if (collect->n_followed > 0 || collect->candidates.n > 0) {
		collect->alone_since_ns = 0;
		return false;
	}
	switch (collect->target.kind) {
	case TARGET_LAUNCH:
		return command_had_ended;
	case TARGET_PIDS:
		return !pid_may_come_back(collect);
	case TARGET_ALL:
	case TARGET_NAME:
		break;
	}
	return false;
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
	if (collect->candidates.n > 0)
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
		for (size_t i = 0; i < collect->n_followed; i++) {
			followed_note(collect->followed[i]);
			waiter_word(&collect->waiter, followed_wake_word(collect->followed[i]));
		}
		collect->now_ns = clock_ns(CLOCK_MONOTONIC);
		look_at_signals(collect);
		bool command_had_ended = collect->launch.ended;
		look_for_new(collect);
		if (is_due(collect, &collect->next_tick_ns, TICK_NS))
			tick(collect);
		for (size_t i = 0; i < collect->n_descendants && !command_had_ended; i++)
			descendants_scan(collect->descendants[i], collect->now_ns, knows_pid,
					 found_untraced, collect);
		collect->printer.hold = collect->n_followed > 1 || collect->candidates.n > 0 ||
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
		if (targets_are_gone(collect, command_had_ended))
			break;
		if (!more && !collect->leaving)
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
	collect->target.kind = options->all      ? TARGET_ALL
			       : options->name   ? TARGET_NAME
			       : options->n_pids ? TARGET_PIDS
						 : TARGET_LAUNCH;
	collect->target.name = options->name;
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
		.settings = {options->events, options->reveal, options->stack},
		.backlog = options->backlog,
		.max_events = options->max_events,
	};
	if (reading->summary == NULL)
		return -ENOMEM;
	err = places_init(&collect->places, "/dev/shm");
	if (err < 0) {
		snprintf(why, why_bytes, "/dev/shm cannot be watched: %s", strerror(-err));
		return err;
	}
	err = waiter_init(&collect->waiter);
	if (err == 0)
		err = waiter_watch(&collect->waiter, collect->places.inotify);
	return err;
}

/* 0, or what to exit with. */
static int
begin(struct collect *collect)
{
	const struct options *options = collect->options;
	char why[600] = "";
	collect->started_ns = collect->now_ns = clock_ns(CLOCK_MONOTONIC);
	collect->started_realtime_ns = clock_ns(CLOCK_REALTIME);
	collect->next_stats_ns = collect->now_ns + options->stats_interval_ns;
	if (options->command != NULL) {
		const struct launch_settings settings = {options->events, options->reveal,
							 options->stack};
		int status = launch_start(&collect->launch, options->command, &settings, why,
					  sizeof why);
		if (status != 0) {
			log_error("%s", why);
			return status;
		}
		collect->target.launch_id = collect->launch.id;
		add_descendants(collect, (uint32_t)collect->launch.pid);
	}
	allow_many_files();
	if (options->n_pids > 0) {
		for (size_t i = 0; i < options->n_pids; i++)
			add_descendants(collect, options->pids[i]);
		return follow_pids(collect);
	}
	if (options->command == NULL) {
		places_scan(&collect->places, NULL, NULL);
		for (size_t i = 0; i < collect->places.n; i++)
			list_place(collect, collect->places.items[i]);
	}
	return 0;
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
	} else if (failed) {
		status = EXIT_FAILED;
	}
	return status == 0 && lost ? EXIT_LOSS : status;
}

static int
finish(struct collect *collect)
{
	end_those_gone(collect); /* their segments are ours to remove */
	for (size_t i = 0; i < collect->n_followed; i++)
		followed_leave(collect->followed[i]);
	collect->n_followed = 0;
	printer_flush(&collect->printer, true);
	outputs_close(collect->outputs);
	if (collect->options->summary)
		summary_print(collect->reading.summary, stderr);
	return exit_status(collect);
}

static void
release_all(struct collect *collect)
{
	for (size_t i = 0; i < collect->n_descendants; i++)
		descendants_free(collect->descendants[i]);
	free(collect->descendants);
	free(collect->followed);
	candidates_fini(&collect->candidates);
	target_fini(&collect->target);
	waiter_fini(&collect->waiter);
	places_fini(&collect->places);
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
	int at_end = finish(&collect);
	release_all(&collect);
	return status != 0 ? status : at_end;
}
