/* SPDX-License-Identifier: MIT */
#include "tracee.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "barrier.h"
#include "calibrate.h"
#include "counters.h"
#include "drain.h"
#include "identity.h"
#include "key.h"
#include "lease.h"
#include "sigbus.h"
#include "symbols.h"

/* The hook tries the lock for an instant when its program ends: ask again. */
#define LOCK_TRIES 5
#define LOCK_PAUSE_NS 2000000

struct lane_view {
	struct sigbus_map map; /* zeroed for lane 0, which lies in the first mapping */
	struct drain drain;
};

struct tracee {
	struct identity identity;
	struct segment_header header; /* a private copy, checked */
	struct segment_layout at;
	char name[SEGMENT_NAME_BYTES], key[KEY_BYTES], parent[KEY_BYTES], why[160];
	int fd;
	struct sigbus_map map;        /* from the header to the end of lane 0 */
	struct segment_header *shared;
	struct segment_control *control;
	volatile sig_atomic_t hit;
	struct symbols *symbols;
	struct lane_view **lanes;
	uint32_t n_lanes;
	struct calibrate_past past;
	bool backlog, begun, waiting, looking;
	bool unreleased;              /* something was read since the last tracee_release() */
	uint64_t lost[N_LOST_REASONS]; /* told, of what reached no lane */
	uint64_t now_ticks;
	uint64_t emitted, filtered;
	tracee_event_fn fn;
	void *context;
};

/* ---- open and close ---- */

static int
lock_object(int fd)
{
	struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (i == LOCK_TRIES)
			return TRACEE_BUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void
say_whose(int fd, char *why, size_t why_bytes)
{
	struct segment_control control;
	memset(&control, 0, sizeof control);
	if (pread(fd, &control, sizeof control, SEGMENT_PAGE) <= 0 || control.reader_pid == 0)
		snprintf(why, why_bytes, "another collector reads it");
	else
		snprintf(why, why_bytes, "another collector reads it (pid %" PRIu32 ")",
			 control.reader_pid);
}

static int
read_header(struct tracee *tracee, char *why, size_t why_bytes)
{
	struct segment_header *header = &tracee->header;
	struct stat st;
	uint32_t uid, pid, nonce;
	if (fstat(tracee->fd, &st) < 0)
		return -errno;
	ssize_t n = pread(tracee->fd, header, sizeof *header, 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof *header)
		memset(header, 0, sizeof *header);
	int err = segment_check(header, (uint64_t)st.st_size, why, why_bytes);
	if (err != 0)
		return err == SEGMENT_NOT_READY ? TRACEE_NOT_READY : err;
	if (segment_name_parse(tracee->name, &uid, &pid, &nonce) < 0 || header->pid != pid ||
	    header->nonce != nonce) {
		snprintf(why, why_bytes, "the segment's header is damaged: name");
		return -EBADMSG;
	}
	header->events[sizeof header->events - 1] = '\0';
	header->reveal[sizeof header->reveal - 1] = '\0';
	tracee->at = segment_layout(header);
	return 0;
}

static void *
map_part(struct tracee *tracee, struct sigbus_map *map, uint64_t offset, uint64_t bytes)
{
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			  tracee->fd, (off_t)offset);
	if (base == MAP_FAILED)
		return NULL;
	sigbus_watch(map, base, bytes, &tracee->hit);
	return base;
}

static void
unmap(struct sigbus_map *map)
{
	void *start = map->start;
	if (start == NULL)
		return;
	sigbus_unwatch(map);
	munmap(start, map->bytes);
}

/* Of a dead process only its own word is left. */
static void
identify_by_itself(struct tracee *tracee)
{
	size_t n;
	const char *process = symbols_process(tracee->symbols, &n);
	tracee->identity.ppid = tracee->header.ppid;
	tracee->identity.start_time = tracee->header.start_time;
	if (n > 0)
		identity_from_process(&tracee->identity, process, n);
}

static void
mark_levels(struct tracee *tracee)
{
	if (tracee->header.abi_major > 1 || tracee->header.abi_minor >= 2)
		lease_mark((uint8_t *)tracee->shared + tracee->at.levels, tracee->symbols);
}

static int
map_and_announce(struct tracee *tracee, const struct settings *settings)
{
	uint8_t *base = map_part(tracee, &tracee->map, 0, tracee->at.mapped_bytes);
	if (base == NULL)
		return -errno;
	tracee->shared = (struct segment_header *)base;
	tracee->control = (struct segment_control *)(base + tracee->at.control);
	tracee->symbols = symbols_new(base + tracee->at.defs, tracee->header.defs_bytes,
				      tracee->header.n_ids);
	if (tracee->symbols == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		tracee->lost[i] = load_relaxed(&tracee->control->told_lost[i]);
	symbols_refresh(tracee->symbols);
	if (lease_begin(tracee->control, &tracee->header, settings))
		mark_levels(tracee);
	calibrate_past_init(&tracee->past, (enum clock_kind)tracee->header.clock_kind,
			    (struct clock_pair){tracee->header.start_ticks,
						tracee->header.start_realtime_ns});
	return 0;
}

int
tracee_open(struct tracee **result, int fd, const char *name, struct identity *identity,
	    const struct settings *settings, char *why, size_t why_bytes)
{
	struct tracee *tracee = calloc(1, sizeof *tracee);
	if (tracee == NULL)
		return -ENOMEM;
	tracee->fd = fd;
	snprintf(tracee->name, sizeof tracee->name, "%s", name);
	int err = read_header(tracee, why, why_bytes);
	if (err == 0)
		err = lock_object(fd);
	if (err == TRACEE_BUSY)
		say_whose(fd, why, why_bytes);
	if (err == 0) {
		err = map_and_announce(tracee, settings);
		if (err < 0)
			snprintf(why, why_bytes, "cannot map it: %s", strerror(-err));
	}
	if (err != 0) {
		symbols_free(tracee->symbols);
		unmap(&tracee->map);
		free(tracee);
		return err;
	}
	const struct segment_header *header = &tracee->header;
	tracee->identity = *identity;
	memset(identity, 0, sizeof *identity);
	if (!tracee->identity.alive)
		identify_by_itself(tracee);
	key_format(tracee->key, header->pid, header->start_time, header->nonce);
	if (header->parent_pid != 0)
		key_format(tracee->parent, header->parent_pid, header->parent_start_time,
			   header->parent_nonce);
	*result = tracee;
	return 0;
}

void
tracee_close(struct tracee *tracee)
{
	tracee_set_waiting(tracee, false);
	if (lease_end(tracee->control))
		mark_levels(tracee);
	for (uint32_t i = 0; i < tracee->n_lanes; i++) {
		unmap(&tracee->lanes[i]->map);
		free(tracee->lanes[i]);
	}
	free(tracee->lanes);
	symbols_free(tracee->symbols);
	unmap(&tracee->map);
	close(tracee->fd);
	identity_fini(&tracee->identity);
	free(tracee);
}

/* ---- lanes ---- */

static bool
add_lane(struct tracee *tracee)
{
	const struct segment_header *header = &tracee->header;
	uint32_t i = tracee->n_lanes;
	struct lane_view **lanes = realloc(tracee->lanes, (i + 1) * sizeof *lanes);
	if (lanes == NULL)
		return false;
	tracee->lanes = lanes;
	struct lane_view *lane = lanes[i] = calloc(1, sizeof *lane);
	if (lane == NULL)
		return false;
	uint8_t *base = (uint8_t *)tracee->shared + tracee->at.lanes;
	if (i > 0)
		base = map_part(tracee, &lane->map, segment_lane_offset(&tracee->at, i),
				tracee->at.other_bytes);
	if (base == NULL) {
		free(lane);
		return false;
	}
	struct lane_shared *shared = (struct lane_shared *)base;
	drain_init(&lane->drain, shared, (const struct slot *)(base + tracee->at.slots),
		   i == 0 ? header->lane0_slots : header->other_slots, i,
		   (enum lane_mode)header->mode, !tracee->backlog && !tracee->begun);
	store_relaxed(&shared->waiting, tracee->waiting);
	tracee->n_lanes++;
	return true;
}

/* Lanes that were taken since; those that are there at the first call were there before us. */
static void
find_lanes(struct tracee *tracee)
{
	uint64_t used = load_acquire(&tracee->shared->lanes_used);
	if (used > tracee->header.n_lanes)
		used = tracee->header.n_lanes;
	if (used == 0)
		used = 1;
	while (tracee->n_lanes < used && add_lane(tracee)) {
	}
	tracee->begun = true;
}

void
tracee_note(struct tracee *tracee)
{
	find_lanes(tracee);
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_note(&tracee->lanes[i]->drain);
}

void
tracee_backlog(struct tracee *tracee, bool wanted)
{
	tracee->backlog = wanted;
	find_lanes(tracee);
}

void
tracee_set_waiting(struct tracee *tracee, bool waiting)
{
	tracee->waiting = waiting;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		store_relaxed(&tracee->lanes[i]->drain.shared->waiting, waiting);
}

/* ---- reading ---- */

static void
hand_over(void *context, const struct event *event, bool wanted)
{
	struct tracee *tracee = context;
	if (tracee->hit && event->lane == EVENT_NO_LANE)
		return; /* of the zeroes behind a truncation, which is_condemned() tells */
	if (wanted)
		tracee->fn(tracee->context, tracee, event);
	else
		tracee->filtered++;
}

static uint64_t
time_of(void *context, uint64_t ticks)
{
	struct tracee *tracee = context;
	return calibrate_convert(&tracee->past, (enum clock_kind)tracee->header.clock_kind, ticks,
				 tracee->now_ticks);
}

static struct drain_to
begin_reading(struct tracee *tracee, tracee_event_fn fn, void *context)
{
	tracee->fn = fn;
	tracee->context = context;
	tracee->now_ticks = clock_ticks((enum clock_kind)tracee->header.clock_kind);
	return (struct drain_to){
		.fn = hand_over,
		.time = time_of,
		.context = tracee,
		.symbols = tracee->symbols,
		.now_ns = clock_ns(CLOCK_REALTIME),
	};
}

/* What reached no lane. */
static void
tell_lost(struct tracee *tracee, uint64_t now_ns)
{
	for (unsigned i = 0; i < HOOK_LOST_REASONS; i++) {
		uint64_t n = load_relaxed(&tracee->shared->lost[i]) - tracee->lost[i];
		if ((int64_t)n <= 0)
			continue;
		struct event event = {
			.type = EVENT_LOST,
			.time_ns = now_ns,
			.lane = EVENT_NO_LANE,
			.lost_count = n,
			.lost_reason = i,
		};
		tracee->lost[i] += n;
		tracee->fn(tracee->context, tracee, &event);
	}
}

static bool
is_condemned(struct tracee *tracee)
{
	if (tracee->hit)
		snprintf(tracee->why, sizeof tracee->why,
			 "its segment was truncated while it was read");
	else if (symbols_damaged(tracee->symbols))
		snprintf(tracee->why, sizeof tracee->why, "its definitions make no sense");
	return tracee->why[0] != '\0';
}

/* Of many quiet processes each round touches as little as can be. */
static bool
has_more(const struct tracee *tracee)
{
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		if (drain_has_more(&tracee->lanes[i]->drain))
			return true;
	return false;
}

int64_t
tracee_drain(struct tracee *tracee, tracee_event_fn fn, void *context, uint64_t max)
{
	struct drain_to to = begin_reading(tracee, fn, context);
	int64_t n = 0;
	if (!tracee->looking && !has_more(tracee))
		return is_condemned(tracee) ? -TRACEE_CONDEMNED : 0;
	tracee->unreleased = true;
	if (tracee->looking) {
		tell_lost(tracee, to.now_ns);
		for (uint32_t i = 0; i < tracee->n_lanes; i++)
			drain_look_for_losses(&tracee->lanes[i]->drain);
		tracee->looking = false;
	}
	/* Each lane has its share, so that a flood in one does not hold up the others. */
	uint64_t share = max / tracee->n_lanes + 1;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		n += (int64_t)drain_run(&tracee->lanes[i]->drain, &to, share < max ? share : max);
	return is_condemned(tracee) ? -TRACEE_CONDEMNED : n;
}

void
tracee_release(struct tracee *tracee)
{
	if (!tracee->unreleased)
		return;
	tracee->unreleased = false;
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_release(&tracee->lanes[i]->drain);
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		store_relaxed(&tracee->control->told_lost[i], tracee->lost[i]);
}

void
tracee_tick(struct tracee *tracee)
{
	lease_renew(tracee->control);
	calibrate_tick((enum clock_kind)tracee->header.clock_kind);
	tracee->looking = true;
}

void
tracee_finish(struct tracee *tracee, tracee_event_fn fn, void *context)
{
	uint64_t n_slots = 0;
	tracee->looking = true;
	tracee_note(tracee);
	/* A dead program adds nothing; a hostile one that is not dead must not hold us. */
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		n_slots += tracee->lanes[i]->drain.reader.n_slots;
	for (uint64_t i = 0; i <= n_slots && tracee_drain(tracee, fn, context, 4096) > 0; i += 4096) {
	}
	struct drain_to to = begin_reading(tracee, fn, context);
	tell_lost(tracee, to.now_ns);
	for (uint32_t i = 0; i < tracee->n_lanes; i++)
		drain_finish(&tracee->lanes[i]->drain, &to);
	tracee->unreleased = true;
	tracee_release(tracee);
}

/* ---- what is known of it ---- */

const struct identity *
tracee_identity(const struct tracee *tracee)
{
	return &tracee->identity;
}

const struct segment_header *
tracee_header(const struct tracee *tracee)
{
	return &tracee->header;
}

const char *
tracee_key(const struct tracee *tracee)
{
	return tracee->key;
}

const char *
tracee_parent(const struct tracee *tracee)
{
	return tracee->parent[0] != '\0' ? tracee->parent : NULL;
}

const char *
tracee_name(const struct tracee *tracee)
{
	return tracee->name;
}

const char *
tracee_why(const struct tracee *tracee)
{
	return tracee->why;
}

bool
tracee_ended_cleanly(const struct tracee *tracee)
{
	return load_acquire(&tracee->shared->stopped) == 2;
}

uint32_t *
tracee_wake_word(struct tracee *tracee)
{
	return &tracee->control->wake;
}

/* ---- the account ---- */

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
	if (*n_ids > tracee->header.n_ids)
		*n_ids = tracee->header.n_ids;
	uint64_t *sums = malloc((*n_ids + 1) * sizeof *sums);
	if (sums != NULL)
		counters_sum(tracee->fd, &tracee->at, tracee->n_lanes, sums, *n_ids);
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
	account->ring_slots = tracee->header.lane0_slots;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		account->lost_hook += account->lost[i] = tracee->lost[i];
	for (uint32_t i = 0; i < tracee->n_lanes; i++) {
		const struct drain *drain = &tracee->lanes[i]->drain;
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
		counters_levels(tracee->fd, &tracee->at, levels, n_ids);
	for (uint32_t id = 0; sums != NULL && levels != NULL && id < n_ids; id++) {
		const struct symbol_event *event = symbols_event(tracee->symbols, id);
		if (sums[id] > 0 && (event != NULL || id == 0))
			fn(context, event != NULL ? event->name : "?", (enum level)levels[id],
			   sums[id]);
	}
	free(levels);
	free(sums);
}
