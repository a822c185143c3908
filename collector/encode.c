/* SPDX-License-Identifier: MIT */
#include "encode.h"

#include <math.h>

#include "bigint.h"
#include "escape.h"
#include "redact.h"

void
encoder_fini(struct encoder *encoder)
{
	line_fini(&encoder->enc);
	line_fini(&encoder->trunc);
	line_fini(&encoder->scratch);
}

void
encoder_begin(struct encoder *encoder, bool redact)
{
	line_cut(&encoder->enc, 0);
	line_cut(&encoder->trunc, 0);
	encoder->redact = redact;
}

static void
put_notes(struct line *out, const struct line *notes)
{
	line_bytes(out, notes->text, notes->len);
	line_char(out, '}');
	out->failed |= notes->failed;
}

void
encoder_notes(struct encoder *encoder, struct line *out)
{
	if (encoder->enc.len > 0) {
		line_literal(out, ",\"enc\":{");
		put_notes(out, &encoder->enc);
	}
	if (encoder->trunc.len > 0) {
		line_literal(out, ",\"trunc\":{");
		put_notes(out, &encoder->trunc);
	}
}

static void
put_where(struct line *out, const struct where *where)
{
	if (where->up != NULL)
		put_where(out, where->up);
	if (where->name == NULL) {
		line_char(out, '[');
		line_u64(out, where->index);
		line_char(out, ']');
		return;
	}
	if (where->up != NULL)
		line_char(out, '.');
	escape_json_bare(out, (const uint8_t *)where->name, where->name_len);
}

void
encode_count(struct line *out, uint64_t n)
{
	line_u64(out, n < JSON_SAFE_INT ? n : JSON_SAFE_INT);
}

static void
begin_note(struct line *notes, const struct where *where)
{
	if (notes->len > 0)
		line_char(notes, ',');
	line_char(notes, '"');
	put_where(notes, where);
	line_literal(notes, "\":");
}

void
encode_note(struct encoder *encoder, const struct where *where, unsigned flags)
{
	static const char *const names[] = {"bytes", "percent", "int", "hex", "float",
					 "redacted", "type"};
	struct line *enc = &encoder->enc;
	begin_note(enc, where);
	char between = '"';
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if ((flags & 1u << i) == 0)
			continue;
		line_char(enc, between);
		line_string(enc, names[i]);
		between = '+';
	}
	line_char(enc, '"');
}

void
encode_trunc(struct encoder *encoder, const struct where *where, uint64_t full)
{
	begin_note(&encoder->trunc, where);
	encode_count(&encoder->trunc, full);
}

void
encode_text(struct encoder *encoder, struct line *out, const uint8_t *text, size_t n,
	    unsigned flags, const struct where *where)
{
	bool element = (flags & ENCODE_ELEMENT) != 0;
	bool raw = (flags & (ENCODE_BYTES | ENCODE_RAW)) != 0;
	flags &= ~(unsigned)(ENCODE_ELEMENT | ENCODE_RAW);
	if (encoder->redact && redact_text(&encoder->scratch, text, n, element)) {
		out->failed |= encoder->scratch.failed;
		text = (const uint8_t *)encoder->scratch.text;
		n = encoder->scratch.len;
		flags |= ENCODE_REDACTED;
	}
	if (raw ? escape_json_raw(out, text, n) : escape_json(out, text, n))
		flags |= ENCODE_PERCENT;
	if (__builtin_expect(flags != 0, 0))
		encode_note(encoder, where, flags);
}

void
encode_text_value(struct encoder *encoder, struct line *out, const struct value *value,
		  unsigned flags, const struct where *where)
{
	encode_text(encoder, out, value->bytes, value->len,
		    flags | (value_is_bytes(value) ? ENCODE_BYTES : 0), where);
	if (value->tag == VALUE_STR_CUT || value->tag == VALUE_BYTES_CUT)
		encode_trunc(encoder, where, value->full);
}

static void
put_int(struct encoder *encoder, struct line *out, int64_t n, const struct where *where)
{
	if (n >= -JSON_SAFE_INT && n <= JSON_SAFE_INT) {
		line_i64(out, n);
		return;
	}
	line_char(out, '"');
	line_i64(out, n);
	line_char(out, '"');
	encode_note(encoder, where, ENCODE_INT);
}

static void
put_bigint(struct encoder *encoder, struct line *out, const struct value *value,
	   const struct where *where)
{
	line_char(out, '"');
	bool hex = bigint_put(out, value->bytes, value->len);
	line_char(out, '"');
	encode_note(encoder, where, hex ? ENCODE_HEX : ENCODE_INT);
}

static void
put_float(struct encoder *encoder, struct line *out, double n, const struct where *where)
{
	if (isfinite(n)) {
		line_double(out, n);
		return;
	}
	line_string(out, isnan(n) ? "\"nan\"" : n > 0 ? "\"inf\"" : "\"-inf\"");
	encode_note(encoder, where, ENCODE_FLOAT);
}

/* {"_type":"list","len":3} and {"_secret":"str","len":3} */
static void
put_kind(struct line *out, const char *key, unsigned kind, uint64_t full)
{
	line_literal(out, "{\"");
	line_string(out, key);
	line_literal(out, "\":\"");
	line_string(out, value_kind_name(kind));
	line_char(out, '"');
	if (value_kind_has_len(kind)) {
		line_literal(out, ",\"len\":");
		encode_count(out, full);
	}
	line_char(out, '}');
}

static void
put_object(struct encoder *encoder, struct line *out, const struct value *value,
	   const struct where *where)
{
	line_literal(out, "{\"_type\":");
	if (escape_json(out, value->bytes, value->len))
		encode_note(encoder, where, ENCODE_PERCENT);
	line_char(out, '}');
}

const uint8_t *
encode_value(struct encoder *encoder, struct line *out, const uint8_t *at,
	     const struct where *where)
{
	struct value value;
	const uint8_t *next = value_read(at, &value);
	switch ((enum value_tag)value.tag) {
	case VALUE_NONE:
		line_literal(out, "null");
		break;
	case VALUE_FALSE:
		line_literal(out, "false");
		break;
	case VALUE_TRUE:
		line_literal(out, "true");
		break;
	case VALUE_INT8:
	case VALUE_INT16:
	case VALUE_INT32:
	case VALUE_INT64:
		put_int(encoder, out, value.integer, where);
		break;
	case VALUE_BIGINT:
		put_bigint(encoder, out, &value, where);
		break;
	case VALUE_HUGEINT:
		line_literal(out, "{\"_type\":\"int\",\"bits\":");
		encode_count(out, value.full);
		line_char(out, '}');
		break;
	case VALUE_FLOAT:
		put_float(encoder, out, value.number, where);
		break;
	case VALUE_STR8:
	case VALUE_STR:
	case VALUE_STR_CUT:
	case VALUE_BYTES8:
	case VALUE_BYTES:
	case VALUE_BYTES_CUT:
		encode_text_value(encoder, out, &value, 0, where);
		break;
	case VALUE_TUPLE:
	case VALUE_LIST:
	case VALUE_DICT:
		return encode_container(encoder, out, &value, where);
	case VALUE_SHAPE:
		put_kind(out, "_type", value.kind, value.full);
		if (value_kind_has_len(value.kind))
			encode_trunc(encoder, where, value.full);
		break;
	case VALUE_SECRET:
		put_kind(out, "_secret", value.kind, value.full);
		break;
	case VALUE_OBJECT:
		put_object(encoder, out, &value, where);
		break;
	case VALUE_ELLIPSIS:
		line_literal(out, "{\"_type\":\"ellipsis\"}");
		break;
	}
	return next;
}
