/* SPDX-License-Identifier: MIT */
/* A return finds its call or says that it does not know; it never takes another's. */
#include "call_stack.h"

#include "record.h"
#include "suite.h"

static struct call_room room;
static struct call_stacks stacks;

static void
begin(size_t n_entries)
{
	room.n_entries = n_entries;
	call_stacks_init(&stacks, &room);
}

/* Everything that was taken is given back. */
static void
end(size_t n_entries)
{
	call_stacks_fini(&stacks);
	NEED(room.n_entries == n_entries);
}

#define UNKNOWN UINT64_MAX

/* The depth at the return and how long the call took. */
static void
pop(struct call_stack *stack, uint32_t id, bool is_c, uint64_t now, uint32_t depth, uint64_t ticks)
{
	bool known;
	uint64_t took = UNKNOWN;
	const struct call_end end = {.id = id, .is_c = is_c, .ticks = now};
	uint32_t at = call_stack_pop(stack, &end, &took, &known);
	NEED_MSG(at == depth, "depth %u, not %u", at, depth);
	NEED_MSG(known == (ticks != UNKNOWN) && took == ticks, "%ld ticks, not %ld", (long)took,
		 (long)ticks);
}

static void
need_pop(struct call_stack *stack, uint32_t id, uint64_t now, uint32_t depth, uint64_t ticks)
{
	pop(stack, id, false, now, depth, ticks);
}

START_TEST(a_return_has_the_time_since_its_own_call)
{
	begin(1000);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 0);
	NEED(call_stack_push(&stacks, stack, 1, false, 100) == 1);
	NEED(call_stack_push(&stacks, stack, 2, false, 110) == 2);
	NEED(call_stack_push(&stacks, stack, 1, false, 120) == 3); /* recursive */
	need_pop(stack, 1, 150, 3, 30);
	need_pop(stack, 2, 160, 2, 50);
	NEED(call_stack_push(&stacks, stack, 3, false, 170) == 2);
	need_pop(stack, 3, 160, 2, 0); /* another processor's clock is a little behind */
	need_pop(stack, 1, 180, 1, 80);
	end(1000);
}
END_TEST

START_TEST(what_began_before_we_came_has_no_time)
{
	begin(1000);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 2);
	NEED(call_stack_push(&stacks, stack, 1, false, 100) == 3);
	need_pop(stack, 1, 101, 3, 1);
	need_pop(stack, 9, 102, 2, UNKNOWN);
	NEED(call_stack_push(&stacks, stack, 1, false, 103) == 2);
	need_pop(stack, 1, 104, 2, 1);
	need_pop(stack, 8, 105, 1, UNKNOWN);
	need_pop(stack, 8, 106, 1, UNKNOWN); /* more returns than there can be */
	NEED(call_stack_push(&stacks, stack, 1, false, 107) == 1);
	end(1000);
}
END_TEST

START_TEST(another_depth_than_ours_means_that_we_know_nothing)
{
	begin(1000);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 0);
	call_stack_push(&stacks, stack, 1, false, 100);
	call_stack_push(&stacks, stack, 2, false, 100);
	NEED(call_stack_begin(&stacks, 7, 2) == stack);
	need_pop(stack, 2, 101, 2, 1);
	stack = call_stack_begin(&stacks, 7, 2);
	need_pop(stack, 1, 102, 2, UNKNOWN);
	end(1000);
}
END_TEST

START_TEST(calls_that_never_told_their_end_are_given_up)
{
	begin(1000);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 1);
	call_stack_push(&stacks, stack, 1, false, 100);
	call_stack_push(&stacks, stack, 2, false, 110);
	call_stack_push(&stacks, stack, 3, false, 120);
	need_pop(stack, 1, 200, 2, 100);
	need_pop(stack, 2, 201, 1, UNKNOWN);
	end(1000);
}
END_TEST

START_TEST(what_unwinds_and_had_not_begun_ends_nothing)
{
	const struct call_end phantom = {.id = 9, .unwinds = true, .ticks = 120};
	uint64_t took;
	bool known;
	begin(1000);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 1);
	call_stack_push(&stacks, stack, 1, false, 100);
	call_stack_push(&stacks, stack, 2, false, 110);
	for (unsigned i = 0; i < 5; i++) {
		NEED(call_stack_pop(stack, &phantom, &took, &known) == 4 && !known);
		stack = call_stack_begin(&stacks, 7, i < 2 ? 2 - i : 0); /* as the hook counts */
	}
	NEED(call_stack_push(&stacks, stack, 3, false, 130) == 4);
	stack = call_stack_begin(&stacks, 7, 1);
	need_pop(stack, 3, 140, 4, 10);
	need_pop(stack, 2, 150, 3, 40);
	need_pop(stack, 1, 160, 2, 60);
	/* Of those that were not seen to begin it may be one. */
	NEED(call_stack_pop(stack, &phantom, &took, &known) == 1 && !known);
	NEED(call_stack_push(&stacks, stack, 1, false, 170) == 1);
	end(1000);
}
END_TEST

START_TEST(a_c_function_ends_no_python_function)
{
	begin(1000);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 1);
	call_stack_push(&stacks, stack, 8, true, 100);
	call_stack_push(&stacks, stack, 9, true, 110);
	pop(stack, 8, true, 120, 2, 20); /* with the one that it called */
	call_stack_push(&stacks, stack, 8, true, 130);
	call_stack_push(&stacks, stack, 1, false, 140);
	pop(stack, 8, true, 150, 3, UNKNOWN);
	need_pop(stack, 1, 160, 2, 20);
	pop(stack, 8, true, 170, 1, 40);
	end(1000);
}
END_TEST

/* They share id 0, and need not be the same. */
START_TEST(a_function_without_a_name_is_paired_with_the_innermost_call_alone)
{
	begin(1000);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 0);
	call_stack_push(&stacks, stack, 0, false, 100);
	need_pop(stack, 0, 101, 1, 1);
	call_stack_push(&stacks, stack, 0, false, 102);
	call_stack_push(&stacks, stack, 1, false, 103);
	need_pop(stack, 0, 104, 2, UNKNOWN);
	end(1000);
}
END_TEST

START_TEST(threads_do_not_see_each_others_calls)
{
	begin(CALL_STACK_ENTRIES);
	for (uint32_t tid = 1; tid <= 1000; tid++)
		call_stack_push(&stacks, call_stack_begin(&stacks, tid, 0), 5, false, tid);
	for (uint32_t tid = 1; tid <= 1000; tid++)
		need_pop(call_stack_begin(&stacks, tid, 1), 5, 2000, 1, 2000 - tid);
	call_stack_push(&stacks, call_stack_begin(&stacks, 1, 0), 5, false, 1);
	call_stack_push(&stacks, call_stack_begin(&stacks, 2, 0), 5, false, 1);
	call_stacks_forget(&stacks);
	need_pop(call_stack_begin(&stacks, 1, 1), 5, 2, 1, UNKNOWN);
	need_pop(call_stack_begin(&stacks, 2, 1), 5, 2, 1, UNKNOWN);
	end(CALL_STACK_ENTRIES);
}
END_TEST

START_TEST(threads_that_ended_make_room_for_new_ones)
{
	begin(CALL_STACK_ENTRIES);
	call_stack_push(&stacks, call_stack_begin(&stacks, 1, 0), 5, false, 10);
	for (uint32_t tid = 2; tid < 20 * CALL_STACK_STACKS; tid++) {
		struct call_stack *stack = call_stack_begin(&stacks, tid, 0);
		call_stack_push(&stacks, stack, 5, false, 10);
		need_pop(stack, 5, 11, 1, 1);
		NEED(stacks.n <= CALL_STACK_STACKS);
	}
	need_pop(call_stack_begin(&stacks, 1, 1), 5, 15, 1, 5);
	end(CALL_STACK_ENTRIES);
}
END_TEST

/* The depth stays right, whatever is forgotten. */
START_TEST(a_stack_deeper_than_the_room_forgets_its_outer_calls)
{
	begin(300);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 0);
	for (uint32_t i = 1; i <= 1000; i++)
		NEED(call_stack_push(&stacks, stack, i, false, i) == i);
	NEED(call_stack_begin(&stacks, 7, 1000) == stack);
	need_pop(stack, 1000, 1001, 1000, 1);
	for (uint32_t i = 999; i > 0; i--) {
		bool known;
		uint64_t took = UNKNOWN;
		const struct call_end end = {.id = i, .ticks = 2000};
		NEED(call_stack_pop(stack, &end, &took, &known) == i);
		NEED(!known || took == 2000 - i);
		NEED(!known || i > 700);
	}
	end(300);
}
END_TEST

START_TEST(a_depth_that_its_field_has_no_room_for_is_no_contradiction)
{
	begin(CALL_STACK_ENTRIES);
	struct call_stack *stack = call_stack_begin(&stacks, 7, CALLS_DEPTH_MAX - 1);
	NEED(call_stack_push(&stacks, stack, 1, false, 1) == CALLS_DEPTH_MAX);
	NEED(call_stack_push(&stacks, stack, 2, false, 2) == CALLS_DEPTH_MAX + 1);
	NEED(call_stack_begin(&stacks, 7, CALLS_DEPTH_MAX) == stack);
	need_pop(stack, 2, 5, CALLS_DEPTH_MAX + 1, 3);
	NEED(call_stack_begin(&stacks, 7, CALLS_DEPTH_MAX) == stack);
	need_pop(stack, 1, 5, CALLS_DEPTH_MAX, 4);
	end(CALL_STACK_ENTRIES);
}
END_TEST

START_TEST(without_any_room_nothing_is_known_and_nothing_breaks)
{
	begin(0);
	struct call_stack *stack = call_stack_begin(&stacks, 7, 3);
	NEED(stack == NULL);
	call_stack_push(&stacks, stack, 1, false, 1);
	need_pop(stack, 1, 2, 1, UNKNOWN);
	end(0);
	begin(10); /* of one thread, and none of its calls */
	stack = call_stack_begin(&stacks, 7, 3);
	NEED(call_stack_push(&stacks, stack, 1, false, 1) == 4);
	need_pop(stack, 1, 2, 4, UNKNOWN);
	NEED(call_stack_begin(&stacks, 8, 0) != NULL && stacks.n == 1);
	end(10);
}
END_TEST

START_TEST(hostile_threads_and_depths_cost_no_more_than_the_room)
{
	struct dice dice = {.state = 3};
	begin(5000);
	for (int i = 0; i < 300000; i++) {
		bool known;
		uint64_t took;
		struct call_stack *stack =
			call_stack_begin(&stacks, dice_below(&dice, 700) * 65537,
					 dice_below(&dice, 3) ? dice_below(&dice, 4) : UINT32_MAX);
		for (unsigned n = dice_below(&dice, 8); n > 0; n--)
			call_stack_push(&stacks, stack, dice_below(&dice, 9),
					dice_below(&dice, 2), dice_u64(&dice));
		for (unsigned n = dice_below(&dice, 8); n > 0; n--) {
			const struct call_end one = {dice_below(&dice, 9), dice_below(&dice, 2),
						     dice_below(&dice, 2), dice_u64(&dice)};
			call_stack_pop(stack, &one, &took, &known);
		}
		NEED(room.n_entries <= 5000);
	}
	end(5000);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("call_stack");
	tcase_add_test(tc, a_return_has_the_time_since_its_own_call);
	tcase_add_test(tc, what_began_before_we_came_has_no_time);
	tcase_add_test(tc, another_depth_than_ours_means_that_we_know_nothing);
	tcase_add_test(tc, calls_that_never_told_their_end_are_given_up);
	tcase_add_test(tc, what_unwinds_and_had_not_begun_ends_nothing);
	tcase_add_test(tc, a_c_function_ends_no_python_function);
	tcase_add_test(tc, a_function_without_a_name_is_paired_with_the_innermost_call_alone);
	tcase_add_test(tc, threads_do_not_see_each_others_calls);
	tcase_add_test(tc, threads_that_ended_make_room_for_new_ones);
	tcase_add_test(tc, a_stack_deeper_than_the_room_forgets_its_outer_calls);
	tcase_add_test(tc, a_depth_that_its_field_has_no_room_for_is_no_contradiction);
	tcase_add_test(tc, without_any_room_nothing_is_known_and_nothing_breaks);
	tcase_add_test(tc, hostile_threads_and_depths_cost_no_more_than_the_room);
	return suite_run("call_stack", tc);
}
