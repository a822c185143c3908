/* SPDX-License-Identifier: MIT */
/*
 * What sys.monitoring calls, for source_monitoring.c: objects of a type of our own that has
 * tp_vectorcall, as a built-in function costs more to call (doc/decisions.md). There is a set of
 * them for each id that may be ours, with one for each event at each level.
 *
 * What is not wanted is disabled where it happens, and costs nothing from then on; restart_events()
 * brings it back when other things are wanted. DISABLE may be returned only
 *
 *	on the function's account from PY_START, PY_RESUME, PY_RETURN, PY_YIELD
 *	on the caller's account from CALL, never on that of what is called there just now
 *	from PY_UNWIND and PY_THROW since 3.15: they have no location of their own before
 *	never from C_RETURN and C_RAISE: that is a ValueError in the program
 */
#ifndef HOOK_MONITORING_CALLBACKS_H
#define HOOK_MONITORING_CALLBACKS_H

#include "pycompat.h"

#if PY_HAS_MONITORING

#include <stdbool.h>

#include "call_rules.h"

#define MONITORING_SETS 2
#define MONITORING_EVENTS 9

/* Of CPython's PY_MONITORING_EVENT_*: those that there are callbacks for. */
extern const int monitoring_events[MONITORING_EVENTS];

/*
 * Make them, once in the life of a process; they do nothing before they are enabled. 0, or -1 with
 * an exception set. `module`: sys.monitoring.
 */
int monitoring_callbacks_make(PyObject *module);

/* The one for monitoring_events[i]; borrowed, and never freed. */
PyObject *monitoring_callback(unsigned set, enum call_level level, unsigned i);

/*
 * Up to 3.13 the callbacks of an id outlive free_tool_id(): who takes the id gets ours with it.
 * Those that are not enabled do nothing, or he would show each call twice.
 */
void monitoring_callbacks_enable(unsigned set, bool on);

#endif
#endif
