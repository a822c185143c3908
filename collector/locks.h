/* SPDX-License-Identifier: MIT */
/*
 * Who holds flock() on an object, as /proc/locks tells. Asking the object itself would mean
 * to take the lock for a moment, and a collector that attaches in that moment would find it
 * taken, and a program that exits would find itself read.
 *
 * The kernel leaves out who is not in our pid namespace: a collector outside of our container
 * is not seen.
 */
#ifndef COLLECTOR_LOCKS_H
#define COLLECTOR_LOCKS_H

#include <stdint.h>
#include <sys/types.h>

/* Called for each exclusive flock that is held, with the pid that took it. */
typedef void (*locks_fn)(void *context, uint32_t pid, dev_t dev, ino_t ino);

/* 0 or -errno. */
int locks_each(locks_fn fn, void *context);

#endif
