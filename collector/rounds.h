/* SPDX-License-Identifier: MIT */
/* The main loop. */
#ifndef COLLECTOR_ROUNDS_H
#define COLLECTOR_ROUNDS_H

struct collect;

/* Until the targets have ended or we are told to leave. */
void rounds_run(struct collect *collect);

/* Those that have ended: their last lines, and the account. */
void rounds_end_gone(struct collect *collect);

/* For pulse.h, while a write waits: a `struct collect`. */
void rounds_show_life(void *context);

#endif
