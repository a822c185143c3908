/* SPDX-License-Identifier: MIT */
/*
 * sys.setprofile() has a peculiarity: where C calls are looked at already, by us that is, the new
 * profile function is told of the return from sys.setprofile() itself, of which it saw no call;
 * the module `profile` fails over that. So from its audit event, before anything has changed, to
 * the end of the instruction, where pending calls are run, its thread is said to be in a callback:
 * then nobody is called, and the back end sees to its own event. Up to 3.11, and without a GIL, it
 * is the main thread alone that is sure to run what it has asked for, and this is done for it alone.
 */
#ifndef HOOK_HUSH_H
#define HOOK_HUSH_H

#include "pycompat.h"

/* sys.setprofile, to be known when it is called; NULL before hush_init(). */
extern PyObject *hush_setprofile;

void hush_init(void);

/* The interpreter is gone, and another one may come. */
void hush_fini(void);

/* Python code is about to call it; and we record that, or not. */
void hush_called(bool recorded);

/* Its audit event. */
void hush_begin(void);

#endif
