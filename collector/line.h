/* SPDX-License-Identifier: MIT */
/*
 * Text under construction: a buffer that grows, with number and time formatting that is ours,
 * for snprintf costs more than all the rest of a line.
 *
 * Without memory nothing is added and `failed` is set; whoever began a line then cuts the
 * text back to where it began (line_cut), so that no half line is ever written.
 */
#ifndef COLLECTOR_LINE_H
#define COLLECTOR_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct line {
	char *text; /* not NUL-terminated */
	size_t len, room;
	bool failed;
};

/* A zeroed struct line is an empty one. */
void line_fini(struct line *line);

bool line_grow(struct line *line, size_t n);

/* Make room for n more bytes; false: there is no memory. */
static inline bool
line_reserve(struct line *line, size_t n)
{
	return __builtin_expect(line->room - line->len >= n, 1) || line_grow(line, n);
}

/* Back to the first `len` bytes. */
static inline void
line_cut(struct line *line, size_t len)
{
	line->len = len;
	line->failed = false;
}

static inline void
line_bytes(struct line *line, const void *bytes, size_t n)
{
	if (n > 0 && line_reserve(line, n)) {
		memcpy(line->text + line->len, bytes, n);
		line->len += n;
	}
}

static inline void
line_char(struct line *line, char c)
{
	if (line_reserve(line, 1))
		line->text[line->len++] = c;
}

static inline void
line_string(struct line *line, const char *s)
{
	line_bytes(line, s, strlen(s));
}

/* A string literal: its length is known. */
#define line_literal(line, s) line_bytes((line), "" s, sizeof(s) - 1)

void line_u64(struct line *line, uint64_t n);
void line_i64(struct line *line, int64_t n);

/* Exactly `digits` digits, the upper ones cut off. */
void line_digits(struct line *line, uint64_t n, unsigned digits);

/* The shortest decimal that reads back as the same double, always with a '.' or an 'e'. */
void line_double(struct line *line, double n);

/* The calendar of the last second asked for: most lines fall into the same one. */
struct line_clock {
	uint64_t second;
	char date[20]; /* 2026-11-22T15:00:01, NUL; "" at first */
	char clock[9]; /* 15:00:01 of local time, for people; "" at first */
	char unix_seconds[21];
	unsigned unix_len;
	bool valid;
};

/* "time":"2026-11-22T15:00:01.123456789Z","ts":1795359601.123456 */
void line_time(struct line *line, struct line_clock *clock, uint64_t time_ns);

/* 15:00:01.123456, local time */
void line_time_of_day(struct line *line, struct line_clock *clock, uint64_t time_ns);

#endif
