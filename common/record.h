/* SPDX-License-Identifier: MIT */
/*
 * What stands in a lane: slots of 64 bytes, and records of 1..k consecutive slots.
 *
 *	slot 0    w0 = start:1 | k:11 | type:6 | seq:46
 *	          w1 = time, raw ticks (common/clock.h)
 *	          w2 = thread:32 | def id:32         thread is the kernel's tid
 *	          40 bytes of payload
 *	slot i>0  w0 = 0:1 | i:11 | type:6 | seq:46
 *	          56 bytes of payload
 *
 * The payloads of a record's slots, end to end, are one stream of bytes in the machine's
 * own byte order. `start` and `i` let a reader that comes in the middle (overwrite mode)
 * find the first whole record.
 */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define SLOT_BYTES 64
#define SLOT0_PAYLOAD 40
#define SLOTN_PAYLOAD 56
#define RECORD_MAX_SLOTS 2047 /* what the field takes: an argv of 64 KiB fits whole */

struct slot {
	uint64_t w[8];
};
_Static_assert(sizeof(struct slot) == SLOT_BYTES, "a slot is one cache line");

/*      type    value  payload */
#define RECORD_TYPES(X) \
	X(AUDIT, 1) /* struct audit_head, stack, values (common/value.h); def id: the event */ \
	X(CALLS, 2) /* five packed call events, see below; "def id" is the depth */ \
	X(CALL, 3)  /* one call event whose def id does not fit a packed one */ \
	X(NOTICE, 4) /* what happened to the tracing itself: text; def id: 0 */

enum record_type {
#define X(name, value) RECORD_##name = value,
	RECORD_TYPES(X)
#undef X
};

#define RECORD_SEQ_BITS 46
#define RECORD_SEQ_MASK ((1ULL << RECORD_SEQ_BITS) - 1)

static inline uint64_t
record_w0(unsigned start, unsigned k, unsigned type, uint64_t seq)
{
	return (uint64_t)start << 63 | (uint64_t)k << 52 | (uint64_t)type << 46 |
	       (seq & RECORD_SEQ_MASK);
}
static inline unsigned record_start(uint64_t w0) { return (unsigned)(w0 >> 63); }
static inline unsigned record_k(uint64_t w0) { return (unsigned)(w0 >> 52) & 0x7ff; }
static inline unsigned record_type(uint64_t w0) { return (unsigned)(w0 >> 46) & 0x3f; }
static inline uint64_t record_seq(uint64_t w0) { return w0 & RECORD_SEQ_MASK; }

/*
 * RECORD_AUDIT: the head is followed by the event's name when AUDIT_NAME_INLINE is set (one
 * string value; def id is 0 then), by n_stack call sites of 4 bytes, by the number of all
 * arguments (u32) when AUDIT_TRUNCATED is set, and by n_args values.
 */
struct audit_head {
	uint32_t site;    /* definition of the innermost Python frame's call site; 0: none */
	uint32_t caller;  /* first call site outside the standard library; 0: none or the same */
	uint8_t n_args;
	uint8_t n_stack;  /* further frames, innermost first, `site` not repeated */
	uint8_t flags;
	uint8_t spare;
};
_Static_assert(sizeof(struct audit_head) == 12, "part of the format");

enum {
	AUDIT_TRUNCATED = 1,   /* there were more arguments than n_args */
	AUDIT_NAME_INLINE = 2, /* the definitions are full */
};

/*
 * RECORD_CALLS: w3..w7 are events of 8 bytes, kind:4 | def id:22 | ticks since w1:38; zero
 * words are not yet written. Event i has sequence number seq + i.
 */
#define CALLS_PER_SLOT 5
#define CALLS_ID_BITS 22
#define CALLS_TICK_BITS 38

#endif
