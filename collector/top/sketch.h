/* SPDX-License-Identifier: MIT */
/*
 * What events touch, counted in bounded memory: a sketch for frequent items (Misra and Gries 1982)
 * that lets go an eighth of its counters at a time, the smallest. A count is too high by at most
 * its own `error`, which is at most n_seen / 896, and never too low: each time that the error grows
 * by one, one is taken from each of the 896 counters that stay, and n_seen is all that they ever
 * got. So whatever was seen more often than that is there.
 */
#ifndef COLLECTOR_TOP_SKETCH_H
#define COLLECTOR_TOP_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKETCH_MOST 1024

enum target_is {
	TARGET_IS_PATH,
	TARGET_IS_ADDRESS,
	TARGET_IS_MODULE,
	TARGET_IS_COMMAND,
};

struct sketch_item {
	char *text;          /* owned; valid UTF-8, harmless on a terminal */
	uint8_t is;          /* enum target_is */
	uint64_t n, error;
	uint64_t recent, before; /* since the last sketch_tick(), and between the two before it */
};

struct sketch {
	struct sketch_item *items; /* in no order */
	uint32_t *slots;            /* a hash table of indexes + 1 */
	size_t n;
	uint64_t n_seen;
	uint64_t floor; /* of what was let go nothing was seen more often */
};

/* A zeroed struct is an empty one. */
void sketch_fini(struct sketch *sketch);

/* One more. Without memory it is forgotten. */
void sketch_add(struct sketch *sketch, enum target_is is, const char *text, size_t len);

/* An interval ends. */
void sketch_tick(struct sketch *sketch);

void sketch_reset(struct sketch *sketch);

const char *target_is_name(uint8_t is); /* path, address, module, command */

#endif
