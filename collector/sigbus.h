/* SPDX-License-Identifier: MIT */
/*
 * A traced program can truncate the object that we have mapped (it cannot be sealed), and
 * whoever reads there gets SIGBUS. The handler puts zeroed private memory in place of the
 * rest of that mapping and says so in `hit`: the reader goes on, sees zeroes, asks, and gives
 * the object up. A SIGBUS anywhere else kills as it always did.
 *
 * One thread only: the list changes outside of handlers, and a fault comes from the code
 * that reads, never in the middle of a change.
 */
#ifndef COLLECTOR_SIGBUS_H
#define COLLECTOR_SIGBUS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sigbus_map {
	uint8_t *start;
	size_t bytes;
	volatile sig_atomic_t *hit;
	struct sigbus_map *next;
};

/* Watch a mapping (the caller's storage); the first call installs the handler. */
void sigbus_watch(struct sigbus_map *map, void *start, size_t bytes, volatile sig_atomic_t *hit);
/* Before munmap(). Harmless for a zeroed map. */
void sigbus_unwatch(struct sigbus_map *map);

#endif
