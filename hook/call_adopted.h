/* SPDX-License-Identifier: MIT */
/*
 * What was open on a stack before its first event was seen, as the main loop of a program that
 * runs: the lowest calls of the shadow (call_times.h), with times from then on, and counted as
 * none.
 *
 * From 3.12 on CPython does not tell of the end of a frame that waited in a greenlet when tracing
 * began. So the frames are looked at now and then: who has ended is no longer among the outermost.
 */
#ifndef HOOK_CALL_ADOPTED_H
#define HOOK_CALL_ADOPTED_H

#include "call_times.h"
#include "pycompat.h"

/* Put this frame (or NULL) and its callers, but start(), on the shadow, if nothing is open there. */
void call_adopt(struct call_times *times, py_frame frame);

/* Those that have ended are open no longer. On the stack that runs. */
void call_adopted_drop_ended(struct call_times *times);

#endif
