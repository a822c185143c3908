/* SPDX-License-Identifier: MIT */
#include "tracee.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "barrier.h"
#include "identity.h"
#include "lease.h"
#include "tracee_state.h"

#define LATE_NS 2000000000u /* between two ticks; the hook's patience is 3 s */

/* ---- open and close ---- */

/* Of a dead process only its own word is left. */
static void
identify_by_itself(struct tracee *tracee)
{
	size_t n;
	const char *process = symbols_process(tracee->symbols, &n);
	tracee->identity.ppid = tracee->segment.header.ppid;
	tracee->identity.start_time = tracee->segment.header.start_time;
	if (n > 0)
		identity_from_process(&tracee->identity, process, n);
}

char *
tracee_first_cwd(const struct tracee *tracee)
{
	size_t n;
	struct identity itself = {0};
	const char *process = symbols_process(tracee->symbols, &n);
	if (n > 0)
		identity_from_process(&itself, process, n);
	char *cwd = itself.cwd;
	itself.cwd = NULL;
	identity_fini(&itself);
	return cwd;
}

static int
begin(struct tracee *tracee, const struct settings *settings)
{
	const struct segment_header *header = &tracee->segment.header;
	struct segment_control *control = tracee->segment.control;
	tracee->symbols = symbols_new(tracee->segment.defs, header->defs_bytes, header->n_ids);
	if (tracee->symbols == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		tracee->lost[i] = tracee->marked_lost[i] = load_relaxed(&control->told_lost[i]);
	tracee->first = load_relaxed(&control->heartbeat) == 0 &&
			load_relaxed(&control->was_read) == 0;
	tracee->call_room.n_entries = CALL_STACK_ENTRIES;
	symbols_refresh(tracee->symbols);
	/* In a fork child those of its parent's collector may be in force. */
	bool inherits = header->parent_pid != 0 && tracee->first;
	if (lease_begin(control, header, settings) || inherits)
		lease_mark(tracee->segment.levels, tracee->symbols);
	return 0;
}

/*
 * We had opened it before another reader, who had told all, removed it; or a hook that wanted room,
 * which tells so. What ends cleanly without a reader removes its object itself.
 */
static bool
was_read_and_removed(const struct tracee *tracee, const struct identity *identity)
{
	const struct segment_control *control = tracee->segment.control;
	struct stat st;
	return !identity->alive && fstat(tracee->segment.fd, &st) == 0 && st.st_nlink == 0 &&
	       (!tracee_ended_cleanly(tracee) || load_relaxed(&control->heartbeat) != 0 ||
		load_relaxed(&control->was_read) != 0);
}

static void
take_identity(struct tracee *tracee, struct identity *identity)
{
	const struct segment_header *header = &tracee->segment.header;
	tracee->identity = *identity;
	memset(identity, 0, sizeof *identity);
	if (!tracee->identity.alive)
		identify_by_itself(tracee);
	key_format(tracee->key, header->pid, header->start_time, header->nonce);
	if (header->parent_pid != 0)
		key_format(tracee->parent, header->parent_pid, header->parent_start_time,
			   header->parent_nonce);
}

static void
begin_time(struct tracee *tracee)
{
	const struct segment_header *header = &tracee->segment.header;
	enum clock_kind kind = (enum clock_kind)header->clock_kind;
	struct clock_pair start = {identity_ticks(&tracee->identity, kind, header->start_ticks),
				   header->start_realtime_ns};
	calibrate_past_init(&tracee->past, kind, start);
}

int
tracee_open(struct tracee **result, int fd, const char *name, struct identity *identity,
	    const struct settings *settings, char *why, size_t why_bytes)
{
	struct tracee *tracee = calloc(1, sizeof *tracee);
	if (tracee == NULL)
		return -ENOMEM;
	int err = attachment_init(&tracee->segment, fd, name, !settings->gives_way, why,
				  why_bytes);
	if (err == 0) {
		if (was_read_and_removed(tracee, identity)) {
			snprintf(why, why_bytes, "another collector has read and removed it");
			err = -ENOENT;
		} else {
			err = begin(tracee, settings);
		}
		if (err != 0)
			attachment_fini(&tracee->segment);
	}
	if (err != 0) {
		free(tracee);
		return err;
	}
	take_identity(tracee, identity);
	begin_time(tracee);
	*result = tracee;
	return 0;
}

void
tracee_ask(struct tracee *tracee, const struct settings *settings)
{
	if (lease_change(tracee->segment.control, &tracee->segment.header, settings))
		lease_mark(tracee->segment.levels, tracee->symbols);
}

void
tracee_give_way(struct tracee *tracee)
{
	store_release(&tracee->segment.control->gives_way, 1);
}

bool
tracee_is_asked(const struct tracee *tracee)
{
	return load_relaxed(&tracee->segment.control->asked) != 0;
}

void
tracee_close(struct tracee *tracee)
{
	tracee_set_waiting(tracee, false);
	if (lease_end(tracee->segment.control))
		lease_mark(tracee->segment.levels, tracee->symbols);
	if (tracee->releases_nothing && tracee->first)
		store_relaxed(&tracee->segment.control->was_read, 0);
	for (uint32_t i = 0; i < tracee->n_lanes; i++) {
		drain_fini(tracee->lanes[i]);
		free(tracee->lanes[i]);
	}
	free(tracee->lanes);
	free(tracee->came.stats);
	free(tracee->told.stats);
	symbols_free(tracee->symbols);
	attachment_fini(&tracee->segment);
	close(tracee->segment.fd);
	identity_fini(&tracee->identity);
	free(tracee);
}

/* ---- once a second ---- */

void
tracee_tick(struct tracee *tracee)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	bool late = tracee->ticked_ns != 0 && now_ns - tracee->ticked_ns > LATE_NS;
	tracee->ticked_ns = now_ns;
	if (lease_renew(tracee->segment.control, late))
		lease_mark(tracee->segment.levels, tracee->symbols);
	calibrate_tick((enum clock_kind)tracee->segment.header.clock_kind);
	tracee->looking = true;
}

void
tracee_beat(struct tracee *tracee)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	lease_renew(tracee->segment.control, false);
	if (now_ns - tracee->ticked_ns <= LATE_NS) /* else the next tick renews more */
		tracee->ticked_ns = now_ns;
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
	return &tracee->segment.header;
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
tracee_why(const struct tracee *tracee)
{
	return tracee->why;
}

bool
tracee_is_first_reader(const struct tracee *tracee)
{
	return tracee->first;
}

bool
tracee_ended_cleanly(const struct tracee *tracee)
{
	return load_acquire(&tracee->segment.shared->stopped) == 2;
}

uint32_t *
tracee_wake_word(struct tracee *tracee)
{
	return &tracee->segment.control->wake;
}
