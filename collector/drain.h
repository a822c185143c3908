/* SPDX-License-Identifier: MIT */
/*
 * One lane as it is read: its records in order, and at each gap in their numbers the events
 * that are missing there, with the reason. It knows no sink and no process.
 *
 * Every event at level record has a sequence number; `next_seq` is the first that was not
 * accounted for. A gap is what the hook dropped (it counts those by reason) or, in overwrite
 * mode, what newer events replaced. Drops behind the last record show up in no gap yet:
 * drain_look_for_losses() takes a note of the hook's counts, and once the records that were
 * there at that moment are read, what no gap explains was lost behind them.
 *
 * The slot at head-1 may still be filled, when it holds calls: of that one the words are read
 * that drain_note() saw, and it is gone past, and given back, when it is full or no longer
 * the last. Which of its words were read, next_seq tells, also to the next collector.
 *
 * What was written so far is kept in the lane itself (struct lane_told), so that the next
 * collector goes on from there. One that is killed leaves its last records and losses to be
 * told again, and none untold. The room of records whose lines still wait is given back only
 * where too much waits: of those a kill takes the lines, and the next collector says how many.
 */
#ifndef COLLECTOR_DRAIN_H
#define COLLECTOR_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "call_stack.h"
#include "event.h"
#include "lane.h"
#include "symbols.h"

/* How far something is, in positions and in numbers. */
struct drain_mark {
	uint64_t position, seq;
	uint64_t dropped[LANE_DROP_REASONS];
};

/* Called with each event; one that is not `wanted` was held before we came. */
typedef void (*drain_fn)(void *context, const struct event *event, bool wanted);
/* Unix time of a record; how many nanoseconds so many ticks last. */
typedef uint64_t (*drain_time_fn)(void *context, uint64_t ticks);

struct drain_to {
	drain_fn fn;
	drain_time_fn time, duration;
	void *context;
	struct symbols *symbols;
	uint64_t now_ns;
	const bool *enough; /* true: the rest is to be read another time. NULL: never */
};

struct drain {
	struct lane_shared *shared;
	struct lane_reader reader;
	uint32_t index;
	uint64_t next_seq;
	uint64_t before_events; /* recorded ones that an earlier collector accounted for */
	uint64_t limit;         /* position: of head, as drain_note() saw it */
	unsigned limit_words;   /* of the slot before it that may be read; CALLS_PER_SLOT: whole */
	uint64_t part_at;       /* position of a slot that was not gone past, and ... */
	unsigned part;          /* ... how many of its words were read */
	uint64_t most_unread;   /* slots, as drain_note() saw them */
	uint64_t skip_to;       /* position: what was committed before is not wanted */
	unsigned skip_words;    /* of the slot before it */
	uint64_t dropped[LANE_DROP_REASONS];  /* told, in all */
	uint64_t first_tail;    /* when we came; once it moves, or nothing is unread, we are there: */
	bool there;
	uint64_t before_us;     /* events dropped as no_reader until then */
	uint64_t before_seq;    /* and all events until drain_init() */
	uint64_t lost[N_LOST_REASONS];        /* told, here, of what had been recorded */
	struct drain_mark marked, written, released;
	uint64_t unwritten, unwritten_drops; /* by one that was killed: not told yet */
	bool resumed; /* next_seq is known; else the first record tells it */
	bool damaged;
	unsigned told; /* which entry is written next */
	bool looking;           /* for losses behind the record at `noted_head` */
	uint64_t noted_head, noted[LANE_DROP_REASONS];
	unsigned noted_words;   /* of the slot before it */
	struct call_stacks calls;
};

/*
 * `slots` has n_slots, checked; skip: what is held now is not wanted. Nothing is noted yet.
 * `room` is that of the calls that are open, and stays the caller's.
 */
void drain_init(struct drain *drain, struct lane_shared *shared, const struct slot *slots,
		uint64_t n_slots, uint32_t index, enum lane_mode mode, bool skip,
		struct call_room *room);
void drain_fini(struct drain *drain);

/* The lane is new, and nothing in it is of before. */
void drain_began_with_us(struct drain *drain);

/* What is committed now may be read by drain_run(). */
void drain_note(struct drain *drain);

/* It has read less than what was noted, or losses are to be looked for. */
static inline bool
drain_has_more(const struct drain *drain)
{
	int64_t n_slots = (int64_t)(drain->limit - drain->reader.position);
	return !drain->damaged && (drain->looking || n_slots > 1 ||
				   (n_slots == 1 && drain->part < drain->limit_words));
}

/*
 * At most `max` events, and the rest of a slot, or fewer when it is enough; how many, where a slot
 * of calls without a new one counts as one. 0: there are no more, or the lane is damaged.
 */
uint64_t drain_run(struct drain *drain, const struct drain_to *to, uint64_t max);

void drain_look_for_losses(struct drain *drain);

/* Its process is gone and drain_run() gave 0: what was never committed. */
void drain_finish(struct drain *drain, const struct drain_to *to);

/*
 * What was read so far is written, or was at the last drain_mark(): the hook may use the room
 * again. drain_relieve(): it may, of all that was read, where an eighth of the ring waits.
 */
void drain_release(struct drain *drain);
void drain_mark(struct drain *drain);
void drain_release_marked(struct drain *drain);
void drain_relieve(struct drain *drain);

/* Events dropped by the hook, and those that were recorded and that we could not read. */
uint64_t drain_dropped(const struct drain *drain);
uint64_t drain_lost(const struct drain *drain);

#endif
