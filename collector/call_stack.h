/* SPDX-License-Identifier: MIT */
/*
 * Which calls are open on each stack of one lane, so that a return finds its call: a thread has
 * one, and one more for each greenlet. Nothing is invented: what was open before we came, or is
 * missing because of a loss, is known by its number alone, `base`, which the hook tells with each
 * slot.
 *
 *	base        calls that are open and were not seen to begin
 *	entries     above them those that were, the innermost last
 *
 * Where an exception comes up just as a function begins (a signal handler raises it), CPython tells
 * of the end of a call that it did not tell of: that ends none of those that are open. The hook
 * counts it as one; so what it tells is compared with what it must count by now, `counted`, and not
 * with what is open.
 *
 * A hostile segment may claim any number of stacks and calls: there are CALL_STACK_STACKS of
 * the one in a lane, and CALL_STACK_ENTRIES of the other in all lanes that share a room. What
 * does not fit is forgotten, and its returns have no duration.
 */
#ifndef COLLECTOR_CALL_STACK_H
#define COLLECTOR_CALL_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALL_STACK_STACKS 32768
#define CALL_STACK_ENTRIES (1u << 20) /* 16 MiB of them */
#define CALL_STACK_LOOK_DOWN 1024     /* entries that a return looks at to find its call */

/* How many entries may still be allocated. */
struct call_room {
	size_t n_entries;
};

struct call_stack;

struct call_stacks {
	struct call_stack **table; /* a hash table, by `who` */
	size_t n, n_places;
	struct call_stack *last;
	struct call_room *room;
};

/* `room` may be shared, and stays the caller's. */
void call_stacks_init(struct call_stacks *stacks, struct call_room *room);
void call_stacks_fini(struct call_stacks *stacks);

/* A loss: no pair may bridge it. */
void call_stacks_forget(struct call_stacks *stacks);

/*
 * Before events of a stack that has `depth` open calls, as the hook counts, up to CALLS_DEPTH_MAX;
 * `who` is its thread and greenlet, calls_stack(). Valid until the next begin, forget or fini.
 * NULL: no memory, or no room.
 */
struct call_stack *call_stack_begin(struct call_stacks *stacks, uint64_t who, uint32_t depth);

/* A call begins: how many are open now, it included. `stack` may be NULL, here and below. */
uint32_t call_stack_push(struct call_stacks *stacks, struct call_stack *stack, uint32_t id,
			 bool is_c, uint64_t ticks);

/* An end, as the hook tells of it. */
struct call_end {
	uint32_t id;
	bool is_c;
	bool unwinds; /* a Python function, by an exception */
	uint64_t ticks;
};

/*
 * A call returns: how many were open, it included. *ticks is how long it took, when *known. It
 * ends all that it made and that told no end, but a C function no Python function.
 */
uint32_t call_stack_pop(struct call_stack *stack, const struct call_end *end, uint64_t *ticks,
			bool *known);

#endif
