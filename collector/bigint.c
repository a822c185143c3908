/* SPDX-License-Identifier: MIT */
#include "bigint.h"

/* |value| of two's complement, into `to`, which has n bytes; true: it was negative. */
static bool
magnitude(uint8_t *to, const uint8_t *bytes, size_t n)
{
	bool negative = n > 0 && (bytes[n - 1] & 0x80) != 0;
	unsigned carry = 1;
	for (size_t i = 0; i < n; i++) {
		unsigned byte = negative ? (uint8_t)~bytes[i] + carry : bytes[i];
		to[i] = (uint8_t)byte;
		carry = byte >> 8;
	}
	return negative;
}

static void
put_hex(struct line *out, const uint8_t *number, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	line_literal(out, "0x");
	while (n > 1 && number[n - 1] == 0)
		n--;
	if (number[n - 1] >> 4 != 0)
		line_char(out, digits[number[n - 1] >> 4]);
	line_char(out, digits[number[n - 1] & 15]);
	for (size_t i = n - 1; i-- > 0;) {
		line_char(out, digits[number[i] >> 4]);
		line_char(out, digits[number[i] & 15]);
	}
}

#define WORDS (BIGINT_DECIMAL_BYTES / 4)
#define GROUPS (BIGINT_DECIMAL_BYTES * 8 / 29 + 1) /* of nine digits: 29.9 bits */

static void
put_decimal(struct line *out, const uint8_t *number, size_t n)
{
	uint32_t words[WORDS] = {0}, groups[GROUPS];
	size_t n_words = (n + 3) / 4, n_groups = 0;
	memcpy(words, number, n);
	do {
		uint64_t rest = 0;
		for (size_t i = n_words; i-- > 0;) {
			rest = rest << 32 | words[i];
			words[i] = (uint32_t)(rest / 1000000000u);
			rest %= 1000000000u;
		}
		groups[n_groups++] = (uint32_t)rest;
		while (n_words > 0 && words[n_words - 1] == 0)
			n_words--;
	} while (n_words > 0);
	line_u64(out, groups[--n_groups]);
	while (n_groups > 0)
		line_digits(out, groups[--n_groups], 9);
}

bool
bigint_put(struct line *out, const uint8_t *bytes, size_t n)
{
	if (n == 0) {
		line_char(out, '0');
		return false;
	}
	/* Its magnitude needs no more bytes than it has. */
	struct line number = {0};
	if (!line_reserve(&number, n)) {
		out->failed = true;
		return false;
	}
	bool hex = n > BIGINT_DECIMAL_BYTES;
	if (magnitude((uint8_t *)number.text, bytes, n))
		line_char(out, '-');
	if (hex)
		put_hex(out, (uint8_t *)number.text, n);
	else
		put_decimal(out, (uint8_t *)number.text, n);
	line_fini(&number);
	return hex;
}
