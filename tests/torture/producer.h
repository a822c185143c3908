/* SPDX-License-Identifier: MIT */
/* A producer whose events follow from their seq alone, so that each word can be checked. */
#ifndef TORTURE_PRODUCER_H
#define TORTURE_PRODUCER_H

#include "arena.h"

#define ONE_PRODUCER 77 /* what stands in a record as its thread */

/* Slots that the event with this seq took: at most a quarter of the lane, 0 in an open slot. */
unsigned slots_of(uint64_t seq);

/* Each word of a record. */
void check_record(const struct slot *record, unsigned k, uint64_t seq, uint32_t thread);

void open_lane(struct lane *lane, enum lane_mode mode);

/* One event; true: committed, else dropped. */
bool produce(struct lane *lane, uint32_t thread);

/* Events until arena->stop; sometimes there is nothing to do. */
void produce_on(struct lane *lane);

/* A child that does so. */
pid_t fork_producer(enum lane_mode mode);

#endif
