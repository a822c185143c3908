/* SPDX-License-Identifier: MIT */
/* The account of a tracee: what became of every event, and how often each was raised. */
#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "counters.h"
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
	uint64_t *sums = malloc((*n_ids + 1) * sizeof *sums);
	if (sums != NULL)
		counters_sum(tracee->segment.fd, &tracee->segment.at, tracee->n_lanes, sums, *n_ids);
	return sums;
}

/*
 * As of what was read: events that wait in the lanes are not in it yet. An event counts
 * before it takes its number, so the numbers are read first.
 */
void
tracee_account(struct tracee *tracee, struct account *account)
{
	uint64_t seqs = 0, counters = 0;
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
		seqs += load_acquire(&drain->shared->seq);
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
	account->counted = counters > seqs ? counters - seqs : 0;
	account->attempted = account->counted + account->recorded + account->lost_hook;
}

void
tracee_counts(struct tracee *tracee, tracee_count_fn fn, void *context)
{
	uint32_t n_ids;
	uint64_t *sums = read_counters(tracee, &n_ids);
	uint8_t *levels = malloc(n_ids + 1);
	if (levels != NULL)
		counters_levels(tracee->segment.fd, &tracee->segment.at, levels, n_ids);
	for (uint32_t id = 0; sums != NULL && levels != NULL && id < n_ids; id++) {
		const struct symbol_event *event = symbols_event(tracee->symbols, id);
		if (sums[id] > 0 && (event != NULL || id == 0))
			fn(context, event != NULL ? event->name : "?", (enum level)levels[id],
			   sums[id]);
	}
	free(levels);
	free(sums);
}
