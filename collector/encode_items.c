/* SPDX-License-Identifier: MIT */
/* encode.h: what holds other values, and the lists of a command line. */
#include "encode.h"

#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "redact.h"

static void
put_redacted(struct encoder *encoder, struct line *out, const struct where *where)
{
	line_literal(out, "\"" REDACTED "\"");
	encode_note(encoder, where, ENCODE_REDACTED);
}

/* A text in a list. `hide`: the one before it was `--password`. */
static void
put_element(struct encoder *encoder, struct line *out, const struct value *value, unsigned flags,
	    bool *hide, const struct where *where)
{
	if (*hide) {
		put_redacted(encoder, out, where);
		*hide = false;
		return;
	}
	encode_text_value(encoder, out, value, flags | ENCODE_ELEMENT, where);
	*hide = encoder->redact && redact_wants_next(value->bytes, value->len);
}

/* What is no text, as a string: numbers in digits, all else by its type in angle brackets. */
static const uint8_t *
put_as_string(struct encoder *encoder, struct line *out, const uint8_t *at,
	      const struct where *where)
{
	struct value value;
	unsigned flags = ENCODE_TYPE;
	value_read(at, &value);
	line_char(out, '"');
	if (value_is_int(&value)) {
		line_i64(out, value.integer);
	} else if (value.tag == VALUE_OBJECT) {
		line_char(out, '<');
		if (escape_json_bare(out, value.bytes, value.len))
			flags |= ENCODE_PERCENT;
		line_char(out, '>');
	} else {
		line_string(out, value.tag == VALUE_NONE ? "<NoneType>" : "<object>");
	}
	line_char(out, '"');
	encode_note(encoder, where, flags);
	return value_skip(at);
}

static const uint8_t *
put_items(struct encoder *encoder, struct line *out, const uint8_t *at, uint32_t n,
	  bool as_strings, const struct where *where)
{
	bool hide = false;
	line_char(out, '[');
	for (uint32_t i = 0; i < n; i++) {
		struct where here = {.up = where, .index = i};
		struct value value;
		const uint8_t *next = value_read(at, &value);
		if (i > 0)
			line_char(out, ',');
		if (value_is_text(&value)) {
			put_element(encoder, out, &value, 0, &hide, &here);
		} else {
			next = (as_strings ? put_as_string : encode_value)(encoder, out, at, &here);
			hide = false;
		}
		at = next;
	}
	line_char(out, ']');
	return at;
}

void
encode_strings(struct encoder *encoder, struct line *out, const struct value *sequence,
	       const struct where *where)
{
	put_items(encoder, out, sequence->bytes, sequence->len, true, where);
	if (sequence->full > sequence->len)
		encode_trunc(encoder, where, sequence->full);
}

void
encode_argv(struct encoder *encoder, struct line *out, char *const *argv,
	    const struct where *where)
{
	bool hide = false;
	line_char(out, '[');
	for (size_t i = 0; argv[i] != NULL; i++) {
		struct where here = {.up = where, .index = i};
		struct value value = {.tag = VALUE_STR, .bytes = (const uint8_t *)argv[i],
				      .len = (uint32_t)strlen(argv[i])};
		if (i > 0)
			line_char(out, ',');
		put_element(encoder, out, &value, ENCODE_RAW, &hide, &here);
	}
	line_char(out, ']');
}

/* Two texts that differ could look the same if they were cut, redacted or percent-encoded. */
static bool
is_shown_as_it_is(struct encoder *encoder, const struct value *text)
{
	struct line *scratch = &encoder->scratch;
	if (text->tag == VALUE_STR_CUT ||
	    (encoder->redact && redact_text(scratch, text->bytes, text->len, false)))
		return false;
	line_cut(scratch, 0);
	return !escape_json_bare(scratch, text->bytes, text->len);
}

struct key {
	const uint8_t *bytes;
	uint32_t len;
};

static int
compare_keys(const void *a, const void *b)
{
	const struct key *one = a, *other = b;
	if (one->len != other->len)
		return one->len < other->len ? -1 : 1;
	return memcmp(one->bytes, other->bytes, one->len);
}

/* No dict has a key twice, but a hostile record may. Of keys that are all str. */
static bool
keys_differ(struct encoder *encoder, const struct value *dict)
{
	line_cut(&encoder->scratch, 0);
	if (dict->len < 2)
		return true;
	if (!line_reserve(&encoder->scratch, dict->len * sizeof(struct key)))
		return false;
	struct key *keys = (struct key *)encoder->scratch.text;
	const uint8_t *at = dict->bytes;
	for (uint32_t i = 0; i < dict->len; i++) {
		struct value key;
		at = value_skip(value_read(at, &key));
		keys[i] = (struct key){key.bytes, key.len};
	}
	qsort(keys, dict->len, sizeof *keys, compare_keys);
	for (uint32_t i = 1; i < dict->len; i++)
		if (compare_keys(&keys[i - 1], &keys[i]) == 0)
			return false;
	return true;
}

/* All keys are str, shown as they are, and none could be taken for one of our own or another. */
static bool
is_plain_dict(struct encoder *encoder, const struct value *dict)
{
	static const char *const ours[] = {"_type", "_secret", "_dict"};
	const uint8_t *at = dict->bytes;
	for (uint32_t i = 0; i < dict->len; i++) {
		struct value key;
		at = value_read(at, &key);
		if (!value_is_str(&key) || !is_shown_as_it_is(encoder, &key))
			return false;
		for (unsigned k = 0; k < sizeof ours / sizeof ours[0]; k++)
			if (key.len == strlen(ours[k]) && memcmp(key.bytes, ours[k], key.len) == 0)
				return false;
		at = value_skip(at);
	}
	return keys_differ(encoder, dict);
}

/* The value of a pair; replaced when its key is the name of a secret. */
static const uint8_t *
put_pair_value(struct encoder *encoder, struct line *out, const uint8_t *at,
	       const struct value *key, const struct where *where)
{
	struct value value;
	const uint8_t *next = value_read(at, &value);
	if (encoder->redact && value_is_text(&value) && value_is_text(key) &&
	    redact_is_name(key->bytes, key->len)) {
		put_redacted(encoder, out, where);
		return next;
	}
	return encode_value(encoder, out, at, where);
}

static const uint8_t *
put_plain_dict(struct encoder *encoder, struct line *out, const struct value *dict,
	       const struct where *where)
{
	const uint8_t *at = dict->bytes;
	line_char(out, '{');
	for (uint32_t i = 0; i < dict->len; i++) {
		struct where here = {.up = where, .index = i};
		struct value key;
		at = value_read(at, &key);
		if (i > 0)
			line_char(out, ',');
		escape_json(out, key.bytes, key.len);
		line_char(out, ':');
		at = put_pair_value(encoder, out, at, &key, &here);
	}
	line_char(out, '}');
	return at;
}

static const uint8_t *
put_pairs(struct encoder *encoder, struct line *out, const struct value *dict,
	  const struct where *where)
{
	const uint8_t *at = dict->bytes;
	line_literal(out, "{\"_dict\":[");
	for (uint32_t i = 0; i < dict->len; i++) {
		struct where here = {.up = where, .index = i};
		struct where first = {.up = &here, .index = 0}, second = {.up = &here, .index = 1};
		struct value key;
		value_read(at, &key);
		line_string(out, i > 0 ? ",[" : "[");
		at = encode_value(encoder, out, at, &first);
		line_char(out, ',');
		at = put_pair_value(encoder, out, at, &key, &second);
		line_char(out, ']');
	}
	line_literal(out, "]}");
	return at;
}

const uint8_t *
encode_container(struct encoder *encoder, struct line *out, const struct value *value,
		 const struct where *where)
{
	if (value->full > value->len)
		encode_trunc(encoder, where, value->full);
	if (value->tag != VALUE_DICT)
		return put_items(encoder, out, value->bytes, value->len, false, where);
	bool plain = is_plain_dict(encoder, value);
	return (plain ? put_plain_dict : put_pairs)(encoder, out, value, where);
}
