/* SPDX-License-Identifier: MIT */
/*
 * A back end: what makes CPython tell us of calls. At most one is installed at a time, for all
 * threads of the main interpreter; it hands each event to call_emit.h.
 *
 * All functions run with the GIL in the main interpreter's time; up to 3.11 maybe from within an
 * audit hook, so they run no Python code there (py_run_soon() in pycompat.h).
 */
#ifndef HOOK_CALL_SOURCE_H
#define HOOK_CALL_SOURCE_H

#include "call_rules.h"
#include "pycompat.h"

struct call_source {
	enum call_backend backend;
	/* Install, or go on after a change of call_plan. 0, or -errno with *why a sentence. */
	int (*start)(const char **why);
	void (*stop)(void);
	/* The profile function of this thread is about to be set, by somebody else; or NULL. */
	void (*is_set)(PyThreadState *tstate);
	/* Somebody may have taken our place, or left his. */
	void (*look)(void);
	/*
	 * The same from time to time, where that can be done untold: nobody hears of it. Or NULL.
	 */
	void (*glance)(void);
	/* In a fork child, whose stream knows nothing of it: say again whose place is taken. */
	void (*say_again)(void);
	/* The interpreter is gone, and what was installed in it. */
	void (*forget)(void);
};

extern const struct call_source source_profile;
extern const struct call_source source_monitoring; /* from 3.12 */
extern const struct call_source source_eval;       /* from 3.9 */

#endif
