/* SPDX-License-Identifier: MIT */
/* Rates of the last minute, a second each, as a small graph. */
#ifndef COLLECTOR_TOP_HISTORY_H
#define COLLECTOR_TOP_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "line.h"

#define HISTORY_SECONDS 60

struct history {
	double rates[HISTORY_SECONDS]; /* a ring */
	uint64_t last_ns;              /* monotonic; 0: empty */
	unsigned n, next;
};

/* A rate that held until now, monotonic. One that lasted for several seconds fills them all. */
void history_add(struct history *history, uint64_t now_ns, double rate);

/*
 * The last `width` seconds at the most, the oldest first; the highest is eight eighths of a block,
 * or without UTF-8 a 9. Returns how many characters that are.
 */
unsigned history_put(const struct history *history, bool utf8, size_t width, struct line *out);

double history_most(const struct history *history);

#endif
