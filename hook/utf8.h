/* SPDX-License-Identifier: MIT */
/*
 * Code points, as CPython stores them (1, 2 or 4 bytes each), to UTF-8. A lone surrogate
 * becomes three bytes like any other code point: nothing of the text is lost, and whoever
 * prints it mends it.
 */
#ifndef HOOK_UTF8_H
#define HOOK_UTF8_H

#include <stddef.h>

/* Bytes that the first code points take, as many as fit into room; *used says how many. */
size_t utf8_fit(const void *points, size_t kind, size_t n, size_t room, size_t *used);

/* Encode points[*at .. n) as far as they fit, advance *at; returns the bytes written. */
size_t utf8_encode(const void *points, size_t kind, size_t *at, size_t n, char *to, size_t size);

#endif
