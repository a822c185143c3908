/* SPDX-License-Identifier: MIT */
#include "utf8.h"

#include <stdint.h>

static inline uint32_t
point(const void *points, size_t kind, size_t i)
{
	if (kind == 1)
		return ((const uint8_t *)points)[i];
	if (kind == 2)
		return ((const uint16_t *)points)[i];
	return ((const uint32_t *)points)[i];
}

static inline size_t
width(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

size_t
utf8_fit(const void *points, size_t kind, size_t n, size_t room, size_t *used)
{
	size_t bytes = 0, i;
	for (i = 0; i < n; i++) {
		size_t w = width(point(points, kind, i));
		if (bytes + w > room)
			break;
		bytes += w;
	}
	*used = i;
	return bytes;
}

size_t
utf8_encode(const void *points, size_t kind, size_t *at, size_t n, char *to, size_t size)
{
	size_t bytes = 0;
	for (; *at < n; ++*at) {
		uint32_t c = point(points, kind, *at);
		size_t w = width(c);
		if (bytes + w > size)
			break;
		char *p = to + bytes;
		if (w == 1) {
			p[0] = (char)c;
		} else if (w == 2) {
			p[0] = (char)(0xc0 | c >> 6);
			p[1] = (char)(0x80 | (c & 0x3f));
		} else if (w == 3) {
			p[0] = (char)(0xe0 | c >> 12);
			p[1] = (char)(0x80 | (c >> 6 & 0x3f));
			p[2] = (char)(0x80 | (c & 0x3f));
		} else {
			p[0] = (char)(0xf0 | c >> 18);
			p[1] = (char)(0x80 | (c >> 12 & 0x3f));
			p[2] = (char)(0x80 | (c >> 6 & 0x3f));
			p[3] = (char)(0x80 | (c & 0x3f));
		}
		bytes += w;
	}
	return bytes;
}
