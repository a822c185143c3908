/* SPDX-License-Identifier: MIT */
/*
 * start(), stop(), status() and what pending calls do for them, one at a time: they raise audit
 * events, and hooks of the program that are written in Python may call them again then, or let go
 * of the GIL for a thread that does. Who comes meanwhile
 *
 *	without a GIL, waits, and is out of the interpreter's way
 *	with one, does not: he may hold what the hook waits for
 *	on the same thread, cannot
 *
 * Who does not wait does his part without having entered, but for the calls: who is in sees to them
 * before he leaves (calls_leave()).
 */
#ifndef HOOK_ENTRY_H
#define HOOK_ENTRY_H

#include <stdbool.h>

/* False: somebody is in and stays, this thread's outer call maybe. */
bool entry_enter(void);
void entry_leave(bool entered);

/* Without waiting. */
bool entry_try(void);

/* The interpreter is gone: who is in wants to go on, and never does. */
void entry_forget(void);

/* In a fork child: another thread of the parent was in, and has not come to its end. */
bool entry_is_torn(void);

#endif
