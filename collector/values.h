/* SPDX-License-Identifier: MIT */
/*
 * A walk over encoded arguments (common/value.h). values_check() looks at every byte once,
 * bounded; all else then relies on it and checks nothing.
 */
#ifndef COLLECTOR_VALUES_H
#define COLLECTOR_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "value.h"

/* Containers in containers that a reader follows: its recursion is bounded by this. */
#define VALUES_MAX_DEPTH (2 * VALUE_MAX_DEPTH)

struct value {
	uint8_t tag;          /* enum value_tag */
	uint8_t kind;         /* enum value_kind of SHAPE and SECRET */
	uint32_t len;         /* bytes at `bytes`; items of a sequence; pairs of a dict */
	uint64_t full;        /* what len() said; bits of HUGEINT */
	const uint8_t *bytes; /* text, bytes, digits, type name; the first item */
	union {
		int64_t integer;
		double number;
	};
};

/* Are the first n values whole and within [at, end)? Where they end, or NULL. */
const uint8_t *values_check(const uint8_t *at, const uint8_t *end, unsigned n);

/* Read one value; returns where the next one begins: of a container, its first item. */
const uint8_t *value_read(const uint8_t *at, struct value *value);

/* Where the next value begins, past all items. */
const uint8_t *value_skip(const uint8_t *at);

/* text: str or bytes; int: one that fits 64 bits; sequence: tuple or list. */
static inline bool
value_is_str(const struct value *v)
{
	return v->tag >= VALUE_STR8 && v->tag <= VALUE_STR_CUT;
}
static inline bool
value_is_bytes(const struct value *v)
{
	return v->tag >= VALUE_BYTES8 && v->tag <= VALUE_BYTES_CUT;
}
static inline bool
value_is_text(const struct value *v)
{
	return v->tag >= VALUE_STR8 && v->tag <= VALUE_BYTES_CUT;
}
static inline bool
value_is_int(const struct value *v)
{
	return v->tag >= VALUE_INT8 && v->tag <= VALUE_INT64;
}
static inline bool
value_is_sequence(const struct value *v)
{
	return v->tag == VALUE_TUPLE || v->tag == VALUE_LIST;
}

/* "str", "list", ...; "object" for KIND_OTHER and what is no kind. */
const char *value_kind_name(unsigned kind);
/* The kind's objects have a len(). */
bool value_kind_has_len(unsigned kind);

#endif
