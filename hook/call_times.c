/* SPDX-License-Identifier: MIT */
#include "call_times.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

#define MAX_DEPTH (1u << 20)
#define SEARCH_DEPTH 4096  /* how far down the call is looked for that ends */

void
call_times_free(struct call_times *times)
{
	free(times->stack);
	free(times->levels);
	memset(times, 0, sizeof *times);
}

void
call_times_reset(struct call_times *times)
{
	times->n = times->n_beyond = times->n_ids = 0;
	if (times->levels != NULL)
		memset(times->levels, 0, times->n_levels * sizeof *times->levels);
}

static bool
grow_stack(struct call_times *times)
{
	uint32_t room = times->room > 0 ? 2 * times->room : 256;
	if (room > MAX_DEPTH)
		return false;
	struct call_time *stack = realloc(times->stack, room * sizeof *stack);
	if (stack == NULL)
		return false;
	times->stack = stack;
	times->room = room;
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
	times->n_beyond++;
	return false;
}

bool
call_times_make_room(struct call_times *times, uint32_t id)
{
	if (times->n_beyond > 0)
		return beyond(times);
	int saved = errno;
	struct call_table *table = call_table_of(times);
	bool ok = id < load_acquire(&table->n) || session_reserve_call_stats(table, id);
	ok = ok && (times->n < times->room || grow_stack(times));
	ok = ok && (id < times->n_levels || grow_levels(times, id));
	errno = saved;
	if (!ok)
		return beyond(times);
	uint32_t n_stats = load_acquire(&table->n);
	times->n_ids = times->n_levels < n_stats ? times->n_levels : n_stats;
	return true;
}

void
call_times_look(struct call_times *times, uint64_t ticks)
{
	times->next_look = ticks + CALL_LOOK_TICKS;
	if (settings_changed())
		settings_refresh();
	else
		settings_check_lease();
}

bool
call_times_find(struct call_times *times, uint32_t id)
{
	if (times->n_beyond > 0) {
		times->n_beyond--;
		return false;
	}
	uint32_t lowest = times->n > SEARCH_DEPTH ? times->n - SEARCH_DEPTH : 0;
	uint32_t at = times->n;
	while (at > lowest && times->stack[at - 1].id != id)
		at--;
	if (at == lowest)
		return false;
	while (times->n > at)
		times->levels[times->stack[--times->n].id]--;
	return true;
}
