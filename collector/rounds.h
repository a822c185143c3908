/* SPDX-License-Identifier: MIT */
/* The main loop. */
#ifndef COLLECTOR_ROUNDS_H
#define COLLECTOR_ROUNDS_H

#include <stdbool.h>

struct collect;

/* Until the targets have ended or we are told to leave. */
void rounds_run(struct collect *collect);

/*
 * Those that have ended: their last lines, and the account. What one left is read in turns, as
 * that of the living is, or `at_once`. False: not all of it is read yet.
 */
bool rounds_end_gone(struct collect *collect, bool at_once);

/* For pulse.h, with a `struct collect`. */
void rounds_show_life(void *context, bool waits);

#endif
