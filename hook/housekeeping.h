/* SPDX-License-Identifier: MIT */
/*
 * Segments that killed processes left behind stay for a post-mortem, but not without end:
 * when this user's dead ones hold more than 64 MiB, or an eighth of a small /dev/shm, the
 * oldest go.
 */
#ifndef HOOK_HOUSEKEEPING_H
#define HOOK_HOUSEKEEPING_H

#include <stdbool.h>
#include <stdint.h>

/* What was removed, and how many events of it nobody had read. */
struct housekeeping {
	uint64_t segments, events;
};
void housekeeping_remove_dead(struct housekeeping *done);

/* A collector wants to see every program of this user, those that have ended too. */
bool housekeeping_is_watched(void);

#endif
