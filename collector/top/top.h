/* SPDX-License-Identifier: MIT */
/* One run of `auditd-collect top`, which is shown by one of two loops. */
#ifndef COLLECTOR_TOP_TOP_H
#define COLLECTOR_TOP_TOP_H

#include "clock.h"
#include "fleet.h"
#include "launch.h"
#include "top_options.h"

struct top {
	struct top_options options;
	struct fleet fleet;
	struct launch launch;
	enum clock_kind clock;
	int output;  /* what the command printed while the screen was ours; -1: it has its own */
	bool reads;  /* the events themselves are wanted */
	bool failed; /* which was said */
	bool hung_up;
};

/* Pass signals on to the command, and note its end. */
void top_look_at_signals(struct top *top);

/* We were told to leave; there is no file that a SIGHUP would have us open again. */
bool top_is_stopped(struct top *top);

/* Between two looks: find who is new, read events. */
void top_find(struct top *top);

/* The same, calibrate, look. */
void top_look(struct top *top);

/* Nobody is left to be looked at, or will come. */
bool top_is_over(const struct top *top);

/* Print each look, to stdout; until it is over, or has been enough. */
void top_batch(struct top *top);

/* The screen, which is open; until somebody leaves it. */
void top_interactive(struct top *top);

#endif
