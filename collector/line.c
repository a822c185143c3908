/* SPDX-License-Identifier: MIT */
#include "line.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void
line_fini(struct line *line)
{
	free(line->text);
	*line = (struct line){0};
}

bool
line_grow(struct line *line, size_t n)
{
	size_t room = line->room > 0 ? line->room : 256;
	while (room - line->len < n) {
		if (room > SIZE_MAX / 4) {
			line->failed = true;
			return false;
		}
		room *= 2;
	}
	char *text = realloc(line->text, room);
	if (text == NULL) {
		line->failed = true;
		return false;
	}
	line->text = text;
	line->room = room;
	return true;
}

static const char pairs[201] = "00010203040506070809101112131415161718192021222324"
			       "25262728293031323334353637383940414243444546474849"
			       "50515253545556575859606162636465666768697071727374"
			       "75767778798081828384858687888990919293949596979899";

/* Two digits at a time, from the end; `to` is past the last one. */
static char *
digits_before(char *to, uint64_t n)
{
	while (n >= 100) {
		to -= 2;
		memcpy(to, pairs + 2 * (n % 100), 2);
		n /= 100;
	}
	if (n >= 10) {
		to -= 2;
		memcpy(to, pairs + 2 * n, 2);
	} else {
		*--to = (char)('0' + n);
	}
	return to;
}

void
line_u64(struct line *line, uint64_t n)
{
	if (n < 10) {
		line_char(line, (char)('0' + n));
		return;
	}
	char digits[20], *end = digits + sizeof digits;
	char *begin = digits_before(end, n);
	line_bytes(line, begin, (size_t)(end - begin));
}

void
line_i64(struct line *line, int64_t n)
{
	if (n < 0) {
		line_char(line, '-');
		line_u64(line, 0 - (uint64_t)n);
	} else {
		line_u64(line, (uint64_t)n);
	}
}

/* Exactly n_digits of n at `to`. */
static void
digits_fixed(char *to, uint64_t n, unsigned n_digits)
{
	char *end = to + n_digits;
	while (end - to >= 2) {
		end -= 2;
		memcpy(end, pairs + 2 * (n % 100), 2);
		n /= 100;
	}
	if (end > to)
		*to = (char)('0' + n % 10);
}

void
line_digits(struct line *line, uint64_t n, unsigned n_digits)
{
	if (!line_reserve(line, n_digits))
		return;
	digits_fixed(line->text + line->len, n, n_digits);
	line->len += n_digits;
}

void
line_double(struct line *line, double n)
{
	char text[40];
	/* Only subnormal numbers have fewer digits than 15 that are sure to be kept. */
	for (int precision = fabs(n) < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
		snprintf(text, sizeof text - 2, "%.*g", precision, n);
		if (strtod(text, NULL) == n)
			break;
	}
	/* A locale may write 1,5. */
	char *comma = strchr(text, ',');
	if (comma != NULL)
		*comma = '.';
	if (isfinite(n) && strpbrk(text, ".e") == NULL)
		strcat(text, ".0");
	line_string(line, text);
}

static void
clock_turn(struct line_clock *clock, uint64_t second)
{
	struct tm utc = {0}, local = {0};
	time_t t = (time_t)second;
	/* Beyond the calendar's reach a hostile time shows as a fixed one. */
	if (second > 253402300799u)
		t = 253402300799;
	gmtime_r(&t, &utc);
	localtime_r(&t, &local);
	digits_fixed(clock->date, (uint64_t)utc.tm_year + 1900, 4);
	digits_fixed(clock->date + 5, (uint64_t)utc.tm_mon + 1, 2);
	digits_fixed(clock->date + 8, (uint64_t)utc.tm_mday, 2);
	digits_fixed(clock->date + 11, (uint64_t)utc.tm_hour, 2);
	digits_fixed(clock->date + 14, (uint64_t)utc.tm_min, 2);
	digits_fixed(clock->date + 17, (uint64_t)utc.tm_sec, 2);
	clock->date[4] = clock->date[7] = '-';
	clock->date[10] = 'T';
	clock->date[13] = clock->date[16] = ':';
	digits_fixed(clock->clock, (uint64_t)local.tm_hour, 2);
	digits_fixed(clock->clock + 3, (uint64_t)local.tm_min, 2);
	digits_fixed(clock->clock + 6, (uint64_t)local.tm_sec, 2);
	clock->clock[2] = clock->clock[5] = ':';
	char *end = clock->unix_seconds + sizeof clock->unix_seconds;
	char *begin = digits_before(end, (uint64_t)t);
	clock->unix_len = (unsigned)(end - begin);
	memmove(clock->unix_seconds, begin, clock->unix_len);
	clock->second = second;
	clock->valid = true;
}

void
line_time(struct line *line, struct line_clock *clock, uint64_t time_ns)
{
	uint64_t second = time_ns / 1000000000u;
	uint32_t ns = (uint32_t)(time_ns % 1000000000u);
	if (__builtin_expect(!clock->valid || clock->second != second, 0))
		clock_turn(clock, second);
	if (!line_reserve(line, 80))
		return;
	char *begin = line->text + line->len, *to = begin;
	memcpy(to, "\"time\":\"", 8);
	memcpy(to + 8, clock->date, 19);
	to[27] = '.';
	digits_fixed(to + 28, ns, 9);
	memcpy(to + 37, "Z\",\"ts\":", 8);
	memcpy(to + 45, clock->unix_seconds, 20);
	to += 45 + clock->unix_len;
	*to++ = '.';
	memcpy(to, begin + 28, 6); /* the first six of the nine digits */
	to += 6;
	line->len = (size_t)(to - line->text);
}

void
line_time_of_day(struct line *line, struct line_clock *clock, uint64_t time_ns)
{
	uint64_t second = time_ns / 1000000000u;
	if (!clock->valid || clock->second != second)
		clock_turn(clock, second);
	line_bytes(line, clock->clock, 8);
	line_char(line, '.');
	line_digits(line, time_ns % 1000000000u / 1000u, 6);
}
