/* SPDX-License-Identifier: MIT */
/* Integers that fit no machine word, as text. */
#ifndef COLLECTOR_BIGINT_H
#define COLLECTOR_BIGINT_H

#include "line.h"

/* Beyond this decimal digits, whose cost grows with the square, are not worth it. */
#define BIGINT_DECIMAL_BYTES 512

/*
 * Append an integer of n bytes, two's complement, least significant byte first: exact
 * decimal digits, or, when it is longer than BIGINT_DECIMAL_BYTES, -0x...; true then.
 */
bool bigint_put(struct line *out, const uint8_t *bytes, size_t n);

#endif
