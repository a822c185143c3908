/* SPDX-License-Identifier: MIT */
/* The account of a tracee: what became of every event, and how often each was raised or called. */
#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "counters.h"
#include "event_levels.h"
#include "tracee_state.h"

void
tracee_emitted(struct tracee *tracee, uint64_t n)
{
	tracee->emitted += n;
}

void
tracee_filtered(struct tracee *tracee, uint64_t n)
{
	tracee->filtered += n;
}

static uint64_t *
read_counters(struct tracee *tracee, uint32_t *n_ids)
{
	symbols_refresh(tracee->symbols);
	*n_ids = symbols_end(tracee->symbols);
	if (*n_ids > tracee->segment.header.n_ids)
		*n_ids = tracee->segment.header.n_ids;
	uint64_t *sums = calloc(*n_ids + 1, sizeof *sums);
	if (sums != NULL)
		counters_sum(tracee->segment.fd, &tracee->segment.at, tracee->n_lanes, sums, *n_ids);
	return sums;
}

/* NULL: it has none, or no memory. */
static struct call_stats *
read_stats(struct tracee *tracee, uint32_t *n_ids)
{
	const struct segment_header *header = &tracee->segment.header;
	symbols_refresh(tracee->symbols);
	*n_ids = symbols_end(tracee->symbols);
	if (*n_ids > header->n_ids)
		*n_ids = header->n_ids;
	if (*n_ids == 0)
		*n_ids = 1; /* what found no definition */
	/* Of what is zero there is no memory: a hostile header may have a million ids. */
	struct call_stats *stats = calloc(*n_ids, sizeof *stats);
	if (stats != NULL)
		counters_calls(tracee->segment.fd, &tracee->segment.at, stats, *n_ids);
	return stats;
}

static uint64_t
sum_calls(struct tracee *tracee)
{
	uint32_t n_ids = 0;
	uint64_t sum = 0;
	struct call_stats *stats = read_stats(tracee, &n_ids);
	for (uint32_t id = 0; stats != NULL && id < n_ids; id++)
		sum += stats[id].calls;
	free(stats);
	return sum;
}

/*
 * Events of a lane that have a counter: not the calls, returns and notices. Both words at one
 * moment, unless the hook is faster than that.
 */
static uint64_t
audit_events(const struct lane_shared *shared)
{
	uint64_t calls = load_acquire(&shared->calls), seq = 0;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t before = calls;
		seq = load_acquire(&shared->seq);
		calls = load_acquire(&shared->calls);
		if (calls == before)
			break;
	}
	return seq > calls ? seq - calls : 0;
}

/*
 * As of what was read: events that wait in the lanes are not in it yet. An event counts
 * before it takes its number, so the numbers are read first.
 */
void
tracee_account(struct tracee *tracee, struct account *account)
{
	uint64_t audits = 0, counters = 0;
	uint32_t n_ids;
	memset(account, 0, sizeof *account);
	account->emitted = tracee->emitted;
	account->filtered = tracee->filtered;
	account->ring_slots = tracee->segment.header.lane0_slots;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		account->lost_hook += account->lost[i] = tracee->lost[i];
	for (uint32_t i = 0; i < tracee->n_lanes; i++) {
		const struct drain *drain = tracee->lanes[i];
		uint64_t most = load_relaxed(&drain->shared->high_water);
		audits += audit_events(drain->shared);
		account->recorded += drain->next_seq - drain_dropped(drain);
		account->filtered += drain->before_events;
		account->lost_hook += drain_dropped(drain);
		account->lost_collector += drain_lost(drain);
		for (unsigned k = 0; k < N_LOST_REASONS; k++)
			account->lost[k] +=
				(k < LANE_DROP_REASONS ? drain->dropped[k] : 0) + drain->lost[k];
		if (most > drain->reader.n_slots || most < drain->most_unread)
			most = drain->most_unread;
		if (most > account->high_water_slots)
			account->high_water_slots = most;
	}
	uint64_t *sums = read_counters(tracee, &n_ids);
	for (uint32_t id = 0; sums != NULL && id < n_ids; id++)
		counters += sums[id];
	free(sums);
	account->counted = (counters > audits ? counters - audits : 0) + sum_calls(tracee);
	account->attempted = account->counted + account->recorded + account->lost_hook;
}

void
tracee_counts(struct tracee *tracee, tracee_count_fn fn, void *context)
{
	uint32_t n_ids;
	uint64_t *sums = read_counters(tracee, &n_ids);
	uint8_t *levels = malloc(n_ids + 1);
	if (levels != NULL)
		event_levels_read(tracee->segment.fd, &tracee->segment.header, &tracee->segment.at,
				tracee->symbols, levels, n_ids);
	for (uint32_t id = 0; sums != NULL && levels != NULL && id < n_ids; id++) {
		const struct symbol_event *event = symbols_event(tracee->symbols, id);
		if (sums[id] > 0 && (event != NULL || id == 0))
			fn(context, event != NULL ? event->name : "?", (enum level)levels[id],
			   sums[id]);
	}
	free(levels);
	free(sums);
}

/* ---- functions ---- */

/* So that what a hostile program claims can be added up. */
static uint64_t
at_most(uint64_t n)
{
	return n < UINT64_C(1) << 53 ? n : (UINT64_C(1) << 53) - 1;
}

static struct function_sums
sums_of(const struct tracee *tracee, const struct call_stats *stats)
{
	enum clock_kind kind = (enum clock_kind)tracee->segment.header.clock_kind;
	return (struct function_sums){
		.has_times = call_stats_timed(stats),
		.calls = at_most(stats->calls),
		.primitive = at_most(stats->primitive),
		.own_ns = at_most(calibrate_duration(kind, stats->own_ticks)),
		.cum_ns = at_most(calibrate_duration(kind, stats->cum_ticks)),
	};
}

static uint64_t
more(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/* In ticks: as times, each of them large, they would differ by what the clock's rate has become. */
static struct call_stats
gained(const struct stats_then *then, uint32_t id, const struct call_stats *now)
{
	if (id >= then->n)
		return *now;
	const struct call_stats *was = &then->stats[id];
	return (struct call_stats){
		.calls = more(now->calls, was->calls),
		.primitive = more(now->primitive, was->primitive),
		.own_ticks = more(now->own_ticks, was->own_ticks),
		.cum_ticks = more(now->cum_ticks, was->cum_ticks),
	};
}

static bool
has_changed(const struct stats_then *then, uint32_t id, const struct call_stats *now)
{
	return id >= then->n || memcmp(&then->stats[id], now, sizeof *now) != 0;
}

/* Without the zeroes at the end, which are all of it when no calls are summed up. */
static void
keep_stats(struct stats_then *then, struct call_stats *stats, uint32_t n)
{
	while (n > 0 && call_stats_empty(&stats[n - 1]))
		n--;
	struct call_stats *less = realloc(stats, (n + 1) * sizeof *stats);
	free(then->stats);
	*then = (struct stats_then){less != NULL ? less : stats, n};
}

void
tracee_note_functions(struct tracee *tracee)
{
	uint32_t n = 0;
	struct call_stats *stats = read_stats(tracee, &n);
	keep_stats(&tracee->came, stats, stats != NULL ? n : 0);
}

void
tracee_functions(struct tracee *tracee, enum which_functions which, tracee_function_fn fn,
		 void *context)
{
	uint32_t n_ids = 0;
	struct call_stats *stats = read_stats(tracee, &n_ids);
	bool told = which == FUNCTIONS_CHANGED && tracee->told.stats != NULL;
	const struct stats_then *then = told ? &tracee->told : &tracee->came;
	if (stats == NULL)
		return;
	for (uint32_t id = 0; id < n_ids; id++) {
		const struct function *function = symbols_function(tracee->symbols, id);
		if (call_stats_empty(&stats[id]) || function == NULL || !has_changed(then, id, &stats[id]))
			continue;
		struct call_stats what = stats[id];
		if (which == FUNCTIONS_GAINED)
			what = gained(then, id, &stats[id]);
		struct function_sums sums = sums_of(tracee, &what);
		sums.has_times = call_stats_timed(&stats[id]);
		fn(context, function, &sums);
	}
	if (which == FUNCTIONS_CHANGED)
		keep_stats(&tracee->told, stats, n_ids);
	else
		free(stats);
}

void
tracee_functions_seen(struct tracee *tracee, tracee_function_fn fn, void *context)
{
	for (uint32_t id = 0; id < symbols_end(tracee->symbols) || id == 0; id++) {
		const struct function *function = symbols_function(tracee->symbols, id);
		if (function == NULL || function->n_calls == 0)
			continue;
		struct function_sums sums = {.calls = function->n_calls};
		fn(context, function, &sums);
	}
}

uint64_t
tracee_calls(struct tracee *tracee)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < tracee->n_lanes; i++) {
		const struct drain *drain = tracee->lanes[i];
		uint64_t seq = load_relaxed(&drain->shared->seq);
		n += load_relaxed(&drain->shared->calls);
		if ((int64_t)(drain->next_seq - seq) > 0)
			n += drain->next_seq - seq; /* of the slot that is open */
	}
	n -= n < tracee->n_notices ? n : tracee->n_notices;
	return n + sum_calls(tracee);
}

bool
tracee_traces_calls(const struct tracee *tracee)
{
	return load_relaxed(&tracee->segment.shared->calls_level) != CALL_LEVEL_OFF;
}
