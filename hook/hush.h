/* SPDX-License-Identifier: MIT */
/*
 * sys.setprofile() has a peculiarity: where C calls are looked at already, by us that is, the new
 * profile function is told of the return from sys.setprofile() itself, of which it saw no call;
 * the module `profile` fails over that. So from its audit event, before anything has changed, to
 * the end of the instruction, where pending calls are run, its thread is said to be in a callback:
 * then nobody is called, and the back end sees to its own event. Not up to 3.11, where pending calls
 * are the main thread's alone: there `profile` is not to be used beside us.
 */
#ifndef HOOK_HUSH_H
#define HOOK_HUSH_H

#include "pycompat.h"

/* sys.setprofile, to be known when it is called; NULL before hush_init(). */
extern PyObject *hush_setprofile;

/* Called where it has returned, if its call was recorded. */
typedef void (*hush_returned_fn)(PyCFunctionObject *function);

void hush_init(hush_returned_fn returned);

/* Python code is about to call it; and we record that, or not. */
void hush_called(bool recorded);

/* Its audit event. */
void hush_begin(void);

#endif
