/* SPDX-License-Identifier: MIT */
/*
 * Tracing of calls as a whole: what is wanted of it, what is in force, and the way from one to
 * the other. Settings may come at any event, from the collector; a back end is installed where
 * Python code may run.
 *
 * The way of a call: source_profile, source_monitoring or source_eval (call_source.h) hears of it
 * from CPython; call_target tells what is called and, by call_rules, whether that is wanted;
 * call_emit has it counted, timed (call_times) or written into a lane's open slot (common/lane.h).
 */
#ifndef HOOK_CALLS_H
#define HOOK_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "call_rules.h"
#include "pycompat.h"

/* Can this interpreter do that? 0, or -EINVAL or -ENOTSUP with `why` a sentence. */
int calls_check(const struct call_settings *settings, char *why, size_t why_bytes);

/* Other settings are to be in force. May be called with the session's lock held. */
void calls_want(const struct call_settings *settings);

/* See to it that calls_apply() runs soon, if there is anything to be done. Without the lock. */
void calls_settle(void);

/* Put what is wanted into force. 0, or -errno with *why a sentence. With the GIL. */
int calls_apply(const char **why);

/* Take out what is installed; calls_apply() puts it in again. With the GIL. */
void calls_stop(void);

/* Leave what entry_enter() has entered (entry.h): others may have had something to do meanwhile. */
void calls_leave(bool entered);

/*
 * Events that tell of it that somebody may take our place, or that greenlets come;
 * and one of them happens, also in another interpreter than the main one.
 */
bool calls_watch(const char *event);
void calls_hear(const char *event, PyObject *args);

/* Now and then: has somebody taken our place since? */
void calls_look_again(void);

/* An event at session.calls_next_look, or later: that, and the lease. When the next time is. */
void calls_time_passed(uint64_t ticks);

/* The interpreter ends. */
void calls_fini(void);

#endif
