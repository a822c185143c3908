/* SPDX-License-Identifier: MIT */
/* Any bytes become a JSON string that jansson reads back, and nothing of them is lost. */
#include "escape.h"
#include "json_oracle.h"
#include "value_tree.h"

/* The string through escape_json() and jansson, compared with the bytes; true: percent. */
static bool
check_text(const void *bytes, size_t n)
{
	struct line out = {0};
	line_literal(&out, "{\"t\":");
	bool percent = escape_json(&out, bytes, n);
	line_string(&out, percent ? ",\"enc\":{\"t\":\"percent\"}}\n" : "}\n");
	json_t *line = oracle_parse(out.text, out.len);
	oracle_same_text(line, "t", json_object_get(line, "t"), bytes, n, "");
	json_decref(line);
	line_fini(&out);
	return percent;
}

static void
assert_escaped(const void *bytes, size_t n, const char *expected)
{
	struct line out = {0};
	escape_json_bare(&out, bytes, n);
	ck_assert_uint_eq(out.len, strlen(expected));
	NEED(out.len == 0 || memcmp(out.text, expected, out.len) == 0);
	line_fini(&out);
}

START_TEST(every_byte_at_every_place_comes_back)
{
	for (unsigned at = 0; at < 24; at++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			uint8_t text[24];
			memset(text, 'x', sizeof text);
			text[at] = (uint8_t)byte;
			NEED(check_text(text, sizeof text) == (byte == 0 || byte >= 0x80));
		}
	}
}
END_TEST

/* The quick look at eight bytes at once borrows and carries from byte to byte. */
START_TEST(any_two_neighbours_come_back)
{
	for (unsigned pair = 0; pair < 0x8000; pair++) {
		uint8_t text[10] = "abcdefghi";
		text[3] = (uint8_t)(pair & 0x7f);
		text[4] = (uint8_t)(pair >> 7);
		if (text[4] < 0x80 || pair % 7 == 0)
			check_text(text, 9);
	}
}
END_TEST

START_TEST(json_has_its_short_escapes_and_controls_are_escaped)
{
	assert_escaped("\"\\/\b\f\n\r\t", 8, "\\\"\\\\/\\b\\f\\n\\r\\t");
	assert_escaped("\x01\x1b\x1f\x7f", 4, "\\u0001\\u001B\\u001F\\u007F");
	assert_escaped("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", 8, "\\u0080\\u009B\\u009F\xc2\xa0");
	assert_escaped("\xe2\x80\xa8", 3, "\xe2\x80\xa8");
	assert_escaped("", 0, "");
}
END_TEST

START_TEST(every_code_point_passes_as_it_is)
{
	static uint8_t text[4 * 4096];
	for (uint32_t from = 0; from < 0x110000; from += 4096) {
		uint8_t *to = text;
		for (uint32_t c = from > 0 ? from : 1; c < from + 4096; c++) {
			if (c < 0x80) {
				*to++ = (uint8_t)c;
			} else if (c < 0x800) {
				*to++ = (uint8_t)(0xc0 | c >> 6);
				*to++ = (uint8_t)(0x80 | (c & 0x3f));
			} else if (c < 0x10000) {
				if (c >= 0xd800 && c < 0xe000)
					continue;
				*to++ = (uint8_t)(0xe0 | c >> 12);
				*to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
				*to++ = (uint8_t)(0x80 | (c & 0x3f));
			} else {
				*to++ = (uint8_t)(0xf0 | c >> 18);
				*to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
				*to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
				*to++ = (uint8_t)(0x80 | (c & 0x3f));
			}
		}
		NEED(!check_text(text, (size_t)(to - text)));
	}
}
END_TEST

START_TEST(text_with_bad_bytes_is_percent_encoded_and_only_that)
{
	NEED(!check_text("100%", 4));
	NEED(check_text("100%\xff", 5));
	assert_escaped("100%", 4, "100%");
	assert_escaped("100%\xff", 5, "100%25%FF");
	assert_escaped("a\0b", 3, "a%00b");
	assert_escaped("\xff\"\n", 3, "%FF\\\"\\n");
	assert_escaped("\xff\xc3\xa9", 3, "%FF\xc3\xa9");
}
END_TEST

START_TEST(a_surrogate_of_fsdecode_is_the_byte_that_it_was)
{
	assert_escaped("\xed\xb2\x80", 3, "%80");
	assert_escaped("\xed\xb3\xbf", 3, "%FF");
	assert_escaped("caf\xed\xb3\xa9", 6, "caf%E9");
	/* The others never were a byte. */
	assert_escaped("\xed\xb1\xbf", 3, "%ED%B1%BF");
	assert_escaped("\xed\xb4\x80", 3, "%ED%B4%80");
	for (unsigned c = 0xd800; c < 0xe000; c++) {
		uint8_t text[3] = {0xed, (uint8_t)(0x80 | (c >> 6 & 0x3f)),
				   (uint8_t)(0x80 | (c & 0x3f))};
		NEED(check_text(text, 3));
		ck_assert_uint_eq(utf8_surrogate(text, 3), c);
		ck_assert_uint_eq(utf8_surrogate(text, 2), 0);
		ck_assert_uint_eq(utf8_length(text, 3), 0);
	}
}
END_TEST

/* One sequence: its own length if jansson takes it, else 0. */
static void
check_sequence(const uint8_t *text, unsigned n)
{
	unsigned length = utf8_length(text, n);
	NEED_MSG((length == n) == oracle_is_utf8(text, n), "%02x %02x %02x %02x: %u", text[0],
		      text[1], n > 2 ? text[2] : 0, n > 3 ? text[3] : 0, length);
	NEED(length == 0 || length == n);
	if (length == n)
		for (unsigned less = 1; less < n; less++)
			NEED(utf8_length(text, less) == 0);
}

START_TEST(what_is_valid_is_what_jansson_says)
{
	static const uint8_t edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xaf,
					0xbf, 0xc0, 0xff};
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			uint8_t text[4] = {(uint8_t)a, (uint8_t)b};
			if (a >= 0x80 && a < 0xe0)
				check_sequence(text, 2);
			for (unsigned i = 0; a >= 0xe0 && i < sizeof edges; i++) {
				text[2] = edges[i];
				if (a < 0xf0)
					check_sequence(text, 3);
				for (unsigned k = 0; a >= 0xf0 && k < sizeof edges; k++) {
					text[3] = edges[k];
					check_sequence(text, 4);
				}
			}
		}
	}
}
END_TEST

START_TEST(long_text_comes_back_wherever_its_odd_character_stands)
{
	static const char *const odd[] = {"\xf0\x9f\x90\x8d", "\n", "\xc2\x9b", "\xff", "\xf0\x9f"};
	static char text[5000];
	for (unsigned i = 0; i < 5; i++) {
		size_t n = strlen(odd[i]);
		for (size_t at = 1000; at < 1060; at++) {
			memset(text, 'x', sizeof text);
			memcpy(text + at, odd[i], n);
			check_text(text, 1060 + n);
			check_text(text, at + n);
			memcpy(text + 4096 - 1000 + at, odd[i], n);
			NEED(check_text(text, sizeof text) == (i >= 3));
		}
	}
	/* The most that it can grow: everything escaped. */
	memset(text, 1, sizeof text);
	check_text(text, sizeof text);
	memset(text, 0, sizeof text);
	check_text(text, sizeof text);
}
END_TEST

START_TEST(random_text_comes_back)
{
	for (unsigned seed = 0; seed < 20000; seed++) {
		struct dice dice = {seed};
		size_t n;
		tree_reset();
		const uint8_t *text = tree_random_text(&dice, seed % 50 == 0 ? 4000 : 60, &n);
		check_text(text, n);
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("escape");
	tcase_add_test(tc, every_byte_at_every_place_comes_back);
	tcase_add_test(tc, any_two_neighbours_come_back);
	tcase_add_test(tc, json_has_its_short_escapes_and_controls_are_escaped);
	tcase_add_test(tc, every_code_point_passes_as_it_is);
	tcase_add_test(tc, text_with_bad_bytes_is_percent_encoded_and_only_that);
	tcase_add_test(tc, a_surrogate_of_fsdecode_is_the_byte_that_it_was);
	tcase_add_test(tc, what_is_valid_is_what_jansson_says);
	tcase_add_test(tc, long_text_comes_back_wherever_its_odd_character_stands);
	tcase_add_test(tc, random_text_comes_back);
	return suite_run("escape", tc);
}
