/* SPDX-License-Identifier: MIT */
#include "call_stack.h"

#include <stdlib.h>
#include <string.h>

#include "record.h"

#define FIRST_PLACES 16
#define FIRST_ENTRIES 8
#define STACK_COST 8 /* entries that a stack without calls takes the room of */

struct entry {
	uint64_t ticks;
	uint32_t id;
	bool is_c;
};

struct call_stack {
	uint64_t who;
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
		if (stacks->table[i] == NULL)
			continue;
		free_stack(stacks, stacks->table[i]);
		stacks->table[i] = NULL;
		stacks->n--;
	}
	stacks->last = NULL;
	if (stacks->n_places <= FIRST_PLACES)
		return;
	/* It would be gone through for each loss, of which a hostile program has many. */
	free(stacks->table);
	stacks->table = NULL;
	stacks->n_places = 0;
}

void
call_stacks_fini(struct call_stacks *stacks)
{
	call_stacks_forget(stacks);
	free(stacks->table);
	stacks->table = NULL;
	stacks->n_places = 0;
}

/* ---- stacks ---- */

/* Where this one stands, or would. There is always a free place. */
static struct call_stack **
place_of(struct call_stack **table, size_t n_places, uint64_t who)
{
	size_t i = (who * 0x9e3779b97f4a7c15u >> 32) & (n_places - 1);
	while (table[i] != NULL && table[i]->who != who)
		i = (i + 1) & (n_places - 1);
	return &table[i];
}

/* Into a table of another size. Stacks without open calls, most of which have ended, stay
 * behind: the hook tells their depth again. */
static bool
rebuild(struct call_stacks *stacks, size_t n_places)
{
	struct call_stack **table = calloc(n_places, sizeof *table);
	if (table == NULL)
		return false;
	stacks->n = 0;
	for (size_t i = 0; i < stacks->n_places; i++) {
		struct call_stack *stack = stacks->table[i];
		if (stack == NULL)
			continue;
		if (stack->n == 0) {
			free_stack(stacks, stack);
			continue;
		}
		*place_of(table, n_places, stack->who) = stack;
		stacks->n++;
	}
	free(stacks->table);
	stacks->table = table;
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
	if (n_places > 2 * CALL_STACK_STACKS)
		n_places = 2 * CALL_STACK_STACKS;
	if (!rebuild(stacks, n_places))
		return false;
	if (stacks->n >= CALL_STACK_STACKS)
		call_stacks_forget(stacks);
	return stacks->n_places > 0 || rebuild(stacks, FIRST_PLACES);
}

static struct call_stack *
new_stack(struct call_stacks *stacks, uint64_t who)
{
	struct call_stack *stack = NULL;
	if (stacks->room->n_entries < STACK_COST)
		call_stacks_forget(stacks);
	if (stacks->room->n_entries >= STACK_COST && make_place(stacks))
		stack = calloc(1, sizeof *stack);
	if (stack == NULL)
		return NULL;
	stacks->room->n_entries -= STACK_COST;
	stack->who = who;
	*place_of(stacks->table, stacks->n_places, who) = stack;
	stacks->n++;
	return stack;
}

static struct call_stack *
stack_of(struct call_stacks *stacks, uint64_t who)
{
	if (stacks->last != NULL && stacks->last->who == who)
		return stacks->last;
	struct call_stack *stack =
		stacks->n > 0 ? *place_of(stacks->table, stacks->n_places, who) : NULL;
	if (stack == NULL)
		stack = new_stack(stacks, who);
	return stacks->last = stack;
}

struct call_stack *
call_stack_begin(struct call_stacks *stacks, uint64_t who, uint32_t depth)
{
	struct call_stack *stack = stack_of(stacks, who);
	if (stack != NULL && calls_depth(calls_w2(0, stack->counted)) != depth) {
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
