/* SPDX-License-Identifier: MIT */
/*
 * Values (common/value.h) as JSON. Two notes go with a line: what in it is not what it seems
 * (`enc`), and how long the truncated things were (`trunc`), both by the name of the field:
 *
 *	"enc":{"path":"percent","args.data":"bytes+percent","args.env[3]":"redacted"}
 *	"trunc":{"args.data":100000}
 *
 *	percent   text that held NUL, bad UTF-8 or lone surrogates: each such byte, and each
 *	          '%', stands as %XX; a surrogate of os.fsdecode() as the byte that it was
 *	bytes     a bytes object, shown as text
 *	int       an integer beyond +-(2^53-1), as a string of decimal digits
 *	hex       one of more than 4096 bits, as a string 0x...
 *	float     nan, inf, -inf as a string
 *	redacted  a secret was replaced by [redacted]
 *	type      an element of the top-level argv that is no text: its type as <pathlib.Path>, or
 *	          the digits of a number
 *
 * Names: args.NAME, then [i] for item i of a sequence and for the value of pair i of a dict. A
 * dict is {"_dict":[[key,value],...]} when a key is no str, is not shown as it is (see above),
 * or is one of the names with an underscore below; there [i][0] is a key.
 *
 *	{"_type":"socket.socket"}       any other object
 *	{"_type":"list","len":70000}    nested too deep or no room; also in trunc
 *	{"_type":"int","bits":900000}   too large to record
 *	{"_secret":"str","len":12}      held back; no len where the type has none
 */
#ifndef COLLECTOR_ENCODE_H
#define COLLECTOR_ENCODE_H

#include "line.h"
#include "values.h"

/* What every reader of JSON takes for exact: a double's 53 bits. */
#define JSON_SAFE_INT ((INT64_C(1) << 53) - 1)

struct encoder {
	struct line enc, trunc;     /* the notes of this line, "name":value,... */
	struct line scratch;        /* redacted text */
	bool redact;                /* look for secrets in the text of this line */
};

void encoder_fini(struct encoder *encoder);

/* Before each line. */
void encoder_begin(struct encoder *encoder, bool redact);

/* Append "enc" and "trunc", each with a comma before it, if there is anything to say. */
void encoder_notes(struct encoder *encoder, struct line *out);

/* Where in the line a value stands, for the notes; lives on the stack of the caller. */
struct where {
	const struct where *up;
	const char *name; /* "." stands before it when there is an `up`; NULL: [index] */
	size_t name_len;
	size_t index;
};

/* A number that comes from shared memory, and may be any: never above JSON_SAFE_INT. */
void encode_count(struct line *out, uint64_t n);

/* A value; returns where the next one begins. */
const uint8_t *encode_value(struct encoder *encoder, struct line *out, const uint8_t *at,
			    const struct where *where);

/* What a note says of a field; several together are joined with +. */
enum encode_flags {
	ENCODE_BYTES = 1,
	ENCODE_PERCENT = 2,
	ENCODE_INT = 4,
	ENCODE_HEX = 8,
	ENCODE_FLOAT = 16,
	ENCODE_REDACTED = 32,
	ENCODE_TYPE = 64,
	ENCODE_ELEMENT = 128, /* no note: the text is one element of a list, see redact.h */
	ENCODE_RAW = 256,     /* no note: from the kernel, not from a str; see escape_json_raw() */
};
void encode_note(struct encoder *encoder, const struct where *where, unsigned flags);
void encode_trunc(struct encoder *encoder, const struct where *where, uint64_t full);

/* Text as a JSON string with its quotes; `flags`: what is known of it already. */
void encode_text(struct encoder *encoder, struct line *out, const uint8_t *text, size_t n,
		 unsigned flags, const struct where *where);
/* A value that is a text. */
void encode_text_value(struct encoder *encoder, struct line *out, const struct value *value,
		       unsigned flags, const struct where *where);

/* A tuple, list or dict; returns where the next value begins. */
const uint8_t *encode_container(struct encoder *encoder, struct line *out,
				const struct value *value, const struct where *where);

/* The items of a sequence as an array of strings, whatever they are; for `argv`. */
void encode_strings(struct encoder *encoder, struct line *out, const struct value *sequence,
		    const struct where *where);
void encode_argv(struct encoder *encoder, struct line *out, char *const *argv,
		 const struct where *where);

#endif
