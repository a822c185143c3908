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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_BYTES 64
#define SLOT0_PAYLOAD 40
#define SLOTN_PAYLOAD 56
#define RECORD_MAX_SLOTS 2047 /* what the field takes: an argv of 64 KiB fits whole */

struct slot {
	_Alignas(SLOT_BYTES) uint64_t w[8];
};
_Static_assert(sizeof(struct slot) == SLOT_BYTES, "a slot is one cache line");

/*      type    value  payload */
#define RECORD_TYPES(X) \
	X(AUDIT, 1) /* struct audit_head, stack, values (common/value.h); def id: the event */ \
	X(CALLS, 2) /* up to five packed call events; its w2 is another: see below */ \
	X(NOTICE, 4) /* what happened to the tracing itself: two values, what and detail */

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
 * RECORD_CALLS: w3..w7 are events of 8 bytes, kind:4 | def id:22 | ticks since w1:38, in the
 * order of time; zero words are not yet written. Event i has the sequence number seq + i.
 *
 *	w2 = thread:22 | greenlet:22 | depth:20
 *
 * A greenlet is one of the stacks that a thread changes between; 0 is its own, others have numbers
 * of the process, which begin again after four million. depth is how many calls of that stack were
 * open before the first of these events, CALLS_DEPTH_MAX: or more.
 */
#define CALLS_PER_SLOT 5
#define CALLS_ID_BITS 22
#define CALLS_TICK_BITS 38
#define CALLS_THREAD_BITS 22 /* Linux has no larger tid (PID_MAX_LIMIT) */
#define CALLS_GREENLET_BITS 22
#define CALLS_DEPTH_BITS 20
#define CALLS_DEPTH_MAX ((1u << CALLS_DEPTH_BITS) - 1)
_Static_assert(CALLS_THREAD_BITS + CALLS_GREENLET_BITS + CALLS_DEPTH_BITS == 64, "one word");

/*      what happened       value  line's type, `kind`, `how` in the stream */
#define CALL_EVENTS(X) \
	X(PY_START, 1, "call", "py", "") \
	X(PY_RESUME, 2, "call", "resume", "") /* of a generator or coroutine */ \
	X(C_CALL, 3, "call", "c", "") \
	X(PY_RETURN, 8, "return", "py", "return") \
	X(PY_YIELD, 9, "return", "py", "yield") \
	X(PY_UNWIND, 10, "return", "py", "unwind") \
	X(C_RETURN, 11, "return", "c", "c_return") \
	X(C_RAISE, 12, "return", "c", "c_exception")

enum call_event {
#define X(name, value, type, kind, how) CALL_##name = value,
	CALL_EVENTS(X)
#undef X
};

/* What is added to the ticks to make a word. */
static inline uint64_t
call_word(enum call_event what, uint32_t id)
{
	return (uint64_t)what << (CALLS_ID_BITS + CALLS_TICK_BITS) |
	       (uint64_t)id << CALLS_TICK_BITS;
}
static inline unsigned call_what(uint64_t word) { return (unsigned)(word >> 60); }
static inline uint32_t
call_id(uint64_t word)
{
	return (uint32_t)(word >> CALLS_TICK_BITS) & ((1u << CALLS_ID_BITS) - 1);
}
static inline uint64_t
call_ticks(uint64_t word)
{
	return word & ((1ULL << CALLS_TICK_BITS) - 1);
}

/* w2, but for the depth. */
static inline uint64_t
calls_stack(uint32_t thread, uint32_t greenlet)
{
	uint64_t number = greenlet & ((1u << CALLS_GREENLET_BITS) - 1);
	return (uint64_t)thread << (64 - CALLS_THREAD_BITS) | number << CALLS_DEPTH_BITS;
}
static inline uint64_t
calls_w2(uint64_t stack, uint32_t depth)
{
	return stack | (depth < CALLS_DEPTH_MAX ? depth : CALLS_DEPTH_MAX);
}
static inline uint32_t calls_thread(uint64_t w2) { return (uint32_t)(w2 >> (64 - CALLS_THREAD_BITS)); }
static inline uint32_t
calls_greenlet(uint64_t w2)
{
	return (uint32_t)(w2 >> CALLS_DEPTH_BITS) & ((1u << CALLS_GREENLET_BITS) - 1);
}
static inline uint32_t calls_depth(uint64_t w2) { return (uint32_t)w2 & CALLS_DEPTH_MAX; }
/* Of an event or of its number: it ends a call. */
static inline bool call_ends(unsigned what) { return (what & 8) != 0; }

#endif
