/* SPDX-License-Identifier: MIT */
/*
 * Is a text of somebody else's still the one that we know? `own` has `len` bytes and a NUL, and is
 * readable 8 bytes further. Eight bytes at a time, where that cannot leave the page in which `text`
 * begins: it may be shorter.
 */
#ifndef HOOK_SAME_TEXT_H
#define HOOK_SAME_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "barrier.h"

#define TEXT_PAGE 4096

static inline bool
text_in_page(const char *text, uint32_t len)
{
	return likely(((uintptr_t)text & (TEXT_PAGE - 1)) + len + 8 <= TEXT_PAGE);
}

__attribute__((no_sanitize("address"))) static inline uint64_t
text_eight(const char *text)
{
	uint64_t eight;
	memcpy(&eight, text, 8);
	return eight;
}

/* Where text_in_page(). The last eight bytes may be some of those before. */
__attribute__((no_sanitize("address"))) static inline bool
same_text_in_page(const char *own, uint32_t len, const char *text)
{
	size_t n = (size_t)len + 1;
	if (n < 8) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		uint64_t mask = ~0ull << (64 - 8 * n);
#else
		uint64_t mask = ~0ull >> (64 - 8 * n);
#endif
		return ((text_eight(own) ^ text_eight(text)) & mask) == 0;
	}
	uint64_t differs = text_eight(own + n - 8) ^ text_eight(text + n - 8);
	for (size_t at = 0; at < n - 8; at += 8)
		differs |= text_eight(own + at) ^ text_eight(text + at);
	return differs == 0;
}

static inline bool
same_text(const char *own, uint32_t len, const char *text)
{
	return text_in_page(text, len) ? same_text_in_page(own, len, text)
				       : strcmp(own, text) == 0;
}

#endif
