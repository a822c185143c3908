/* SPDX-License-Identifier: MIT */
/*
 * How one argument stands in a record: a tag of one byte, then what the tag says, unaligned,
 * in the machine's byte order. Text is UTF-8, where a lone surrogate is encoded like any
 * other code point (three bytes, ED A0..BF xx): whoever prints it must mend it.
 *
 * u8, u16, u32, u64: that many bits. `len` counts the bytes that stand in the record, `full`
 * what len() of the Python object says (code points of a str, bytes, items).
 */
#ifndef COMMON_VALUE_H
#define COMMON_VALUE_H

/*      tag            value   follows */
#define VALUE_TAGS(X) \
	X(NONE, 1)         /* - */ \
	X(FALSE, 2)        /* - */ \
	X(TRUE, 3)         /* - */ \
	X(INT8, 4)         /* 1 byte, signed; and so on */ \
	X(INT16, 5) \
	X(INT32, 6) \
	X(INT64, 7) \
	X(BIGINT, 8)       /* u16 len, two's complement, least significant byte first */ \
	X(HUGEINT, 9)      /* u64 bits: too large to record */ \
	X(FLOAT, 10)       /* 8 bytes, IEEE double */ \
	X(STR8, 11)        /* u8 len, text */ \
	X(STR, 12)         /* u32 len, text */ \
	X(STR_CUT, 13)     /* u32 len, u64 full, text: the beginning of a longer one */ \
	X(BYTES8, 14)      /* u8 len, bytes */ \
	X(BYTES, 15)       /* u32 len, bytes */ \
	X(BYTES_CUT, 16)   /* u32 len, u64 full, bytes */ \
	X(TUPLE, 17)       /* u32 n, u64 full, n values; full > n: the rest was left out */ \
	X(LIST, 18)        /* the same */ \
	X(DICT, 19)        /* u32 n, u64 full, n pairs of values */ \
	X(SHAPE, 20)       /* u8 kind, u64 full: nested too deep, or no room */ \
	X(SECRET, 21)      /* u8 kind, u64 full: held back on purpose, only its length told */ \
	X(OBJECT, 22)      /* u8 len, type name: any other object */ \
	X(ELLIPSIS, 23)    /* - */

enum value_tag {
#define X(name, value) VALUE_##name = value,
	VALUE_TAGS(X)
#undef X
};

/* The kind of a SHAPE or SECRET: which type the value has. */
enum value_kind {
	KIND_OTHER, /* full is 0 */
	KIND_STR,
	KIND_BYTES,
	KIND_TUPLE,
	KIND_LIST,
	KIND_DICT,
	KIND_NONE,
	KIND_INT,
};

#define VALUE_MAX_DEPTH 4 /* of nested tuples, lists, dicts */

#endif
