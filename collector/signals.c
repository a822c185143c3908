/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD,
			      SIGPIPE, SIGXFSZ};
#define N_HANDLED (sizeof handled / sizeof handled[0])

static struct sigaction found[N_HANDLED];
static sigset_t found_mask;
static volatile sig_atomic_t has_command, stop, stop_now, reopen, forward_term, forward_hup;

/* Some send the same signal to a process and to its group. */
#define TWICE_NS 500000000u

static void
told_to_stop(void)
{
	static volatile uint64_t first_ns;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	if (first_ns == 0)
		first_ns = now_ns;
	stop_now = now_ns - first_ns >= TWICE_NS;
	stop = 1;
}

static void
handle(int number)
{
	switch (number) {
	case SIGTERM:
		if (has_command)
			forward_term = 1;
		else
			told_to_stop();
		break;
	case SIGHUP:
		if (has_command)
			forward_hup = 1;
		else
			reopen = 1;
		break;
	case SIGINT:
		if (!has_command)
			told_to_stop();
		break;
	}
}

static bool
was_ignored(size_t i)
{
	return found[i].sa_handler == SIG_IGN;
}

void
signals_init(bool with_command)
{
	has_command = with_command;
	sigprocmask(SIG_SETMASK, NULL, &found_mask);
	for (size_t i = 0; i < N_HANDLED; i++) {
		struct sigaction action = {.sa_handler = handle};
		sigaction(handled[i], NULL, &found[i]);
		if (handled[i] == SIGPIPE || handled[i] == SIGXFSZ) /* the call fails, and says more */
			action.sa_handler = SIG_IGN;
		else if (handled[i] == SIGQUIT && !with_command)
			continue; /* a core dump is what the user asked for */
		else if (was_ignored(i) && (handled[i] == SIGINT || handled[i] == SIGHUP))
			continue; /* nohup, or in the background of a script */
		sigaction(handled[i], &action, NULL);
	}
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
signals_command_ended(void)
{
	has_command = 0;
}

bool
signals_stopping(void)
{
	return stop != 0;
}

bool
signals_stopping_now(void)
{
	return stop_now != 0;
}

void
signals_stop(void)
{
	stop = 1;
}

bool
signals_take_reopen(void)
{
	bool was = reopen != 0;
	reopen = 0;
	return was;
}

int
signals_take_forward(void)
{
	if (forward_term) {
		forward_term = 0;
		return SIGTERM;
	}
	if (forward_hup) {
		forward_hup = 0;
		return SIGHUP;
	}
	return 0;
}

void
signals_restore(void)
{
	for (size_t i = 0; i < N_HANDLED; i++)
		sigaction(handled[i], &found[i], NULL);
	sigprocmask(SIG_SETMASK, &found_mask, NULL);
}
