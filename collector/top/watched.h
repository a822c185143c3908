/* SPDX-License-Identifier: MIT */
/*
 * One process as its counters tell it, from moment to moment. Everything is read with pread(2):
 * nothing is mapped, locked or written, whoever drains the segment meanwhile. The counters are
 * exact: what they had not yet said at one look, they say at the next one.
 */
#ifndef COLLECTOR_TOP_WATCHED_H
#define COLLECTOR_TOP_WATCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "discover.h"
#include "event_table.h"
#include "key.h"
#include "segment.h"
#include "symbols.h"

/* What was counted since the program began, all lanes together. */
struct tally {
	uint64_t events;      /* audit events, whatever their level */
	uint64_t by_category[N_CATEGORIES];
	uint64_t calls;       /* of functions, at level count or stats */
	uint64_t call_events; /* calls and returns, at level record */
	uint64_t recorded;    /* events and call events that are in a ring, or were */
	uint64_t lost[N_LOST_REASONS];
	uint64_t slots;       /* of 64 bytes, written */
};

/* A look at the counters. */
struct moment {
	uint64_t time_ns; /* monotonic; 0: there was none */
	struct tally tally;
	uint64_t *counts;         /* of events, by definition id, n_ids of them */
	struct call_stats *stats; /* of functions; NULL: the segment is older than calls */
	uint32_t n_ids;
};

struct watched {
	struct segment_found found; /* with the identity */
	struct place *place;        /* where it has its name; NULL: not known */
	struct segment_header header;
	struct segment_layout at;
	char key[KEY_BYTES];
	struct symbols *symbols;
	uint8_t *defs;         /* a private copy of the region, as far as it was taken in */
	uint8_t *levels;       /* by definition id, of `now` */
	struct moment now, before;
	struct moment base;    /* totals count from there; zeroes: from the beginning */
	bool is_new;           /* it began since the look before: all of `now` is recent */
	/* rings */
	uint64_t unread_slots, ring_slots; /* of the lane that is fullest */
	uint64_t high_water_slots;         /* most that were ever unread in one lane */
	uint32_t n_lanes;
	/* records.h: the events */
	struct tracee *tracee; /* NULL: we do not read them */
	struct onlooker *onlooker; /* who looked on while somebody else read them, or does; or NULL */
	uint64_t next_try_ns, ticked_ns; /* monotonic */
	bool damaged;          /* they make no sense */
	uint32_t n_threads;    /* the kernel's; 0: not known */
	uint64_t ended_ns;     /* monotonic; 0: it runs */
};

/* Which processes are meant. */
struct selection {
	const char *key;  /* NULL: of any */
	uint32_t uid;
	bool by_user;     /* of `uid` alone */
};

bool selection_has(const struct selection *selection, const char *key, uint32_t uid);

/*
 * Takes over what `found`, which is identified, holds. 0, DISCOVER_LATER (not yet filled in), or
 * -errno with `why` a sentence; `found` is still the caller's then.
 */
int watched_open(struct watched **watched, struct segment_found *found, struct place *place,
		 char *why, size_t why_bytes);
void watched_close(struct watched *watched);

/* The kernel's pid out here; of one that was gone when we came the one that it had. */
uint32_t watched_pid(const struct watched *watched);

/* At this moment. */
bool watched_runs(const struct watched *watched);

/* Take in what was defined since the last call, or look. */
void watched_define(struct watched *watched);

/* Look: `now` becomes `before`. Also notes whether the process has ended. Times are monotonic. */
void watched_look(struct watched *watched, uint64_t now_ns);

/* Totals count from now on. */
void watched_reset(struct watched *watched);

/* By definition id, of `moment`; 0 where it had none. */
uint64_t moment_count(const struct moment *moment, uint32_t id);
struct call_stats moment_stats(const struct moment *moment, uint32_t id);

/* Lost, but for what nobody was there to read: that is no loss until somebody wants it. */
uint64_t tally_lost(const struct tally *tally);

#endif
