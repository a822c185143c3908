/* SPDX-License-Identifier: MIT */
/*
 * A consumer that keeps account: what it reads is whole and in order, and what it did not get
 * is counted.
 */
#ifndef TORTURE_ACCOUNT_H
#define TORTURE_ACCOUNT_H

#include "arena.h"

struct account {
	struct lane_reader reader;
	uint64_t next_seq;
	uint64_t records;   /* events that were read, calls too */
	uint64_t calls;     /* among the events up to next_seq */
	uint64_t open_position, open_taken; /* a slot of calls, events of it; 0: it was closed */
	uint64_t from_open; /* events that were read before their slot closed */
	uint64_t gaps;      /* seqs that were not read, up to next_seq */
	uint64_t gap_slots; /* overwrite mode: of those records */
	uint64_t slots;     /* of records; not one that is still open */
	uint64_t partial;   /* slots of records whose beginning was overwritten */
	uint64_t releases;  /* that moved tail */
	uint32_t thread;    /* what stands in its records */
};

struct account account_open(enum lane_mode mode);

/* All there is, a few rounds of the ring at most: the producer may be faster. */
void account_drain(struct account *a, bool release);

/*
 * All was drained and nobody writes any more: is everything accounted for? But for one event
 * that a kill may find under way; returns how many were.
 */
uint64_t account_settle(struct account *a, bool was_killed);

/* A flight recorder that nobody read before still holds all but what was being overwritten. */
void account_check_kept(const struct account *a);

/* By all reasons, each loaded with acquire. */
uint64_t n_dropped(void);

#endif
