/* SPDX-License-Identifier: MIT */
/* Sums of numbers from shared memory, which may be any: they stay within JSON's integers. */
#ifndef COLLECTOR_SATURATING_H
#define COLLECTOR_SATURATING_H

#include <stdint.h>

#define SATURATING_MOST ((UINT64_C(1) << 53) - 1)

static inline uint64_t
plus(uint64_t a, uint64_t b)
{
	if (a > SATURATING_MOST)
		a = SATURATING_MOST;
	return b > SATURATING_MOST - a ? SATURATING_MOST : a + b;
}

/* Not below 0. */
static inline uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

#endif
