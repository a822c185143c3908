/* SPDX-License-Identifier: MIT */
#include "pulse.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"

#define BEAT_NS 1000000000u

static struct {
	pulse_fn fn;
	void *context;
	timer_t timer; /* of our own: alarm() may be somebody's who started us with a time limit */
	uint64_t next_ns;
} pulse;

static void
interrupt(int number)
{
	(void)number;
}

void
pulse_init(pulse_fn fn, void *context)
{
	struct sigaction action = {.sa_handler = interrupt}; /* no SA_RESTART */
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	sigemptyset(&action.sa_mask);
	sigaction(SIGRTMIN, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &pulse.timer) < 0)
		return;
	pulse.fn = fn;
	pulse.context = context;
}

static void
set_timer(time_t seconds)
{
	struct itimerspec each = {.it_interval.tv_sec = seconds, .it_value.tv_sec = seconds};
	if (pulse.fn != NULL)
		timer_settime(pulse.timer, 0, &each, NULL);
}

void
pulse_begin(void)
{
	set_timer(1);
}

void
pulse_end(void)
{
	set_timer(0);
}

void
pulse_beat(bool waits)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	if (pulse.fn == NULL || now_ns < pulse.next_ns)
		return;
	pulse.next_ns = now_ns + BEAT_NS - BEAT_NS / 8;
	pulse.fn(pulse.context, waits);
}
