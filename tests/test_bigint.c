/* SPDX-License-Identifier: MIT */
/* Integers beyond machine words are exact, to the last digit. */
#include "bigint.h"
#include "value_tree.h"

static void
assert_digits(const uint8_t *bytes, size_t n, const char *expected)
{
	struct line out = {0};
	ck_assert(bigint_put(&out, bytes, n) == (n > BIGINT_DECIMAL_BYTES));
	line_char(&out, '\0');
	ck_assert_str_eq(out.text, expected);
	line_fini(&out);
}

/* Digits multiplied back into bytes are the bytes. */
static void
assert_comes_back(const uint8_t *bytes, size_t n)
{
	struct line out = {0};
	bool hex = bigint_put(&out, bytes, n);
	ck_assert(hex == (n > BIGINT_DECIMAL_BYTES));
	line_char(&out, '\0');
	tree_same_digits(out.text, hex, bytes, n);
	line_fini(&out);
}

START_TEST(powers_of_two_are_exact)
{
	uint8_t bytes[26] = {0};
	bytes[7] = 0x80; /* 2**63 needs a ninth byte */
	assert_digits(bytes, 9, "9223372036854775808");
	assert_digits(bytes, 8, "-9223372036854775808");
	bytes[7] = 0;
	bytes[8] = 1;
	assert_digits(bytes, 9, "18446744073709551616");
	bytes[8] = 0;
	bytes[25] = 1;
	assert_digits(bytes, 26, "1606938044258990275541962092341162602522202993782792835301376");
	memset(bytes, 0, 26);
	bytes[25] = 0xff; /* -2**200 */
	assert_digits(bytes, 26, "-1606938044258990275541962092341162602522202993782792835301376");
}
END_TEST

START_TEST(small_and_padded_integers_have_no_zeroes_before_them)
{
	assert_digits((const uint8_t *)"", 0, "0");
	assert_digits((const uint8_t *)"\0\0\0\0\0", 5, "0");
	assert_digits((const uint8_t *)"\x05\0\0\0\0\0\0\0\0\0", 10, "5");
	assert_digits((const uint8_t *)"\xff", 1, "-1");
	assert_digits((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9, "-1");
	assert_digits((const uint8_t *)"\x80", 1, "-128");
	/* Groups of nine digits, the lower ones all zeroes. */
	assert_digits((const uint8_t *)"\x00\x00\x64\xa7\xb3\xb6\xe0\x0d\x00", 9,
		      "1000000000000000000");
}
END_TEST

START_TEST(what_is_longer_than_4096_bits_is_hexadecimal)
{
	static uint8_t bytes[65535];
	memset(bytes, 0, sizeof bytes);
	bytes[0] = 0x2a;
	assert_digits(bytes, 513, "0x2a");
	assert_comes_back(bytes, 512);
	memset(bytes, 0xff, 514);
	bytes[0] = 0xd6;
	assert_digits(bytes, 513, "-0x2a");
	memset(bytes, 0x5a, sizeof bytes);
	assert_comes_back(bytes, 512);
	assert_comes_back(bytes, 513);
	bytes[511] = 0x80;
	assert_comes_back(bytes, 512);
	bytes[512] = 0x80;
	assert_comes_back(bytes, 513);
	memset(bytes, 0, sizeof bytes);
	bytes[512] = 0x80; /* the smallest there is: its magnitude has as many bits */
	assert_comes_back(bytes, 513);
	struct line out = {0};
	memset(bytes, 0xa1, sizeof bytes);
	ck_assert(bigint_put(&out, bytes, sizeof bytes));
	ck_assert_uint_eq(out.len, 1 + 2 + 2 * sizeof bytes);
	line_fini(&out);
}
END_TEST

START_TEST(random_integers_of_every_length_come_back)
{
	uint8_t bytes[520];
	struct dice dice = {1};
	for (size_t n = 0; n <= sizeof bytes; n += n < 40 ? 1 : 480 / rounds(480)) {
		for (unsigned round = 0; round < (n < 40 ? 50 : 2); round++) {
			for (size_t i = 0; i < n; i++)
				bytes[i] = (uint8_t)dice_u64(&dice);
			/* Long runs of zeroes and ones, where carries go far. */
			if (n > 2 && round % 2)
				memset(bytes, round % 4 == 1 ? 0 : 0xff,
				       dice_below(&dice, (unsigned)n));
			assert_comes_back(bytes, n);
		}
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("bigint");
	tcase_add_test(tc, powers_of_two_are_exact);
	tcase_add_test(tc, small_and_padded_integers_have_no_zeroes_before_them);
	tcase_add_test(tc, what_is_longer_than_4096_bits_is_hexadecimal);
	tcase_add_test(tc, random_integers_of_every_length_come_back);
	return suite_run("bigint", tc);
}
