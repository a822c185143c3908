/* SPDX-License-Identifier: MIT */
#include "call_times.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call_adopted.h"
#include "settings.h"

#define FIRST_ROOM 32
#define MAX_DEPTH (1u << 20)
#define SEARCH_DEPTH 4096  /* how far down the call is looked for that ends */
#define OPEN_DEPTH 16384   /* how far down what is open is added up: some 0.1 ms */

void
call_times_free(struct call_times *times)
{
	free(times->open.calls);
	free(times->levels);
	memset(times, 0, sizeof *times);
}

void
call_times_reset(struct call_times *times)
{
	times->open.n = times->open.n_beyond = times->n_ids = 0;
	if (times->levels != NULL)
		memset(times->levels, 0, times->n_levels * sizeof *times->levels);
}

void
call_times_drop(struct call_times *times)
{
	for (uint32_t i = 0; i < times->open.n; i++)
		times->levels[call_time_id(&times->open.calls[i])]--;
	times->open.n = times->open.n_beyond = 0;
}

void
call_times_switch(struct call_times *times, struct call_shadow *from, const struct call_shadow *to)
{
	for (uint32_t i = 0; i < times->open.n; i++)
		times->levels[call_time_id(&times->open.calls[i])]--;
	*from = times->open;
	times->open = *to;
	for (uint32_t i = 0; i < times->open.n; i++)
		times->levels[call_time_id(&times->open.calls[i])]++;
}

static bool
grow_open(struct call_shadow *open)
{
	uint32_t room = open->room > 0 ? 2 * open->room : FIRST_ROOM;
	if (room > MAX_DEPTH)
		return false;
	struct call_time *calls = realloc(open->calls, room * sizeof *calls);
	if (calls == NULL)
		return false;
	open->calls = calls;
	open->room = room;
	return true;
}

static bool
grow_levels(struct call_times *times, uint32_t id)
{
	uint32_t n = (id / 1024 + 1) * 1024;
	uint32_t *levels = realloc(times->levels, n * sizeof *levels);
	if (levels == NULL)
		return false;
	memset(levels + times->n_levels, 0, (n - times->n_levels) * sizeof *levels);
	times->levels = levels;
	times->n_levels = n;
	return true;
}

static bool
beyond(struct call_times *times)
{
	session_lost(LOST_NO_MEMORY);
	times->open.n_beyond++;
	return false;
}

bool
call_times_has_room(struct call_times *times, uint32_t id)
{
	int saved = errno;
	struct call_table *table = call_table_of(times);
	bool ok = id < load_acquire(&table->n) || session_reserve_call_stats(table, id);
	ok = ok && (times->open.n < times->open.room || grow_open(&times->open));
	ok = ok && (id < times->n_levels || grow_levels(times, id));
	errno = saved;
	if (!ok)
		return false;
	uint32_t n_stats = load_acquire(&table->n);
	times->n_ids = times->n_levels < n_stats ? times->n_levels : n_stats;
	return true;
}

bool
call_times_make_room(struct call_times *times, uint32_t id)
{
	return (times->open.n_beyond == 0 && call_times_has_room(times, id)) || beyond(times);
}

/*
 * From the innermost on. Below OPEN_DEPTH, calls have to end; the lowest of the others is one of
 * theirs.
 */
static void
add_open(struct call_times *times, uint64_t ticks)
{
	struct call_time *calls = times->open.calls;
	const struct call_table *table = call_table_of(times);
	uint32_t n = times->open.n, lowest = n > OPEN_DEPTH ? n - OPEN_DEPTH : 0, i;
	uint64_t whole = 0;
	for (i = n; i > lowest; i--) {
		struct call_time *call = &calls[i - 1];
		uint64_t inner = call->inner + whole;
		whole = call_time_since(call, ticks);
		call_times_add(table, call, --times->levels[call_time_id(call)] == 0, whole, inner);
		call->began = ticks;
		call->inner = 0;
	}
	if (lowest > 0)
		calls[lowest - 1].inner += whole;
	for (i = lowest; i < n; i++)
		times->levels[call_time_id(&calls[i])]++;
}

void
call_times_look(struct call_times *times, uint64_t ticks)
{
	times->open.next_look = ticks + CALL_LOOK_TICKS;
	call_adopted_drop_ended(times);
	add_open(times, ticks);
	if (settings_changed())
		settings_refresh();
	else
		settings_check_lease();
}

bool
call_times_find(struct call_times *times, uint32_t id)
{
	if (times->open.n_beyond > 0) {
		times->open.n_beyond--;
		return false;
	}
	struct call_shadow *open = &times->open;
	uint32_t lowest = open->n > SEARCH_DEPTH ? open->n - SEARCH_DEPTH : 0;
	uint32_t at = open->n;
	while (at > lowest && call_time_id(&open->calls[at - 1]) != id)
		at--;
	if (at == lowest)
		return false;
	while (open->n > at)
		times->levels[call_time_id(&open->calls[--open->n])]--;
	return true;
}
