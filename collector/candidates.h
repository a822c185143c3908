/* SPDX-License-Identifier: MIT */
/*
 * Segments that have appeared and may be ours to read: their process may not have filled them
 * in yet, or not mapped them, so each is tried until that is settled.
 */
#ifndef COLLECTOR_CANDIDATES_H
#define COLLECTOR_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discover.h"
#include "places.h"
#include "target.h"

struct candidate {
	struct place *place;
	char name[SEGMENT_NAME_BYTES];
	uint64_t first_ns; /* when it was noticed, monotonic */
	uint64_t next_ns;  /* not to be tried before */
	uint64_t asked_ns; /* when his reader was first asked to leave; 0: was not */
	bool in_vain;      /* who had a second for it */
	bool told_busy;    /* the callback has said so */
	bool unborn;       /* its header is late: maybe its process is dead */
	uint32_t hash;
};

struct candidates {
	struct candidate *items;
	size_t n, room;
	uint32_t *table; /* of their indices + 1, by hash; 0: free */
	size_t n_places; /* in it, a power of two */
	size_t n_unborn;
	uint64_t next_burial_ns; /* a look at one of them is a look at all processes */
	bool told_shortage, told_many;
	bool may_wait;   /* for descriptors: others that are read will end. The caller's to set */
};

void candidates_fini(struct candidates *candidates);

/* Note a name, unless it is there already; a places_name_fn, with a struct candidates. */
void candidates_add(void *candidates, struct place *place, const char *name);

enum candidate_verdict {
	CANDIDATE_SETTLED, /* ours, or never ours */
	CANDIDATE_LATER,   /* try again in a moment */
	CANDIDATE_YIELDS,  /* another one reads it, and will leave: try again soon */
	CANDIDATE_BUSY,    /* another collector reads it: try again now and then */
};

/*
 * One that the target wants, opened and identified. The callback takes what is in `found` or
 * leaves it.
 */
typedef enum candidate_verdict (*candidates_fn)(void *context, const struct candidate *candidate,
						struct segment_found *found);

/* There is no descriptor left for this one, or no memory: says so at the first time. */
enum candidate_verdict candidates_shortage(struct candidates *candidates, uint32_t pid, int err);

/* Some are to be tried again in a moment: sleep no longer. */
bool candidates_waiting(const struct candidates *candidates);

/* Try each; of very many some, and the others the next times. */
void candidates_try(struct candidates *candidates, const struct target *target, uint64_t now_ns,
		    candidates_fn fn, void *context);

#endif
