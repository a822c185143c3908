/* SPDX-License-Identifier: MIT */
#include "watched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "event_levels.h"
#include "defs.h"
#include "identity.h"
#include "proc.h"
#include "saturating.h"

/* ---- moments ---- */

static void
moment_fini(struct moment *moment)
{
	free(moment->counts);
	free(moment->stats);
	*moment = (struct moment){0};
}

uint64_t
moment_count(const struct moment *moment, uint32_t id)
{
	return moment->counts != NULL && id < moment->n_ids ? moment->counts[id] : 0;
}

struct call_stats
moment_stats(const struct moment *moment, uint32_t id)
{
	if (moment->stats != NULL && id < moment->n_ids)
		return moment->stats[id];
	return (struct call_stats){0};
}

uint64_t
tally_lost(const struct tally *tally)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		n = plus(n, i == LOST_NO_READER ? 0 : tally->lost[i]);
	return n;
}

bool
selection_has(const struct selection *selection, const char *key, uint32_t uid)
{
	return (selection->key == NULL || strcmp(selection->key, key) == 0) &&
	       (!selection->by_user || selection->uid == uid);
}

/* ---- coming and going ---- */

int
watched_open(struct watched **result, struct segment_found *found, struct place *place, char *why,
	     size_t why_bytes)
{
	struct stat st;
	struct watched *watched = calloc(1, sizeof *watched);
	if (watched == NULL)
		return -ENOMEM;
	int err = discover_header(found, &watched->header);
	if (err == 0)
		err = fstat(found->fd, &st) < 0 ? -errno
						: segment_check(&watched->header, (uint64_t)st.st_size,
								why, why_bytes);
	if (err != 0) {
		free(watched);
		return err > 0 ? DISCOVER_LATER : err;
	}
	watched->at = segment_layout(&watched->header);
	/* Sixteen MiB of address space, and as much memory as there are definitions: calloc(3) takes
	 * and clears all of it, once such a block has been freed. */
	watched->defs = mmap(NULL, watched->header.defs_bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (watched->defs == MAP_FAILED)
		watched->defs = NULL;
	else
		watched->symbols = symbols_new(watched->defs, watched->header.defs_bytes,
					       watched->header.n_ids);
	if (watched->symbols == NULL) {
		watched_close(watched);
		return -ENOMEM;
	}
	key_format(watched->key, found->name_pid, watched->header.start_time, found->nonce);
	watched->place = place;
	if (place != NULL)
		place->n_users++;
	watched->found = *found;
	found->fd = found->maps = -1;
	memset(&found->identity, 0, sizeof found->identity);
	*result = watched;
	return 0;
}

void
watched_close(struct watched *watched)
{
	if (watched->symbols != NULL) {
		symbols_free(watched->symbols);
		discover_fini(&watched->found);
	}
	if (watched->place != NULL)
		watched->place->n_users--;
	if (watched->defs != NULL)
		munmap(watched->defs, watched->header.defs_bytes);
	free(watched->levels);
	moment_fini(&watched->now);
	moment_fini(&watched->before);
	moment_fini(&watched->base);
	free(watched);
}

uint32_t
watched_pid(const struct watched *watched)
{
	const struct identity *identity = &watched->found.identity;
	return identity->alive ? identity->pid : watched->found.name_pid;
}

bool
watched_runs(const struct watched *watched)
{
	return watched->found.identity.alive && watched->found.maps >= 0 &&
	       proc_alive(watched->found.maps);
}

/* ---- a look ---- */

void
watched_define(struct watched *watched)
{
	uint64_t *taken = (uint64_t *)(void *)watched->defs, used = *taken;
	uint64_t room = watched->header.defs_bytes - DEFS_HEAD_BYTES, there;
	off_t at = (off_t)watched->at.defs;
	if (pread(watched->found.fd, &there, sizeof there, at) != sizeof there || there > room ||
	    there <= used)
		return;
	ssize_t n = pread(watched->found.fd, watched->defs + DEFS_HEAD_BYTES + used, there - used,
			  at + DEFS_HEAD_BYTES + (off_t)used);
	if (n != (ssize_t)(there - used))
		return;
	*taken = there;
	symbols_refresh(watched->symbols);
}

/* Of one that was gone when we came the kernel said nothing: who it was it said itself. */
static void
identify(struct watched *watched)
{
	struct identity *identity = &watched->found.identity;
	size_t n;
	const char *process = symbols_process(watched->symbols, &n);
	if (identity->argv != NULL || n == 0)
		return;
	if (!identity->alive) {
		identity->ppid = watched->header.ppid;
		identity->start_time = watched->header.start_time;
	}
	free(identity->exe);
	free(identity->cwd);
	identity_from_process(identity, process, n);
}

static void
look_at_ring(struct watched *watched, uint32_t lane, const struct lane_shared *shared)
{
	uint64_t slots = lane == 0 ? watched->header.lane0_slots : watched->header.other_slots;
	uint64_t unread = shared->head - shared->tail;
	if (unread > slots)
		unread = slots;
	/* In the share of the ring that is taken, a / b > c / d. */
	if (watched->ring_slots == 0 || unread * watched->ring_slots > watched->unread_slots * slots) {
		watched->unread_slots = unread;
		watched->ring_slots = slots;
	}
	uint64_t most = shared->high_water > unread ? shared->high_water : unread;
	if (most > slots)
		most = slots;
	if (most > watched->high_water_slots)
		watched->high_water_slots = most;
}

/*
 * The hook adds to the counter, then to seq, then to head or dropped: read the other way round,
 * each is at least what the one before explains.
 */
static void
look_at_lanes(struct watched *watched, struct tally *tally)
{
	int fd = watched->found.fd;
	uint64_t used = 0;
	size_t at = offsetof(struct segment_header, lanes_used);
	if (pread(fd, &used, sizeof used, (off_t)at) != sizeof used || used > watched->header.n_lanes)
		used = watched->header.n_lanes;
	watched->n_lanes = (uint32_t)used;
	watched->unread_slots = watched->ring_slots = 0;
	for (uint32_t i = 0; i < watched->n_lanes; i++) {
		struct lane_shared late = {0}, early = {0};
		off_t lane = (off_t)segment_lane_offset(&watched->at, i);
		if (pread(fd, &late, sizeof late, lane) < 0 || pread(fd, &early, sizeof early, lane) < 0)
			continue;
		uint64_t dropped = 0;
		for (unsigned k = 0; k < LANE_DROP_REASONS; k++) {
			tally->lost[k] = plus(tally->lost[k], late.dropped[k]);
			dropped = plus(dropped, late.dropped[k]);
		}
		tally->recorded = plus(tally->recorded, less(plus(early.seq, 0), dropped));
		tally->call_events = plus(tally->call_events, early.calls);
		tally->slots = plus(tally->slots, late.head);
		look_at_ring(watched, i, &late);
	}
}

static void
look_at_losses(struct watched *watched, struct tally *tally)
{
	uint64_t lost[N_LOST_REASONS] = {0};
	size_t at = offsetof(struct segment_header, lost);
	if (pread(watched->found.fd, lost, sizeof lost, (off_t)at) < 0)
		return;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		tally->lost[i] = plus(tally->lost[i], lost[i]);
}

static void
look_at_counters(struct watched *watched, struct moment *now)
{
	uint32_t n = symbols_end(watched->symbols);
	if (n > watched->header.n_ids)
		n = watched->header.n_ids;
	if (n == 0)
		n = 1; /* what found no definition */
	now->counts = calloc(n, sizeof *now->counts);
	now->stats = calloc(n, sizeof *now->stats);
	uint8_t *levels = realloc(watched->levels, n);
	if (levels != NULL)
		watched->levels = levels;
	if (now->counts == NULL || levels == NULL) {
		moment_fini(now);
		return;
	}
	now->n_ids = n;
	counters_sum(watched->found.fd, &watched->at, watched->n_lanes, now->counts, n);
	event_levels_read(watched->found.fd, &watched->header, &watched->at, watched->symbols, levels, n);
	if (now->stats != NULL)
		counters_calls(watched->found.fd, &watched->at, now->stats, n);
}

static void
add_up(const struct watched *watched, struct moment *now)
{
	struct tally *tally = &now->tally;
	for (uint32_t id = 0; id < now->n_ids; id++) {
		const struct symbol_event *event = symbols_event(watched->symbols, id);
		enum category category = event != NULL && event->info != NULL
						 ? (enum category)event->info->category
						 : CATEGORY_CUSTOM;
		tally->events = plus(tally->events, now->counts[id]);
		tally->by_category[category] = plus(tally->by_category[category], now->counts[id]);
		if (now->stats != NULL)
			tally->calls = plus(tally->calls, now->stats[id].calls);
	}
}

static void
look_at_process(struct watched *watched, uint64_t now_ns)
{
	const struct identity *identity = &watched->found.identity;
	if (watched->ended_ns != 0)
		return;
	watched->n_threads = 0;
	if (!watched_runs(watched)) {
		watched->ended_ns = now_ns;
		return;
	}
	int proc = proc_open(identity->pid);
	if (proc >= 0) {
		struct proc_stat stat;
		if (proc_stat(proc, &stat) == 0)
			watched->n_threads = stat.n_threads;
		close(proc);
	}
}

void
watched_look(struct watched *watched, uint64_t now_ns)
{
	/* Asked before: what it still did until now is in the counters. */
	look_at_process(watched, now_ns);
	moment_fini(&watched->before);
	watched->is_new = watched->now.time_ns == 0 && watched->is_new;
	watched->before = watched->now;
	watched->now = (struct moment){.time_ns = now_ns};
	struct moment *now = &watched->now;
	watched_define(watched);
	identify(watched);
	look_at_losses(watched, &now->tally);
	look_at_lanes(watched, &now->tally);
	look_at_counters(watched, now);
	add_up(watched, now);
}

static void *
copy_of(const void *from, size_t n)
{
	void *copy = from != NULL ? malloc(n) : NULL;
	return copy != NULL ? memcpy(copy, from, n) : NULL;
}

void
watched_reset(struct watched *watched)
{
	const struct moment *now = &watched->now;
	moment_fini(&watched->base);
	watched->base = *now;
	watched->base.counts = copy_of(now->counts, now->n_ids * sizeof *now->counts);
	watched->base.stats = copy_of(now->stats, now->n_ids * sizeof *now->stats);
}
