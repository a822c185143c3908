/* SPDX-License-Identifier: MIT */
#include "call_stack.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_PLACES 16
#define FIRST_ENTRIES 32
#define STACK_COST 8 /* entries that a thread without calls takes the room of */

struct entry {
	uint64_t ticks;
	uint32_t id;
	bool is_c;
};

struct call_stack {
	uint32_t tid;
	uint32_t counted; /* by the hook: calls that are open */
	uint64_t base;
	size_t n, room;
	struct entry *entries;
};

void
call_stacks_init(struct call_stacks *stacks, struct call_room *room)
{
	*stacks = (struct call_stacks){.room = room};
}

static void
free_stack(struct call_stacks *stacks, struct call_stack *stack)
{
	stacks->room->n_entries += STACK_COST + stack->room;
	free(stack->entries);
	free(stack);
}

void
call_stacks_forget(struct call_stacks *stacks)
{
	for (size_t i = 0; stacks->n > 0 && i < stacks->n_places; i++) {
		if (stacks->threads[i] == NULL)
			continue;
		free_stack(stacks, stacks->threads[i]);
		stacks->threads[i] = NULL;
		stacks->n--;
	}
	stacks->last = NULL;
}

void
call_stacks_fini(struct call_stacks *stacks)
{
	call_stacks_forget(stacks);
	free(stacks->threads);
	stacks->threads = NULL;
	stacks->n_places = 0;
}

/* ---- threads ---- */

/* Where this thread stands, or would. There is always a free place. */
static struct call_stack **
place_of(struct call_stack **threads, size_t n_places, uint32_t tid)
{
	size_t i = (tid * 2654435761u) & (n_places - 1);
	while (threads[i] != NULL && threads[i]->tid != tid)
		i = (i + 1) & (n_places - 1);
	return &threads[i];
}

/* Into a table of another size. Threads without open calls, most of which have ended, stay
 * behind: the hook tells their depth again. */
static bool
rebuild(struct call_stacks *stacks, size_t n_places)
{
	struct call_stack **threads = calloc(n_places, sizeof *threads);
	if (threads == NULL)
		return false;
	stacks->n = 0;
	for (size_t i = 0; i < stacks->n_places; i++) {
		struct call_stack *stack = stacks->threads[i];
		if (stack == NULL)
			continue;
		if (stack->n == 0) {
			free_stack(stacks, stack);
			continue;
		}
		*place_of(threads, n_places, stack->tid) = stack;
		stacks->n++;
	}
	free(stacks->threads);
	stacks->threads = threads;
	stacks->n_places = n_places;
	stacks->last = NULL;
	return true;
}

/* At most half of the places are taken. */
static bool
make_place(struct call_stacks *stacks)
{
	if (2 * (stacks->n + 1) <= stacks->n_places)
		return true;
	size_t n_places = stacks->n_places == 0 ? FIRST_PLACES : 2 * stacks->n_places;
	if (n_places > 2 * CALL_STACK_THREADS)
		n_places = 2 * CALL_STACK_THREADS;
	if (!rebuild(stacks, n_places))
		return false;
	if (stacks->n >= CALL_STACK_THREADS)
		call_stacks_forget(stacks);
	return true;
}

static struct call_stack *
new_stack(struct call_stacks *stacks, uint32_t tid)
{
	struct call_stack *stack = NULL;
	if (stacks->room->n_entries < STACK_COST)
		call_stacks_forget(stacks);
	if (stacks->room->n_entries >= STACK_COST && make_place(stacks))
		stack = calloc(1, sizeof *stack);
	if (stack == NULL)
		return NULL;
	stacks->room->n_entries -= STACK_COST;
	stack->tid = tid;
	*place_of(stacks->threads, stacks->n_places, tid) = stack;
	stacks->n++;
	return stack;
}

static struct call_stack *
stack_of(struct call_stacks *stacks, uint32_t tid)
{
	if (stacks->last != NULL && stacks->last->tid == tid)
		return stacks->last;
	struct call_stack *stack =
		stacks->n > 0 ? *place_of(stacks->threads, stacks->n_places, tid) : NULL;
	if (stack == NULL)
		stack = new_stack(stacks, tid);
	return stacks->last = stack;
}

struct call_stack *
call_stack_begin(struct call_stacks *stacks, uint32_t tid, uint32_t depth)
{
	struct call_stack *stack = stack_of(stacks, tid);
	if (stack != NULL && stack->counted != depth) {
		stack->counted = depth;
		stack->base = depth;
		stack->n = 0;
	}
	return stack;
}

/* ---- calls ---- */

static bool
grow(struct call_stacks *stacks, struct call_stack *stack)
{
	size_t room = stack->room == 0 ? FIRST_ENTRIES : 2 * stack->room;
	if (room - stack->room > stacks->room->n_entries)
		return false;
	struct entry *entries = realloc(stack->entries, room * sizeof *entries);
	if (entries == NULL)
		return false;
	stacks->room->n_entries -= room - stack->room;
	stack->entries = entries;
	stack->room = room;
	return true;
}

static uint32_t
open_calls(const struct call_stack *stack)
{
	uint64_t open = stack->base + stack->n;
	return open < UINT32_MAX ? (uint32_t)open : UINT32_MAX;
}

/* Without room the outer calls are forgotten, for most returns are those of inner ones. */
uint32_t
call_stack_push(struct call_stacks *stacks, struct call_stack *stack, uint32_t id, bool is_c,
		uint64_t ticks)
{
	if (stack == NULL)
		return 1;
	stack->counted++;
	if (stack->n == stack->room && !grow(stacks, stack)) {
		stack->base += stack->n;
		stack->n = 0;
	}
	if (stack->room > 0)
		stack->entries[stack->n++] = (struct entry){ticks, id, is_c};
	else
		stack->base++;
	return open_calls(stack);
}

/* The entry that ends, or NULL. */
static const struct entry *
find(const struct call_stack *stack, const struct call_end *end)
{
	size_t lowest = stack->n > CALL_STACK_LOOK_DOWN ? stack->n - CALL_STACK_LOOK_DOWN : 0;
	for (size_t i = stack->n; i > lowest; i--) {
		const struct entry *entry = &stack->entries[i - 1];
		if (end->id == 0 && i < stack->n)
			return NULL; /* any function that found no definition */
		if (end->is_c && !entry->is_c)
			return NULL;
		if (entry->id == end->id)
			return entry;
	}
	return NULL;
}

uint32_t
call_stack_pop(struct call_stack *stack, const struct call_end *end, uint64_t *ticks, bool *known)
{
	*known = false;
	if (stack == NULL)
		return 1;
	stack->counted -= stack->counted > 0;
	const struct entry *entry = find(stack, end);
	uint32_t open = open_calls(stack);
	if (entry != NULL) {
		*known = true;
		*ticks = (int64_t)(end->ticks - entry->ticks) > 0 ? end->ticks - entry->ticks : 0;
		stack->n = (size_t)(entry - stack->entries) + 1; /* those above told no end */
		open = open_calls(stack);
		stack->n--;
	} else if (end->unwinds && stack->n > 0) {
		open++; /* it had not begun */
	} else if (stack->base > 0) {
		stack->base--;
	}
	return open > 0 ? open : 1;
}
