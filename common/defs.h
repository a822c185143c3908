/* SPDX-License-Identifier: MIT */
/*
 * Definitions: what the ids in records mean. Append-only, so attaching late or again needs
 * no protocol.
 *
 *	offset 0   used   bytes behind it that are whole; stored last, release
 *	then       { id, kind:16, len:16, len bytes, zeroes up to a multiple of 8 } ...
 *
 * An id is defined once per segment, before the first record that uses it is committed, and
 * means the same for the life of the segment.
 */
#ifndef COMMON_DEFS_H
#define COMMON_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*      kind     value  bytes */
#define DEF_KINDS(X) \
	X(EVENT, 1)   /* the name */ \
	X(CODE, 2)    /* u32 first line, then module, file, qualified name, each NUL-terminated */ \
	X(SITE, 3)    /* u32 code id, u32 line: a call site */ \
	X(PROCESS, 4) /* exe, cwd, then argv, each NUL-terminated; id 0 */ \
	X(CFUNC, 5)   /* a C function, as CODE has it: line 0, module, no file, "type.name" */

enum def_kind {
#define X(name, value) DEF_##name = value,
	DEF_KINDS(X)
#undef X
};

struct def {
	uint32_t id;
	uint16_t kind;
	uint16_t len;
};
_Static_assert(sizeof(struct def) == 8, "part of the format");

#define DEFS_HEAD_BYTES 64
#define DEF_MAX_BYTES 8192

/* Size of a definition with its padding. */
static inline uint64_t
def_bytes(uint64_t len)
{
	return (sizeof(struct def) + len + 7) & ~7ULL;
}

/* The next definition of a private copy of the region; false at its end or where it makes
 * no sense (*damaged). `*offset` starts at 0 and counts from behind the head. */
bool defs_next(const uint8_t *copy, uint64_t used, uint64_t *offset, struct def *def,
	       const uint8_t **bytes, bool *damaged);

#endif
