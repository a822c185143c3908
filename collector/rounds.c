/* SPDX-License-Identifier: MIT */
/*
 * The main loop. A round:
 *
 *	how far they are  what is read in this round happened before the next step
 *	who is new        names in /dev/shm -> candidates -> followed
 *	what they did     drain each a little, so that a flood does not hold up the others
 *	write             whole lines, in the order of time; then give back what is written
 *	who has ended     when all is read: its last lines and the account
 *	sleep             unless somebody had more than his share
 */
#include "rounds.h"

#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "collect_state.h"
#include "log.h"
#include "proc.h"
#include "remarks.h"
#include "signals.h"
#include "stragglers.h"

#define SLEEP_NS 50000000u        /* a line comes within twice that of its event */
#define SETUP_SLEEP_NS 1000000u  /* while a new segment is being set up */
#define SHARE 4096                /* events of one process in a round */
#define ALIVE_NS 1000000000u      /* how often to look for ends that no descriptor tells: exec */
#define TICK_NS 1000000000u
#define IDLE_TICKS 4
#define EXEC_GRACE_NS 3000000000u /* a process that runs another program may be Python again */
#define STRAGGLER_GRACE_NS 2000000000u /* in that time it has loaded the hook */
#define CHILD_GRACE_NS 500000000u /* and one that has ended may have left one that is starting */

/* ---- what they did ---- */

/* False: nobody had more than his share. */
static bool
drain_all(struct collect *collect)
{
	bool more = false;
	for (size_t i = 0; i < collect->roster.n_followed;) {
		int64_t n = followed_drain(collect->roster.followed[i], SHARE);
		if (n < 0) {
			roster_condemn(&collect->roster, i);
			continue;
		}
		more |= n >= SHARE || reading_turn_is_over(&collect->reading);
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

/* Of one that was dead when it was found only its own word tells when it began. */
static bool
is_command(const struct launch *launch, const struct followed *followed)
{
	const struct identity *identity = tracee_identity(followed->tracee);
	return launch->ended && followed->source.pid == (uint32_t)launch->pid &&
	       (!identity->alive || identity->start_time == launch->start_time);
}

/* The processes that came first end first: a parent that waits for nobody would look odd else. */
bool
rounds_end_gone(struct collect *collect, bool at_once)
{
	bool all = true;
	for (size_t i = 0; i < collect->roster.n_followed;) {
		struct followed *followed = collect->roster.followed[i];
		bool alive = followed_alive(followed);
		if (alive || (!at_once && !followed_is_through(followed))) {
			all &= alive;
			i++;
			continue;
		}
		bool command = is_command(&collect->launch, followed);
		roster_end(&collect->roster, i, command ? collect->launch.status : -1);
	}
	return all;
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

static bool
time_is_up(const struct collect *collect, uint64_t now_ns)
{
	uint64_t duration_ns = collect->options->duration_ns;
	return duration_ns != 0 && now_ns - collect->started_ns >= duration_ns;
}

/* What the command is owed, whatever keeps us: signals that came for it, and to be reaped. */
static void
serve_command(struct collect *collect)
{
	int forward = signals_take_forward();
	if (collect->options->command == NULL)
		return;
	if (!collect->launch.ended && launch_reap(&collect->launch))
		signals_command_ended();
	if (forward == SIGTERM && collect->launch.ended) /* it came too late for that */
		signals_stop();
	else if (forward != 0 && !collect->launch.ended)
		kill(collect->launch.pid, forward);
	collect->terminated |= forward == SIGTERM;
}

/* Who takes nothing cannot keep us once it is time to leave. */
static void
leave_a_write(struct collect *collect)
{
	bool enough = time_is_up(collect, clock_ns(CLOCK_MONOTONIC));
	if (collect->reading.stays)
		enough = collect->launch.ended && (enough || collect->terminated);
	else if (enough)
		reading_close(&collect->reading);
	if (enough)
		signals_stop();
}

/* The roster is not in the middle of a change when lines are written, nor between two processes. */
void
rounds_show_life(void *context, bool waits)
{
	struct collect *collect = context;
	serve_command(collect);
	if (waits)
		leave_a_write(collect);
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

/*
 * A process that we follow by its pid may run something else now, and be Python again soon; or have
 * started another before it ended.
 */
static bool
more_may_come(struct collect *collect)
{
	bool any = false;
	for (size_t i = 0; i < collect->options->n_pids; i++) {
		if (condemned_has_pid(&collect->roster.condemned, collect->options->pids[i]))
			continue;
		int proc = proc_open(collect->options->pids[i]);
		struct proc_stat stat;
		any |= proc >= 0 && proc_stat(proc, &stat) == 0 && stat.state != 'Z';
		if (proc >= 0)
			close(proc);
	}
	if (collect->alone_since_ns == 0)
		collect->alone_since_ns = collect->now_ns;
	uint64_t alone_ns = collect->now_ns - collect->alone_since_ns;
	if (any && alone_ns >= EXEC_GRACE_NS)
		log_note("what runs there now is no Python with the hook: leaving");
	return alone_ns < (any ? EXEC_GRACE_NS : CHILD_GRACE_NS);
}

/*
 * What it left behind may be starting: who starts others without end does not keep us. A worker that
 * has done nothing yet does; it is asked after now and then, for /proc may be large.
 */
static bool
straggler_may_come(struct collect *collect)
{
	if (collect->over_since_ns == 0) {
		collect->over_since_ns = collect->now_ns;
		collect->next_stragglers_ns = 0;
	}
	bool grace = collect->now_ns - collect->over_since_ns < STRAGGLER_GRACE_NS;
	if (is_due(collect, &collect->next_stragglers_ns, grace ? 0 : TICK_NS))
		collect->stragglers = stragglers_look(collect->launch.id);
	return collect->stragglers == STRAGGLERS_SILENT ||
	       (grace && collect->stragglers == STRAGGLERS_STARTING);
}

static bool
targets_are_gone(struct collect *collect, bool command_had_ended)
{
	if (collect->roster.n_followed > 0 || collect->roster.candidates.n > 0 ||
	    collect->roster.unread) {
		collect->alone_since_ns = collect->over_since_ns = 0;
		return false;
	}
	switch (collect->roster.target.kind) {
	case TARGET_LAUNCH:
		return command_had_ended && !straggler_may_come(collect);
	case TARGET_PIDS:
		return !more_may_come(collect);
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
	return collect->options->dump && !more && !candidates_waiting(&collect->roster.candidates) &&
	       !collect->roster.has_new && !collect->roster.looks_again;
}

/* With a command we stay until it has ended, and only stop to print. */
static void
stop_reading(struct collect *collect)
{
	reading_close(&collect->reading);
	if (collect->options->command == NULL || collect->launch.ended)
		collect->leaving = true;
}

static void
look_at_limits(struct collect *collect)
{
	if (signals_stopping())
		collect->leaving = true;
	if (reading_is_full(&collect->reading) || outputs_gone(collect->outputs) ||
	    time_is_up(collect, collect->now_ns))
		stop_reading(collect);
}

static void
look_at_signals(struct collect *collect)
{
	if (signals_take_reopen()) {
		printer_flush(&collect->printer, false);
		if (!outputs_reopen(collect->outputs)) /* then it is our terminal that is gone */
			signals_stop();
	}
	serve_command(collect);
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

void
rounds_run(struct collect *collect)
{
	bool ending = false;
	while (!collect->leaving) {
		bool woken = waiter_begin(&collect->waiter);
		for (size_t i = 0; i < collect->roster.n_followed; i++) {
			followed_note(collect->roster.followed[i]);
			waiter_word(&collect->waiter, followed_wake_word(collect->roster.followed[i]));
		}
		collect->now_ns = clock_ns(CLOCK_MONOTONIC);
		look_at_signals(collect);
		bool command_had_ended = collect->launch.ended;
		collect->printer.hold = collect->roster.n_followed > 0; /* and somebody may be new */
		roster_look(&collect->roster, collect->now_ns);
		if (is_due(collect, &collect->next_tick_ns, TICK_NS))
			tick(collect);
		roster_look_for_untraced(&collect->roster, collect->now_ns);
		collect->printer.hold = collect->roster.n_followed > 1 ||
					collect->roster.candidates.n > 0 ||
					any_of_many_lanes(collect);
		bool more = drain_all(collect);
		write_all(collect);
		if (woken || command_had_ended || ending ||
		    is_due(collect, &collect->next_alive_ns, ALIVE_NS))
			ending = !rounds_end_gone(collect, reading_is_full(&collect->reading));
		if (collect->options->stats_interval_ns != 0 &&
		    is_due(collect, &collect->next_stats_ns, collect->options->stats_interval_ns))
			report(collect);
		look_at_limits(collect);
		collect->leaving |= all_is_dumped(collect, more);
		if (targets_are_gone(collect, command_had_ended))
			break;
		if (!more && !ending && !collect->roster.has_new && !collect->leaving)
			waiter_sleep(&collect->waiter, time_to_sleep(collect));
	}
}
