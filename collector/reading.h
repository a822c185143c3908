/* SPDX-License-Identifier: MIT */
/* What all processes that are read have in common: where their lines go, and how many are wanted. */
#ifndef COLLECTOR_READING_H
#define COLLECTOR_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "printer.h"
#include "summary.h"
#include "tracee.h"

struct reading {
	struct printer *printer;
	struct summary *summary;
	struct settings settings;
	bool backlog;        /* asked for by the user */
	bool hides_chdir;    /* it was not asked for, and is needed to know where paths start */
	bool dump;           /* nothing is released or removed */
	bool post_mortem;    /* of dead programs, which is told */
	bool left_some;      /* that were asked for and could not be read, which was said */
	uint64_t n_events;   /* printed so far */
	uint64_t max_events; /* 0: no limit */
	bool closed;         /* no more events are wanted */
	bool stays;          /* with a command, also then: they count as filtered */
	bool enough;         /* without one: they wait for the next one; or for the next turn */
	uint64_t turn_from;  /* printer->n_bytes when it began */
	unsigned n_call_tracers; /* processes that can trace calls as they were asked to */
	bool called;             /* a function that is traced was called in one of them */
	bool hindered;           /* or may have been, but another tool was in the way */
};

/* Closed, or as many events as were asked for are printed. */
bool reading_is_full(const struct reading *reading);

/* No more events are wanted. */
void reading_close(struct reading *reading);

/*
 * What one process may have before it is the others' turn: lines of 4 MiB, for one event may be a
 * line of twelve.
 */
void reading_begin_turn(struct reading *reading);
bool reading_turn_is_over(const struct reading *reading);

/* An event of a program was printed. */
void reading_printed(struct reading *reading);

#endif
