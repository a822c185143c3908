/* SPDX-License-Identifier: MIT */
#include "call_times.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

#define MAX_DEPTH (1u << 20)
#define SEARCH_DEPTH 4096  /* how far down the call is looked for that ends */
#define LOOK_TICKS (1u << 30) /* a third of a second, or one */

static pthread_key_t end_key;
static bool end_key_made;

static void
free_times(void *value)
{
	struct call_times *times = value;
	free(times->stack);
	free(times->levels);
	memset(times, 0, sizeof *times);
}

void
call_times_reset(struct call_times *times)
{
	times->n = times->n_beyond = 0;
	if (times->levels != NULL)
		memset(times->levels, 0, times->n_levels * sizeof *times->levels);
}

/* Freed with the thread: without that, nothing is kept for it. */
static bool
will_be_freed(struct call_times *times)
{
	if (times->stack != NULL)
		return true;
	if (!end_key_made)
		end_key_made = pthread_key_create(&end_key, free_times) == 0;
	return end_key_made && pthread_setspecific(end_key, times) == 0;
}

static bool
grow_stack(struct call_times *times)
{
	uint32_t room = times->room > 0 ? 2 * times->room : 256;
	if (room > MAX_DEPTH || !will_be_freed(times))
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

static __attribute__((noinline)) bool
make_room(struct call_times *times, uint32_t id)
{
	int saved = errno;
	bool ok = id < session.n_call_stats || session_reserve_call_stats(id);
	ok = ok && (times->n < times->room || grow_stack(times));
	ok = ok && (id < times->n_levels || grow_levels(times, id));
	errno = saved;
	if (ok)
		return true;
	session_lost(LOST_NO_MEMORY);
	times->n_beyond++;
	return false;
}

static __attribute__((noinline)) void
look(struct call_times *times, uint64_t ticks)
{
	times->next_look = ticks + LOOK_TICKS;
	if (settings_changed())
		settings_refresh();
	else
		settings_check_lease();
}

void
call_times_begin(struct call_times *times, uint32_t id)
{
	bool room = id < session.n_call_stats && times->n < times->room && id < times->n_levels &&
		    times->n_beyond == 0;
	if (unlikely(!room)) {
		if (times->n_beyond > 0) {
			times->n_beyond++;
			session_lost(LOST_NO_MEMORY);
			return;
		}
		if (!make_room(times, id))
			return;
	}
	struct call_stats *stats = &session.call_stats[id];
	bump(&stats->calls);
	if (times->levels[id]++ == 0)
		bump(&stats->primitive);
	struct call_time *top = &times->stack[times->n++];
	top->id = id;
	top->inner = 0;
	uint64_t ticks = clock_ticks(session.clock_kind);
	top->began = ticks;
	if (unlikely((int64_t)(ticks - times->next_look) >= 0))
		look(times, ticks);
}

/* The one that ends is not the innermost: those above it have left no trace of their end. */
static bool
find(struct call_times *times, uint32_t id)
{
	uint32_t lowest = times->n > SEARCH_DEPTH ? times->n - SEARCH_DEPTH : 0;
	uint32_t at = times->n;
	while (at > lowest && times->stack[at - 1].id != id)
		at--;
	if (at == lowest)
		return false; /* it began before we came */
	while (times->n > at)
		times->levels[times->stack[--times->n].id]--;
	return true;
}

void
call_times_end(struct call_times *times, uint32_t id)
{
	uint64_t ticks = clock_ticks(session.clock_kind);
	if (unlikely(times->n_beyond > 0)) {
		times->n_beyond--;
		return;
	}
	if (unlikely(times->n == 0 || times->stack[times->n - 1].id != id) && !find(times, id))
		return;
	struct call_time *top = &times->stack[--times->n];
	struct call_stats *stats = &session.call_stats[id];
	uint64_t whole = ticks - top->began;
	if (unlikely((int64_t)whole < 0)) /* clocks of two processors */
		whole = 0;
	uint64_t own = whole > top->inner ? whole - top->inner : 0;
	store_relaxed(&stats->own_ticks, load_relaxed(&stats->own_ticks) + own);
	if (--times->levels[id] == 0)
		store_relaxed(&stats->cum_ticks, load_relaxed(&stats->cum_ticks) + whole);
	if (times->n > 0)
		times->stack[times->n - 1].inner += whole;
}
