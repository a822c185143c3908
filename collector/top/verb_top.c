/* SPDX-License-Identifier: MIT */
/* `auditd-collect top`: what the counters say, again and again. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "calibrate.h"
#include "command.h"
#include "exit_status.h"
#include "log.h"
#include "privileges.h"
#include "screen.h"
#include "signals.h"
#include "top.h"
#include "verb.h"

void
top_look_at_signals(struct top *top)
{
	int forward = signals_take_forward();
	if (top->options.common.command == NULL || top->launch.ended)
		return;
	if (forward != 0)
		kill(top->launch.pid, forward);
	if (launch_reap(&top->launch))
		signals_command_ended();
}

bool
top_is_stopped(struct top *top)
{
	top->hung_up |= signals_take_reopen();
	return top->hung_up || signals_stopping();
}

void
top_find(struct top *top)
{
	fleet_find(&top->fleet);
	fleet_read(&top->fleet, top->reads);
}

void
top_look(struct top *top)
{
	calibrate_tick(top->clock);
	top_find(top);
	records_tick(&top->fleet.records);
	fleet_look(&top->fleet);
}

bool
top_is_over(const struct top *top)
{
	switch (top->fleet.target.kind) {
	case TARGET_LAUNCH:
		return top->launch.ended && !fleet_is_alive(&top->fleet);
	case TARGET_PIDS:
		return !fleet_is_alive(&top->fleet);
	case TARGET_ALL:
	case TARGET_NAME:
	case TARGET_DEAD:
		break;
	}
	return false;
}

/* 0, or what to exit with. */
static int
begin(struct top *top)
{
	const struct options *options = &top->options.common;
	char why[600] = "";
	struct rlimit limit;
	if (options->command != NULL) {
		int status = command_start(top, why, sizeof why);
		if (status != 0) {
			log_error("top: %s", why);
			return status;
		}
		top->fleet.target.launch_id = top->launch.id;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max; /* FLEET_FILES_OF_ONE for each process */
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Users' names and the terminal come from libraries whose system calls nobody knows. */
	privileges_drop(PRIVILEGES_FOLLOW | (options->command != NULL ? PRIVILEGES_SIGNAL : 0));
	return fleet_add_pids(&top->fleet, options->pids, options->n_pids);
}

/* The screen, if that was asked for and can be had: else batch. */
static void
run(struct top *top)
{
	char why[200];
	if (!top->options.batch && screen_open(why, sizeof why) < 0) {
		log_note("top: %s: printing", why);
		top->options.batch = true;
	}
	if (top->options.batch) {
		top_batch(top);
		return;
	}
	top_interactive(top);
	screen_close();
	if (top->options.common.command != NULL)
		command_wait(top);
}

static void
set_target(struct top *top)
{
	const struct options *options = &top->options.common;
	top->fleet.target.kind = options->command != NULL ? TARGET_LAUNCH
				 : options->name != NULL  ? TARGET_NAME
				 : options->n_pids > 0    ? TARGET_PIDS
							  : TARGET_ALL;
	top->fleet.target.name = options->name;
}

/* The command's own, once it has ended. */
static int
exit_status(const struct top *top)
{
	bool command = top->options.common.command != NULL;
	if (top->failed)
		return command ? LAUNCH_FAILED : EXIT_FAILED;
	return command && top->launch.ended ? launch_exit_status(&top->launch) : EXIT_DONE;
}

static int
top_run(struct top *top)
{
	char why[300] = "";
	bool command = top->options.common.command != NULL;
	signals_init(command);
	set_target(top);
	top->clock = clock_choose();
	if (fleet_init(&top->fleet, why, sizeof why) < 0) {
		log_error("top: %s", why);
		return command ? LAUNCH_FAILED : EXIT_FAILED;
	}
	int status = begin(top);
	if (status != 0)
		return status;
	run(top);
	return exit_status(top);
}

int
verb_top(int argc, char **argv)
{
	struct top top = {.output = -1};
	char why[600] = "";
	int status = EXIT_USAGE;
	int err = top_options_parse(&top.options, argc, argv, why, sizeof why);
	if (err == OPTIONS_HELP) {
		top_options_print_help(stdout);
		status = fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
	} else if (err < 0) {
		log_error("top: %s", err == -ENOMEM ? strerror(ENOMEM) : why);
	} else {
		log_set_level(top.options.common.quiet ? LOG_QUIET : LOG_NORMAL);
		status = top_run(&top);
		fleet_fini(&top.fleet);
	}
	top_options_fini(&top.options);
	return status;
}
