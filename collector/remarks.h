/* SPDX-License-Identifier: MIT */
/*
 * What the user may want to know of a run that goes as it was asked to: one line each on stderr,
 * none with -q. All of them may be called at any time; they say nothing when there is nothing to
 * say.
 */
#ifndef COLLECTOR_REMARKS_H
#define COLLECTOR_REMARKS_H

#include "options.h"
#include "summary.h"

/* Globs of -e that fit no event of CPython's. */
void remark_unknown_events(const struct options *options);

/* The command was not found: was its first word meant as the pattern of --calls? */
void remark_calls_pattern(const struct options *options);

/* Nobody was there to be read for a while. */
void remark_waiting(const struct options *options);

/* The command has ended, and no Python in it loaded the hook. */
void remark_nothing_traced(void);

/* The stream has it, too, but whoever filters it may not look. */
void remark_losses(const struct summary *summary);

#endif
