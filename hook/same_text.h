/* SPDX-License-Identifier: MIT */
/* Is a text of somebody else's still the one that we know? */
#ifndef HOOK_SAME_TEXT_H
#define HOOK_SAME_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "barrier.h"

/*
 * `own` has `len` bytes and a NUL, and is readable 8 bytes further. Eight bytes at a time where
 * reading past the end of a shorter text cannot leave its page.
 */
__attribute__((no_sanitize("address"))) static inline bool
same_text(const char *own, uint32_t len, const char *text)
{
	if (unlikely(((uintptr_t)text & 4095) + len + 8 > 4095))
		return strcmp(own, text) == 0;
	int64_t left = (int64_t)len + 1;
	for (; left >= 8; left -= 8, own += 8, text += 8) {
		uint64_t a, b;
		memcpy(&a, own, 8);
		memcpy(&b, text, 8);
		if (a != b)
			return false;
	}
	if (left > 0) {
		uint64_t a, b, mask = ~0ull >> (64 - 8 * left);
		memcpy(&a, own, 8);
		memcpy(&b, text, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		mask = ~0ull << (64 - 8 * left);
#endif
		return ((a ^ b) & mask) == 0;
	}
	return true;
}

#endif
