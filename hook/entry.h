/* SPDX-License-Identifier: MIT */
/*
 * start(), stop() and status() one at a time. With a GIL they are anyway; without, threads may call
 * them at once. Who waits is out of the interpreter's way meanwhile. An audit hook in Python that
 * calls one of them from within another, on the same thread, is let in.
 */
#ifndef HOOK_ENTRY_H
#define HOOK_ENTRY_H

#include <stdbool.h>

/* False: this thread is in already, and its outer call leaves. */
bool entry_enter(void);
void entry_leave(bool entered);

/* Without waiting; false: somebody is in, this thread maybe. With a GIL nobody ever is. */
bool entry_try(void);

/* In a fork child: another thread of the parent was in, and has not come to its end. */
bool entry_is_torn(void);

#endif
