/* SPDX-License-Identifier: MIT */
#include "values.h"

#include <string.h>

/* What follows a tag: fields of fixed size, then `len` bytes or items. */
enum form {
	FORM_BAD,
	FORM_FIXED, /* head bytes and no more */
	FORM_LEN8,  /* u8 len, len bytes */
	FORM_LEN16,
	FORM_LEN32,
	FORM_CUT,   /* u32 len, u64 full, len bytes */
	FORM_ITEMS, /* u32 n, u64 full, n items */
	FORM_PAIRS,
	FORM_FULL,  /* u8 kind, u64 full */
};

static const struct {
	uint8_t form;  /* enum form */
	uint8_t bytes; /* of the fixed fields, behind the tag */
} forms[] = {
	[VALUE_NONE] = {FORM_FIXED, 0},    [VALUE_FALSE] = {FORM_FIXED, 0},
	[VALUE_TRUE] = {FORM_FIXED, 0},    [VALUE_INT8] = {FORM_FIXED, 1},
	[VALUE_INT16] = {FORM_FIXED, 2},   [VALUE_INT32] = {FORM_FIXED, 4},
	[VALUE_INT64] = {FORM_FIXED, 8},   [VALUE_BIGINT] = {FORM_LEN16, 2},
	[VALUE_HUGEINT] = {FORM_FIXED, 8}, [VALUE_FLOAT] = {FORM_FIXED, 8},
	[VALUE_STR8] = {FORM_LEN8, 1},     [VALUE_STR] = {FORM_LEN32, 4},
	[VALUE_STR_CUT] = {FORM_CUT, 12},  [VALUE_BYTES8] = {FORM_LEN8, 1},
	[VALUE_BYTES] = {FORM_LEN32, 4},   [VALUE_BYTES_CUT] = {FORM_CUT, 12},
	[VALUE_TUPLE] = {FORM_ITEMS, 12},  [VALUE_LIST] = {FORM_ITEMS, 12},
	[VALUE_DICT] = {FORM_PAIRS, 12},   [VALUE_SHAPE] = {FORM_FULL, 9},
	[VALUE_SECRET] = {FORM_FULL, 9},   [VALUE_OBJECT] = {FORM_LEN8, 1},
	[VALUE_ELLIPSIS] = {FORM_FIXED, 0},
};

static inline uint64_t
read_u64(const uint8_t *at)
{
	uint64_t n;
	memcpy(&n, at, sizeof n);
	return n;
}

static inline int64_t
read_int(const uint8_t *at, enum value_tag tag)
{
	int16_t n16;
	int32_t n32;
	switch (tag) {
	case VALUE_INT8:
		return (int8_t)*at;
	case VALUE_INT16:
		memcpy(&n16, at, sizeof n16);
		return n16;
	case VALUE_INT32:
		memcpy(&n32, at, sizeof n32);
		return n32;
	default:
		return (int64_t)read_u64(at);
	}
}

static inline uint32_t
read_len(const uint8_t *at, enum form form)
{
	uint16_t n16;
	uint32_t n;
	switch (form) {
	case FORM_LEN8:
		return *at;
	case FORM_LEN16:
		memcpy(&n16, at, sizeof n16);
		return n16;
	case FORM_LEN32:
	case FORM_CUT:
	case FORM_ITEMS:
	case FORM_PAIRS:
		memcpy(&n, at, sizeof n);
		return n;
	default:
		return 0;
	}
}

static const uint8_t *
check_items(const uint8_t *at, const uint8_t *end, uint64_t n, unsigned depth)
{
	/* Each item takes a byte at least: n is bounded by what is there. */
	if (n > (uint64_t)(end - at))
		return NULL;
	for (; n > 0; n--) {
		if (at == end)
			return NULL;
		uint8_t tag = *at++;
		if (tag >= sizeof forms / sizeof forms[0] || forms[tag].form == FORM_BAD ||
		    forms[tag].bytes > end - at)
			return NULL;
		enum form form = forms[tag].form;
		uint32_t len = read_len(at, form);
		at += forms[tag].bytes;
		if (form == FORM_ITEMS || form == FORM_PAIRS) {
			if (depth == 0)
				return NULL;
			at = check_items(at, end, form == FORM_PAIRS ? 2 * (uint64_t)len : len,
					 depth - 1);
			if (at == NULL)
				return NULL;
		} else {
			if (len > (uint64_t)(end - at))
				return NULL;
			at += len;
		}
	}
	return at;
}

const uint8_t *
values_check(const uint8_t *at, const uint8_t *end, unsigned n)
{
	return check_items(at, end, n, VALUES_MAX_DEPTH);
}

const uint8_t *
value_read(const uint8_t *at, struct value *value)
{
	uint8_t tag = *at++;
	enum form form = forms[tag].form;
	value->tag = tag;
	value->len = read_len(at, form);
	value->full = value->len;
	const uint8_t *head = at;
	at += forms[tag].bytes;
	value->bytes = at;
	switch (form) {
	case FORM_FIXED:
		if (tag >= VALUE_INT8 && tag <= VALUE_INT64)
			value->integer = read_int(head, tag);
		else if (tag == VALUE_FLOAT)
			memcpy(&value->number, head, sizeof value->number);
		else if (tag == VALUE_HUGEINT)
			value->full = read_u64(head);
		return at;
	case FORM_CUT:
		value->full = read_u64(head + 4);
		return at + value->len;
	case FORM_ITEMS:
	case FORM_PAIRS:
		value->full = read_u64(head + 4);
		return at;
	case FORM_FULL:
		value->kind = head[0];
		value->full = read_u64(head + 1);
		return at;
	default:
		return at + value->len;
	}
}

const uint8_t *
value_skip(const uint8_t *at)
{
	struct value value;
	/* Items still to pass; flat, for the nesting does not matter here. */
	for (uint64_t n = 1; n > 0; n--) {
		at = value_read(at, &value);
		if (forms[value.tag].form == FORM_ITEMS)
			n += value.len;
		else if (forms[value.tag].form == FORM_PAIRS)
			n += 2 * (uint64_t)value.len;
	}
	return at;
}

const char *
value_kind_name(unsigned kind)
{
	static const char *const names[] = {
		[KIND_OTHER] = "object", [KIND_STR] = "str",   [KIND_BYTES] = "bytes",
		[KIND_TUPLE] = "tuple",  [KIND_LIST] = "list", [KIND_DICT] = "dict",
		[KIND_NONE] = "None",    [KIND_INT] = "int",
	};
	return kind < sizeof names / sizeof names[0] ? names[kind] : names[KIND_OTHER];
}

bool
value_kind_has_len(unsigned kind)
{
	return kind >= KIND_STR && kind <= KIND_DICT;
}
