/* SPDX-License-Identifier: MIT */
#include "safe.h"

#include "escape.h"

unsigned
safe_mark(const uint8_t *s, size_t n)
{
	if (n >= 2 && s[0] == 0xd8 && s[1] == 0x9c)
		return 0x061c;
	if (n < 3 || s[0] != 0xe2)
		return 0;
	unsigned c = 0x2000u | (unsigned)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
	bool acts = c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
		     (c >= 0x2066 && c <= 0x2069);
	return acts ? c : 0;
}

void
safe_json(struct line *out, const char *json, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *s = (const uint8_t *)json;
	for (size_t i = 0; i < n; i++) {
		unsigned c = s[i] >= 0xd8 ? safe_mark(s + i, n - i) : 0;
		if (c == 0) {
			line_char(out, json[i]);
			continue;
		}
		char escaped[6] = {'\\', 'u', hex[c >> 12], hex[c >> 8 & 15], hex[c >> 4 & 15],
				   hex[c & 15]};
		line_bytes(out, escaped, sizeof escaped);
		i += SAFE_MARK_BYTES(c) - 1;
	}
}

void
safe_text(uint8_t *text, size_t n)
{
	for (size_t i = 0, step; i < n; i += step) {
		step = utf8_length(text + i, n - i);
		bool control = text[i] < 0x20 || text[i] == 0x7f ||
			       (step == 2 && text[i] == 0xc2 && text[i + 1] < 0xa0);
		if (step > 0 && !control && safe_mark(text + i, n - i) == 0)
			continue;
		step = step > 0 ? step : 1;
		memset(text + i, '?', step);
	}
}
