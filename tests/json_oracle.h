/* SPDX-License-Identifier: MIT */
/* Lines of JSON and of text as jansson sees them: it decides what is valid, not our own code. */
#ifndef TESTS_JSON_ORACLE_H
#define TESTS_JSON_ORACLE_H

#include <check.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "suite.h"

/* jansson's own look at UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF. */
static inline bool
oracle_is_utf8(const uint8_t *text, size_t n)
{
	json_t *string = json_stringn((const char *)text, n);
	json_decref(string);
	return string != NULL;
}

/* Text with a NUL or of bad UTF-8 cannot be shown as it is. */
static inline bool
oracle_is_showable(const uint8_t *text, size_t n)
{
	return memchr(text, 0, n) == NULL && oracle_is_utf8(text, n);
}

static inline bool
turns_direction(unsigned c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/*
 * Whole lines that do nothing to a terminal: valid UTF-8 without C0 but for the newlines, DEL
 * and C1, and if `bidi`, without what turns the direction of text.
 */
static inline void
oracle_harmless(const char *text, size_t n, bool bidi)
{
	const uint8_t *s = (const uint8_t *)text;
	NEED(oracle_is_utf8(s, n));
	NEED(n == 0 || text[n - 1] == '\n');
	for (size_t i = 0; i < n; i++) {
		NEED_MSG(s[i] >= 0x20 || s[i] == '\n', "byte %02x at %zu", s[i], i);
		NEED_MSG(s[i] != 0x7f, "DEL at %zu", i);
		NEED_MSG(s[i] != 0xc2 || s[i + 1] >= 0xa0, "C1 %02x at %zu", s[i + 1], i);
		unsigned c = s[i] >= 0xc0 && s[i] < 0xe0
				     ? (s[i] & 0x1fu) << 6 | (s[i + 1] & 0x3fu)
			     : s[i] >= 0xe0 && s[i] < 0xf0
				     ? (s[i] & 0xfu) << 12 | (s[i + 1] & 0x3fu) << 6 |
					       (s[i + 2] & 0x3fu)
				     : 0;
		NEED_MSG(!bidi || !turns_direction(c), "U+%04X at %zu", c, i);
	}
}

/* One line, one object, no name twice. The caller drops the reference. */
static inline json_t *
oracle_parse(const char *text, size_t n)
{
	json_error_t error;
	oracle_harmless(text, n, false);
	NEED(n > 0 && memchr(text, '\n', n) == text + n - 1);
	json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	NEED_MSG(line != NULL, "%s at %d of %.*s", error.text, error.position,
		      n < 2000 ? (int)n : 2000, text);
	NEED(json_is_object(line));
	return line;
}

/* Use up the note (`enc`, `trunc`) of a field: it is copied or NULL. The caller drops it. */
static inline json_t *
oracle_take_note(json_t *line, const char *notes, const char *field)
{
	json_t *note = json_incref(json_object_get(json_object_get(line, notes), field));
	if (note != NULL)
		json_object_del(json_object_get(line, notes), field);
	return note;
}

/* The field has this note, "" for none; used up. */
static inline void
oracle_enc(json_t *line, const char *field, const char *expected)
{
	json_t *note = oracle_take_note(line, "enc", field);
	const char *text = note != NULL ? json_string_value(note) : "";
	NEED_MSG(strcmp(text, expected) == 0, "enc of %s is '%s', not '%s'", field, text,
		      expected);
	json_decref(note);
}

static inline void
oracle_trunc(json_t *line, const char *field, json_int_t expected)
{
	json_t *note = oracle_take_note(line, "trunc", field);
	NEED_MSG(note != NULL, "%s has no trunc", field);
	NEED(json_integer_value(note) == expected);
	json_decref(note);
}

/* Every note was used up: none speaks of what is not there. */
static inline void
oracle_no_more_notes(const json_t *line)
{
	static const char *const notes[] = {"enc", "trunc"};
	for (unsigned i = 0; i < 2; i++) {
		const char *field;
		json_t *value, *object = json_object_get(line, notes[i]);
		json_object_foreach(object, field, value)
			ck_abort_msg("%s of %s, which is not there", notes[i], field);
	}
}

static inline int
hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

/* The percent form back to bytes, in place; returns how many. */
static inline size_t
oracle_unpercent(uint8_t *text, size_t n)
{
	size_t to = 0;
	for (size_t i = 0; i < n; to++) {
		if (text[i] != '%') {
			text[to] = text[i++];
			continue;
		}
		NEED(i + 3 <= n);
		int high = hex_digit((char)text[i + 1]), low = hex_digit((char)text[i + 2]);
		NEED(high >= 0 && low >= 0);
		text[to] = (uint8_t)(high << 4 | low);
		/* Nothing else needs it. */
		NEED(text[to] == '%' || text[to] == 0 || text[to] >= 0x80);
		i += 3;
	}
	return to;
}

/* In a str: surrogates of os.fsdecode() become the bytes they were; in place. */
static inline size_t
oracle_fsencode(uint8_t *text, size_t n)
{
	size_t to = 0;
	for (size_t i = 0; i < n; to++) {
		bool was_byte = n - i >= 3 && text[i] == 0xed &&
				((text[i + 1] == 0xb2) || (text[i + 1] == 0xb3)) &&
				(text[i + 2] & 0xc0) == 0x80;
		text[to] = was_byte ? (uint8_t)(text[i + 1] << 6 | (text[i + 2] & 0x3f)) : text[i];
		i += was_byte ? 3 : 1;
	}
	return to;
}

/* A JSON string that stands for these bytes; `type` is "bytes", or "" for a str. */
static inline void
oracle_same_text(json_t *line, const char *field, const json_t *shown, const uint8_t *bytes,
		 size_t n, const char *type)
{
	bool percent = !oracle_is_showable(bytes, n), raw = type[0] != '\0';
	char note[40];
	NEED_MSG(json_is_string(shown), "%s is no string", field);
	snprintf(note, sizeof note, "%s%s%s", type, percent && raw ? "+" : "",
		 percent ? "percent" : "");
	oracle_enc(line, field, note);
	size_t have = json_string_length(shown);
	uint8_t *back = malloc(have + 1), *was = malloc(n + 1);
	memcpy(back, json_string_value(shown), have);
	memcpy(was, bytes, n);
	if (percent) {
		have = oracle_unpercent(back, have);
		n = raw ? n : oracle_fsencode(was, n);
	}
	NEED_MSG(have == n && memcmp(back, was, n) == 0, "%s is not what it was: %.200s",
		      field, json_string_value(shown));
	free(back);
	free(was);
}

#endif
