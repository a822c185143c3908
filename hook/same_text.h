/* SPDX-License-Identifier: MIT */
/*
 * Is a text of somebody else's still the one that we know? `own` has `len` bytes and a NUL, and is
 * readable 8 bytes further. Several bytes at a time, where reading past the end of a shorter text
 * cannot leave its page.
 */
#ifndef HOOK_SAME_TEXT_H
#define HOOK_SAME_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "barrier.h"

#define TEXT_PAGE 4096

/* So many bytes from `text` on lie in its page. */
static inline bool
text_in_page(const char *text, size_t n)
{
	return likely(((uintptr_t)text & (TEXT_PAGE - 1)) + n <= TEXT_PAGE);
}

/* Where text_in_page(text, len + 8). */
__attribute__((no_sanitize("address"))) static inline bool
same_text_in_page(const char *own, uint32_t len, const char *text)
{
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

static inline bool
same_text(const char *own, uint32_t len, const char *text)
{
	return text_in_page(text, (size_t)len + 8) ? same_text_in_page(own, len, text)
						   : strcmp(own, text) == 0;
}

/* The first bytes of a text, with its NUL if that is among them, to be compared at once. */
#define TEXT_BEGINNING 16
struct text_beginning {
	uint64_t bytes[2], mask[2];
};

static inline void
text_beginning_set(struct text_beginning *own, const char *text, size_t len)
{
	size_t n = len + 1 < TEXT_BEGINNING ? len + 1 : TEXT_BEGINNING;
	memset(own, 0, sizeof *own);
	memcpy(own->bytes, text, n);
	memset(own->mask, 0xff, n);
}

/* Where text_in_page(text, TEXT_BEGINNING). */
__attribute__((no_sanitize("address"))) static inline bool
text_beginning_same(const struct text_beginning *own, const char *text)
{
	uint64_t a, b;
	memcpy(&a, text, 8);
	memcpy(&b, text + 8, 8);
	return (((a ^ own->bytes[0]) & own->mask[0]) | ((b ^ own->bytes[1]) & own->mask[1])) == 0;
}

#endif
