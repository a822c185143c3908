/* SPDX-License-Identifier: MIT */
#include "escape.h"

static const char hex[] = "0123456789ABCDEF";

unsigned
utf8_length(const uint8_t *s, size_t n)
{
	uint8_t a = s[0];
	if (a < 0x80)
		return 1;
	if (a < 0xc2 || a > 0xf4 || n < 2 || (s[1] & 0xc0) != 0x80)
		return 0;
	if (a < 0xe0)
		return 2;
	if (n < 3 || (s[2] & 0xc0) != 0x80)
		return 0;
	if (a < 0xf0) {
		if ((a == 0xe0 && s[1] < 0xa0) || (a == 0xed && s[1] > 0x9f))
			return 0; /* overlong, surrogate */
		return 3;
	}
	if (n < 4 || (s[3] & 0xc0) != 0x80 || (a == 0xf0 && s[1] < 0x90) ||
	    (a == 0xf4 && s[1] > 0x8f))
		return 0;
	return 4;
}

unsigned
utf8_surrogate(const uint8_t *s, size_t n)
{
	if (n < 3 || s[0] != 0xed || s[1] < 0xa0 || s[1] > 0xbf || (s[2] & 0xc0) != 0x80)
		return 0;
	return 0xd000u | (unsigned)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
}

/* Eight bytes that need no second look: 0x20..0x7e but for " and \. */
static inline bool
all_plain(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
	/* A borrow or carry can only come out of a byte that is itself marked. */
	uint64_t marked = (x - ones * 0x20) | (quote - ones) | (slash - ones) | (x + ones) | x;
	return (marked & tops) == 0;
}

/* A C0 or C1 control, DEL, " or \, at `to`; returns past it. */
static char *
put_control(char *to, unsigned c)
{
	static const char letters[32] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
	};
	*to++ = '\\';
	if (c == '"' || c == '\\') {
		*to++ = (char)c;
	} else if (c < 32 && letters[c] != 0) {
		*to++ = letters[c];
	} else {
		memcpy(to, "u00", 3);
		to[3] = hex[c >> 4];
		to[4] = hex[c & 15];
		to += 5;
	}
	return to;
}

/* One character of valid text; NULL when it needs percent-encoding. */
static inline char *
put_valid(char *to, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *s = *at;
	uint8_t c = *s;
	if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
		*at = s + 1;
		*to = (char)c;
		return to + 1;
	}
	if (c == 0)
		return NULL;
	if (c < 0x80) {
		*at = s + 1;
		return put_control(to, c);
	}
	unsigned length = utf8_length(s, (size_t)(end - s));
	if (length == 0)
		return NULL;
	*at = s + length;
	if (c == 0xc2 && s[1] < 0xa0)
		return put_control(to, s[1]);
	memcpy(to, s, length);
	return to + length;
}

static char *
put_percent(char *to, uint8_t byte)
{
	to[0] = '%';
	to[1] = hex[byte >> 4];
	to[2] = hex[byte & 15];
	return to + 3;
}

/* The whole text again, in the other form. Room for it was made: a byte takes 6 at most. */
static char *
put_all_percent(char *to, const uint8_t *s, const uint8_t *end, bool raw)
{
	while (s < end) {
		unsigned surrogate = raw ? 0 : utf8_surrogate(s, (size_t)(end - s));
		if (surrogate >= 0xdc80 && surrogate <= 0xdcff) {
			/* os.fsdecode(): this is what the byte became. */
			to = put_percent(to, (uint8_t)(surrogate & 0xff));
			s += 3;
			continue;
		}
		char *next = *s == '%' ? NULL : put_valid(to, &s, end);
		to = next != NULL ? next : put_percent(to, *s++);
	}
	return to;
}

/* Bytes at a time for which room is made: a byte takes 6 at most. */
#define STEP 1024

static bool
escape(struct line *out, const uint8_t *text, size_t n, bool raw)
{
	const uint8_t *s = text, *end = text + n;
	size_t begin = out->len;
	while (s < end) {
		size_t step = (size_t)(end - s) < STEP ? (size_t)(end - s) : STEP;
		const uint8_t *stop = s + step;
		if (!line_reserve(out, 6 * step + 32))
			return false;
		char *to = out->text + out->len;
		while (s < stop) {
			uint64_t chunk;
			while (end - s >= 8 && (memcpy(&chunk, s, 8), all_plain(chunk)) &&
			       s < stop) {
				memcpy(to, &chunk, 8);
				to += 8;
				s += 8;
			}
			if (s >= stop)
				break;
			char *next = put_valid(to, &s, end);
			if (next == NULL)
				goto percent;
			to = next;
		}
		out->len = (size_t)(to - out->text);
	}
	return false;
percent:
	out->len = begin;
	if (line_reserve(out, 6 * n)) {
		char *to = put_all_percent(out->text + begin, text, end, raw);
		out->len = (size_t)(to - out->text);
	}
	return true;
}

bool
escape_json_bare(struct line *out, const uint8_t *text, size_t n)
{
	return escape(out, text, n, false);
}

bool
escape_json(struct line *out, const uint8_t *text, size_t n)
{
	line_char(out, '"');
	bool percent = escape(out, text, n, false);
	line_char(out, '"');
	return percent;
}

bool
escape_json_raw(struct line *out, const uint8_t *bytes, size_t n)
{
	line_char(out, '"');
	bool percent = escape(out, bytes, n, true);
	line_char(out, '"');
	return percent;
}
