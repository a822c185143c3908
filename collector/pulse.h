/* SPDX-License-Identifier: MIT */
/*
 * What has to go on while a write waits for a slow reader, or a flood is read. A program whose
 * collector gives no sign of life for three seconds takes it for dead: it returns to its own
 * settings, and waits for it no longer. So a timer interrupts the write once a second, and a
 * function gives the sign, however many short writes come one after the other.
 */
#ifndef COLLECTOR_PULSE_H
#define COLLECTOR_PULSE_H

#include <stdbool.h>

/* `waits`: in a write, which may go on for ever. */
typedef void (*pulse_fn)(void *context, bool waits);

/* Once, before system calls are limited. Without it the others do nothing. */
void pulse_init(pulse_fn fn, void *context);

/* Around what may wait: from begin to end, calls return with EINTR once a second. */
void pulse_begin(void);
void pulse_end(void);

/* When a call has returned, and between other work: calls the function, once a second. */
void pulse_beat(bool waits);

#endif
