/* SPDX-License-Identifier: MIT */
/*
 * A lane: a ring of slots with one producer (the hook) and one consumer (the collector that
 * holds the segment's lock).
 *
 *      hook                                collector
 *      write the slots from head on    (C) load head, acquire
 *  (A) store head, release                 copy the slots tail..head
 *                                      (D) store tail, release
 *  (B) load tail, acquire
 *      reuse the slots before tail
 *
 * A pairs with C: without it the collector could read half a record.
 * D pairs with B: without it a slot could be rewritten while it is read.
 *
 * `head` is the whole commit: a process killed between any two stores leaves whole records
 * only, and no reserved hole. A record that finds no room is dropped, yet takes its sequence
 * number: a gap in seq is the number of events lost there, and `dropped` says why.
 *
 * `seq` is stored first, then what became of the event, with release: (A) head, or (J) a
 * count in `dropped`. So wherever the process is killed, seq less what was committed and
 * dropped is 0 or 1. And who loads `dropped`, acquire, before (C) knows that those which no
 * gap explains were lost behind the last record.
 *
 * Calls are packed, five to a slot (RECORD_CALLS): the slot is committed as any record, with
 * its first event, and each further event commits itself.
 *
 *  (A) store head, release             (C) load head, acquire
 *  (K) store a word of slot head-1,    (L) load the words of slot head-1, acquire
 *      release
 *
 *  (M) store seq, release              (N) load seq, acquire, then the words (L)
 *
 * K pairs with L: a word that is not zero is an event, and its definition is there. Only the
 * slot at head-1 may be open; zero words of earlier ones are final. A slot closes when it is
 * full, when anything else is written to the lane, when the thread or its greenlet changes, when
 * its 38 bits of ticks run out, or when an event takes a sequence number without writing a word.
 * The reader takes what it finds in the open slot, and releases it once it is closed: a reader that
 * comes after it reads at most five events again. While a slot is open `seq` and `calls` are those
 * of before it: its words say the rest. `calls` comes after seq, so it never counts an event
 * that seq does not; a kill between the two leaves it short of one slot's.
 *
 * M pairs with N: a seq that is not the slot's own was stored when it closed, or later, and all
 * its words are there. Without it the reader could not tell, before head moves, a slot that
 * closed early from one that is open, and the lane of a thread that ended would never be drained.
 *
 * Overwrite mode (the flight recorder) has no B: the hook never looks at tail.
 *
 *  (E) store intent = past the slot     (G) load head, acquire
 *  (F) fence, release                       copy the slots head-n..head
 *      write the slot                   (H) fence, acquire
 *  (A) store head, release              (I) load intent
 *                                           keep what lies at intent-n or later
 *
 * F pairs with H: a reader that saw any of a slot's new bytes sees an intent past it.
 *
 * Who only looks, beside the reader, moves nothing: it takes what the hook cannot have reused.
 *
 *      hook                                one that looks on
 *  (A) store head, release             (P) load head, acquire
 *      write the slots from head on        copy slots before it
 *  (B) load tail, acquire,             (Q) fence, acquire
 *      a quarter of the ring later     (R) load head, and tail
 *      at the most                         keep what lies at tail or later, or at most half
 *                                          a ring before head
 *
 * At tail or later: whoever saw a new byte of a slot sees the tail past it that B had loaded, for
 * what the hook writes comes after B. Half a ring before head: what is being written lies behind
 * head, by one record at the most, which is a quarter of the ring. Its bytes may be seen before
 * that head is, but not before one of a quarter earlier: each B keeps the writes behind it behind
 * the A before it. That is so on the machines that we know (x86-64; ARMv8, whose stores are seen by
 * all others at once, and where A and B keep their order), and C11 does not promise it: fences
 * that would are left out, since every event of every program would pay for them. Who looks on
 * takes a record for whole only when record_check() does, too. Where memory was refused (short_ring),
 * what lies before tail may have none any more, and he begins at tail.
 *
 * Block mode is drop mode that waits, bounded, while a collector is alive.
 *
 * Positions (head, tail, intent, limit) are free-running: compare them by subtraction only.
 * What the producer loads from the consumer's line it clamps: a hostile tail costs records,
 * never memory safety, and every path of the producer is bounded.
 */
#ifndef COMMON_LANE_H
#define COMMON_LANE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "barrier.h"
#include "record.h"

enum lane_mode {
	LANE_DROP = 0,      /* newest lost, counted */
	LANE_OVERWRITE = 1, /* oldest lost */
	LANE_BLOCK = 2,     /* wait for the collector, bounded, then drop */
};

/*      why an event was lost  value text, as in the stream */
#define LOST_REASONS(X) \
	X(LANE_FULL, 0, "lane_full")   /* a collector reads, but too slowly */ \
	X(NO_READER, 1, "no_reader")   /* full, and nobody reads */ \
	X(NO_MEMORY, 2, "no_memory")   /* /dev/shm is full, or our share of it used up */ \
	X(REENTRANT, 3, "reentrant")   /* raised while the hook was at work on another */ \
	X(NO_GIL, 4, "no_gil")         /* raised by a thread that does not hold the GIL */ \
	X(NO_LANE, 5, "no_lane")       /* no lane, all being taken, or no segment could be had */ \
	X(OVERWRITTEN, 6, "overwritten") /* counted by the reader, in overwrite mode */ \
	X(KILLED, 7, "killed")         /* the program ended in the middle of it */ \
	X(DAMAGED, 8, "damaged")       /* the reader found something that is no record */ \
	X(TOO_DEEP, 9, "too_deep")     /* calls beyond a bound of the C stack: one each time */ \
	X(COLLECTOR_KILLED, 10, "collector_killed") /* read by one that could not write them any more */

enum lost_reason {
#define X(name, value, text) LOST_##name = value,
	LOST_REASONS(X)
#undef X
	N_LOST_REASONS = 16 /* room in the format */
};
/* The hook counts these where no lane has them; the rest is the reader's. */
#define LOST_IS_HOOKS(reason) ((reason) <= LOST_NO_LANE || (reason) == LOST_TOO_DEEP)
#define LANE_DROP_REASONS 4 /* a lane drops for the first three; one is room */

/*
 * What a collector that moved tail there had accounted for, so that the next one goes on from
 * it. Of the two entries, the one whose `tail` is the lane's counts (with equal ones, that of
 * the larger seq): the other is written first, then tail is moved. A collector that cannot wait
 * with tail until all is written says how much is not: if it is killed just then, that is lost.
 */
struct lane_told {
	uint64_t tail;
	uint64_t seq;                        /* events below this were told: read or lost */
	uint64_t dropped[LANE_DROP_REASONS]; /* how many of them were lost, by reason */
	uint64_t unwritten;                  /* events from seq on that lie before tail, and ... */
	uint64_t unwritten_drops;            /* ... how many were dropped among them */
};

/* The head of a lane in shared memory. */
struct lane_shared {
	/* line 0, hook */
	uint64_t head;    /* first slot not committed */
	uint64_t intent;  /* overwrite mode: first slot not being written */
	uint64_t seq;     /* of the next event at level record */
	uint32_t state;   /* enum lane_state */
	uint32_t thread;  /* tid of the owner; 0: the main interpreter, any thread */
	uint64_t high_water; /* most slots that were ever unread, as the hook saw it */
	uint64_t calls;   /* how many of the events below seq were calls or returns; after seq */
	uint64_t short_ring; /* slots that it goes round in, where memory was refused; 0: all */
	uint64_t pad0[1];
	/* line 1, collector */
	uint64_t tail;    /* first slot not read */
	uint64_t waiting; /* not 0: wake the collector when a quarter of the ring is unread */
	uint64_t pad1[6];
	/* lines 2 and 3, hook */
	uint64_t dropped[N_LOST_REASONS];
	/* lines 4 and 5, collector */
	struct lane_told told[2];
};
_Static_assert(sizeof(struct lane_shared) == 384, "part of the format");
_Static_assert(offsetof(struct lane_shared, tail) == 64, "the collector has its own line");
_Static_assert(offsetof(struct lane_shared, dropped) == 128, "part of the format");

enum lane_state {
	LANE_UNUSED = 0,
	LANE_OWNED = 1,
	LANE_LEFT = 2, /* its thread ended; the next one goes on behind what is unread */
};

/* ---- producer ---- */

/* The hook's private side of a lane. Lives in memory that fork wipes. */
struct lane {
	struct lane_shared *shared;
	struct slot *slots;
	uint64_t n_slots;  /* a power of two */
	uint64_t head;
	uint64_t limit;    /* first slot that may not be written without lane_refill() */
	uint64_t n_backed; /* slots that have memory: mostly all, after one lap, else up to memory_end */
	uint64_t seq;
	uint64_t *call_at, *call_end; /* the open slot's next word, and past its last; or NULL */
	uint64_t call_base;           /* ticks of its first event */
	uint64_t calls;
	enum lane_mode mode;
	bool timed_out;    /* block mode: do not wait again before tail has moved from here: */
	uint64_t timed_out_tail;
	uint64_t memory_end; /* a position */
	uint64_t refused;  /* not 0: memory was refused; attempts before reserve is asked again */
	uint64_t woken;    /* where head was when the collector was last woken */
	const struct lane_ops *ops;
	void *context;
};

/* What a lane needs from the process it lives in; called on slow paths only. */
struct lane_ops {
	/* Make memory exist for slots [first, first + n); 0 or -errno. */
	int (*reserve)(void *context, struct slot *first, uint64_t n);
	/* The memory of slots [from, from + n) for [to, to + n); else [from, ...) has none. NULL: never. */
	int (*move)(void *context, struct slot *from, struct slot *to, uint64_t n);
	/* A collector reads this segment. */
	bool (*reader_alive)(void *context);
	/* A quarter of the ring is unread and the collector asked to be woken. */
	void (*wake)(void *context);
	/* Block mode: sleep a little; false: the time is up. `waited` counts the calls. */
	bool (*wait)(void *context, unsigned waited);
};

/*
 * `shared` is zeroed or was left by an earlier owner, who closed the open slot, and whose head
 * and seq go on: then a record may begin anywhere in the ring, and all slots before it must get
 * memory first.
 */
void lane_init(struct lane *lane, struct lane_shared *shared, struct slot *slots, uint64_t n_slots,
	       enum lane_mode mode, uint64_t reserved, const struct lane_ops *ops, void *context);

/* Move `limit` so that the slot at `position` may be written; false: no room. */
bool lane_refill(struct lane *lane, uint64_t position);

/* One event that could not be recorded: it takes a sequence number, and closes the open slot. */
void lane_drop(struct lane *lane, enum lost_reason reason);

/*
 * A call or return that does not fit the open slot, or for which none is open: open one with it, and
 * with this w2 (record.h). False: there was no room, it is counted as lost.
 */
bool lane_call_open(struct lane *lane, uint64_t word, uint64_t ticks, uint64_t w2);

/* Close the open slot. */
void lane_call_close(struct lane *lane);

/* Why the last lane_refill() said no. */
enum lost_reason lane_full_reason(const struct lane *lane);

/* A record under construction: a stream of bytes into the slots after head. */
struct lane_writer {
	struct lane *lane;
	uint8_t *at, *end; /* what is left of the current slot's payload */
	uint32_t i;        /* the current slot's place in the record */
	uint32_t max;      /* slots this record may take: a quarter of the lane, RECORD_MAX_SLOTS */
	uint32_t type;
	bool lost;         /* the lane is full: drop at commit */
};

bool lane_next_slot(struct lane_writer *w);
void lane_put_slow(struct lane_writer *w, const void *bytes, size_t n);

static inline struct slot *
lane_slot(const struct lane *lane, uint64_t position)
{
	return &lane->slots[position & (lane->n_slots - 1)];
}

static inline bool
lane_at_limit(const struct lane *lane, uint64_t position)
{
	return (int64_t)(position - lane->limit) >= 0;
}

/*
 * A consumer on another processor has the slots ahead in its cache: ask for one of them back
 * before it is written. Only a hint: a slot without memory, or with a reader, may be named.
 */
#define LANE_AHEAD 8
static inline void
lane_fetch_ahead(const struct lane *lane, uint64_t position)
{
	__builtin_prefetch(lane_slot(lane, position + LANE_AHEAD), 1);
}

static inline void
lane_publish_intent(struct lane *lane, uint64_t position)
{
	store_relaxed(&lane->shared->intent, position + 1); /* (E) */
	fence_release();                                    /* (F) */
}

/* There is an open slot and it is not full: behind a full one the next slot would begin. */
static inline bool
lane_call_has_room(const struct lane *lane)
{
	return (uintptr_t)lane->call_at % SLOT_BYTES != 0;
}

/* The slot at head, which may be written, becomes the open one, with its first event. */
static inline void
lane_call_begin(struct lane *lane, uint64_t word, uint64_t ticks, uint64_t w2)
{
	struct slot *slot = lane_slot(lane, lane->head);
	if (lane->mode == LANE_OVERWRITE)
		lane_publish_intent(lane, lane->head);
	lane_fetch_ahead(lane, lane->head);
	slot->w[0] = record_w0(1, 1, RECORD_CALLS, lane->seq);
	slot->w[1] = ticks;
	slot->w[2] = w2;
	slot->w[3] = word;
	memset(&slot->w[4], 0, (CALLS_PER_SLOT - 1) * sizeof slot->w[4]);
	lane->call_at = &slot->w[4];
	lane->call_end = &slot->w[8];
	lane->call_base = ticks;
	lane->head++;
	store_release(&lane->shared->head, lane->head); /* (A) */
}

/*
 * Into the open slot, which is the calling thread's: `word` is call_word(). False: there is none,
 * or it has no room for this event.
 */
static inline bool
lane_call(struct lane *lane, uint64_t word, uint64_t ticks)
{
	uint64_t since = ticks - lane->call_base;
	if (unlikely(!lane_call_has_room(lane)) || unlikely(since >> CALLS_TICK_BITS != 0))
		return false;
	store_release(lane->call_at, word | since); /* (K) */
	lane->call_at++;
	return true;
}

/*
 * One that finds the open slot full, as each fifth does: into the next slot. False: nothing was
 * done, that slot cannot be written just like that, or none was open.
 */
static inline bool
lane_call_next(struct lane *lane, uint64_t word, uint64_t ticks, uint64_t w2)
{
	if (unlikely(lane->call_at != lane->call_end) || unlikely(lane->call_end == NULL) ||
	    unlikely(lane_at_limit(lane, lane->head)))
		return false;
	lane->seq += CALLS_PER_SLOT;
	lane->calls += CALLS_PER_SLOT;
	store_release(&lane->shared->seq, lane->seq); /* (M) */
	store_release(&lane->shared->calls, lane->calls);
	lane_call_begin(lane, word, ticks, w2);
	return true;
}

/* Begin a record; false: there is no room, the caller drops the event. */
static inline bool
lane_begin(struct lane *lane, struct lane_writer *w, unsigned type)
{
	if (unlikely(lane->call_end != NULL))
		lane_call_close(lane);
	if (unlikely(lane_at_limit(lane, lane->head)) && !lane_refill(lane, lane->head))
		return false;
	if (unlikely(lane->mode == LANE_OVERWRITE))
		lane_publish_intent(lane, lane->head);
	lane_fetch_ahead(lane, lane->head);
	w->lane = lane;
	w->at = (uint8_t *)&lane_slot(lane, lane->head)->w[3];
	w->end = w->at + SLOT0_PAYLOAD;
	w->i = 0;
	w->max = (uint32_t)(lane->n_slots / 4 < RECORD_MAX_SLOTS ? lane->n_slots / 4
								   : RECORD_MAX_SLOTS);
	w->type = type;
	w->lost = false;
	return true;
}

/* Bytes that still fit into the record; a caller writes no more than that. */
static inline size_t
lane_room(const struct lane_writer *w)
{
	return (size_t)(w->end - w->at) + (size_t)(w->max - 1 - w->i) * SLOTN_PAYLOAD;
}

static inline void
lane_put(struct lane_writer *w, const void *bytes, size_t n)
{
	if (likely(n <= (size_t)(w->end - w->at))) {
		memcpy(w->at, bytes, n);
		w->at += n;
	} else {
		lane_put_slow(w, bytes, n);
	}
}

/* Publish the record, or count it as lost when the lane filled up under way. */
static inline void
lane_commit(struct lane_writer *w, uint64_t ticks, uint32_t thread, uint32_t def_id)
{
	struct lane *lane = w->lane;
	if (unlikely(w->lost)) {
		lane_drop(lane, lane_full_reason(lane));
		return;
	}
	struct slot *slot = lane_slot(lane, lane->head);
	slot->w[0] = record_w0(1, w->i + 1, w->type, lane->seq);
	slot->w[1] = ticks;
	slot->w[2] = (uint64_t)thread << 32 | def_id;
	lane->seq++;
	lane->head += w->i + 1;
	store_relaxed(&lane->shared->seq, lane->seq);
	store_release(&lane->shared->head, lane->head); /* (A) */
}

/* ---- consumer ---- */

struct lane_reader {
	struct lane_shared *shared;
	const struct slot *slots;
	uint64_t n_slots;
	uint64_t position;  /* first slot not yet copied; tail once released */
	uint64_t head;      /* as the last copy found it */
	bool overwrite;
	uint64_t skipped;   /* slots that were overwritten before they could be read */
	/*
	 * Is there memory for the n slots from reader->position on? What was committed
	 * has some; to read a hole would make some, at the reader's expense. NULL: do not ask.
	 */
	bool (*there)(void *context, const struct lane_reader *reader, uint64_t n);
	void *there_context;
	uint64_t there_at; /* of the one that answers: where the ring is */
};

enum lane_read_outcome {
	LANE_IMPLAUSIBLE = -1, /* head and tail contradict each other, or the ring: give it up */
};

void lane_reader_init(struct lane_reader *reader, struct lane_shared *shared,
		      const struct slot *slots, uint64_t n_slots, bool overwrite);

/*
 * Copy up to max committed slots to `copy` and go past them; returns how many, 0 when there
 * are none, or LANE_IMPLAUSIBLE. In overwrite mode the copy may begin inside a record.
 * May end inside a record, unless position has come to be head: the caller gives the rest back
 * with lane_reader_unread(). In overwrite mode even all of it, and less than max, may be the
 * beginning of one: then the next copy begins there.
 */
int64_t lane_reader_copy(struct lane_reader *reader, struct slot *copy, uint64_t max);
void lane_reader_unread(struct lane_reader *reader, uint64_t n);

/*
 * The same beside the reader, who need not know: for one that never calls lane_reader_release(), in
 * every mode. It sees what was released, too, as long as that is there; what was missed is
 * `skipped`. The copy may begin inside a record.
 */
int64_t lane_reader_peek(struct lane_reader *reader, struct slot *copy, uint64_t max);

/*
 * The words of a slot that may still be open, into `words`; how many are events; 0 also when it
 * was overwritten. For the slot at reader->head - 1, as the last copy found it.
 */
unsigned lane_reader_open_slot(const struct lane_reader *reader, uint64_t position,
			       uint64_t words[CALLS_PER_SLOT]);

/*
 * The slot of calls at reader->head - 1, whose first word is w0, was closed: what its words are
 * from now on is final.
 */
static inline bool
lane_reader_slot_closed(const struct lane_reader *reader, uint64_t w0)
{
	return record_seq(load_acquire(&reader->shared->seq)) != record_seq(w0); /* (N) */
}

/* Let the hook reuse the slots before `position`, which were copied. */
void lane_reader_release(struct lane_reader *reader, uint64_t position);

/*
 * The record at the start of n private slots: its length in slots; 0: more slots are needed;
 * -1: this is no record (or, in overwrite mode, the rest of one): go on one slot later.
 */
int record_check(const struct slot *slots, uint64_t n);

#endif
