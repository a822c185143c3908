/* SPDX-License-Identifier: MIT */
/*
 * Packed calls that follow from their seq and the turn alone: which events are calls, what each
 * holds and, where nothing is dropped, which of them begin a slot.
 */
#ifndef TORTURE_CALLS_H
#define TORTURE_CALLS_H

#include "arena.h"

/* What the lane counts, with the words of a slot that is still open. */
struct counts {
	uint64_t seq, calls;
	unsigned n_open; /* events of that slot; 0: it closed */
};
struct counts counts_with_open_slot(void);

bool is_call(uint64_t seq);
bool opens_slot(uint64_t seq);

/* Of the next event. */
uint64_t next_seq(const struct lane *lane);

/* True: committed, else dropped. */
bool produce_call(struct lane *lane, uint64_t seq, uint32_t thread);

/* Event i of a slot. */
void check_call(const struct slot *slot, unsigned i, uint64_t word, uint32_t thread);

/*
 * The words of the slot of calls that was copied from `position`: how many are events; 0: it was
 * overwritten. Not closed: more may come, and it may not be released.
 */
unsigned read_calls(const struct lane_reader *reader, const struct slot *slot, uint64_t position,
		    uint64_t words[CALLS_PER_SLOT], bool *closed);

#endif
