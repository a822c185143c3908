/* SPDX-License-Identifier: MIT */
/*
 * The last step before a terminal. Control characters, also those of C1, are escaped by
 * escape.h; what it leaves, for JSON does not mind, are the marks that turn the direction of
 * text or end a line: with them a name can be made to read as another one.
 */
#ifndef COLLECTOR_SAFE_H
#define COLLECTOR_SAFE_H

#include "line.h"

/* U+061C, U+200E, U+200F, U+2028-E, U+2066-9 at the start of s: its code point, or 0. n > 0. */
unsigned safe_mark(const uint8_t *s, size_t n);
#define SAFE_MARK_BYTES(mark) ((mark) == 0x061c ? 2u : 3u)

/* Append what escape_json() made, with those marks as \uXXXX. */
void safe_json(struct line *out, const char *json, size_t n);

/*
 * A '?' in place of each byte of what could move the cursor, of such a mark, and of what is no
 * text.
 */
void safe_text(uint8_t *text, size_t n);

#endif
