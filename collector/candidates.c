/* SPDX-License-Identifier: MIT */
#include "candidates.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* From its creation to a complete header; a process that was killed meanwhile never gets there. */
#define SETUP_NS 2000000000u
/* How often to look whether the other collector has left. */
#define BUSY_NS 1000000000u
#define YIELDS_NS 20000000u
#define YIELDS_MOST_NS 1000000000u /* who stands still, stopped or before a full pipe, never does */
/* What a collector started is its own to read: the others wait for it to take its lock. */
#define LAUNCHER_FIRST_NS 1000000000u

/* Those that may have to be buried, and how often one is. */
#define UNBORN_MAX 64
#define BURIAL_NS 100000000u

/* Whoever leaves a hundred thousand names about does not hold up the others. */
#define TRIES_MAX 512
#define TRY_NS 50000000u
/* Nor does he use up our memory. */
#define CANDIDATES_MAX 65536

void
candidates_fini(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->n; i++)
		candidates->items[i].place->n_users--;
	free(candidates->items);
	free(candidates->table);
}

/* ---- by name ---- */

static uint32_t
hash_of(const struct place *place, const char *name)
{
	uint32_t hash = 2166136261u ^ (uint32_t)((uintptr_t)place >> 4); /* FNV-1a */
	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash ^ hash >> 16;
}

/* Where in the table it is, or would be. */
static uint32_t *
look_up(const struct candidates *candidates, const struct place *place, const char *name,
	uint32_t hash)
{
	size_t at = hash & (candidates->n_places - 1);
	while (candidates->table[at] != 0) {
		const struct candidate *other = &candidates->items[candidates->table[at] - 1];
		if (other->hash == hash && other->place == place && strcmp(other->name, name) == 0)
			break;
		at = (at + 1) & (candidates->n_places - 1);
	}
	return &candidates->table[at];
}

static void
fill_table(struct candidates *candidates)
{
	memset(candidates->table, 0, candidates->n_places * sizeof *candidates->table);
	for (size_t i = 0; i < candidates->n; i++) {
		const struct candidate *one = &candidates->items[i];
		*look_up(candidates, one->place, one->name, one->hash) = (uint32_t)i + 1;
	}
}

static bool
make_room(struct candidates *candidates)
{
	if (candidates->n < candidates->room)
		return true;
	size_t room = candidates->room > 0 ? 2 * candidates->room : 64;
	uint32_t *table = reallocarray(candidates->table, 2 * room, sizeof *table);
	if (table == NULL)
		return false;
	candidates->table = table;
	struct candidate *items = reallocarray(candidates->items, room, sizeof *items);
	if (items == NULL)
		return false;
	candidates->items = items;
	candidates->room = room;
	candidates->n_places = 2 * room;
	fill_table(candidates);
	return true;
}

void
candidates_add(void *context, struct place *place, const char *name)
{
	struct candidates *candidates = context;
	if (strlen(name) >= SEGMENT_NAME_BYTES)
		return;
	if (!make_room(candidates))
		return;
	uint32_t hash = hash_of(place, name), *at = look_up(candidates, place, name, hash);
	if (*at != 0)
		return;
	if (candidates->n >= CANDIDATES_MAX) {
		if (!candidates->told_many)
			log_error("more than %u segments wait to be looked at: more are not read",
				  CANDIDATES_MAX);
		candidates->told_many = true;
		return;
	}
	struct candidate *candidate = &candidates->items[candidates->n++];
	*candidate = (struct candidate){.place = place, .hash = hash};
	strcpy(candidate->name, name);
	*at = (uint32_t)candidates->n;
	place->n_users++;
}

enum candidate_verdict
candidates_shortage(struct candidates *candidates, uint32_t pid, int err)
{
	if (!candidates->may_wait) {
		log_error("pid %" PRIu32 ": %s; not read", pid, strerror(-err));
		return CANDIDATE_SETTLED;
	}
	if (!candidates->told_shortage)
		log_error("pid %" PRIu32 ": %s; it and others are not read before some end%s", pid,
			  strerror(-err), err == -EMFILE ? " (ulimit -n)" : "");
	candidates->told_shortage = true;
	return CANDIDATE_BUSY;
}

/* Its header does not come. */
static enum candidate_verdict
wait_or_bury(struct candidates *candidates, struct candidate *candidate, uint64_t now_ns,
	     struct segment_found *found)
{
	if (!candidate->unborn && candidates->n_unborn == UNBORN_MAX)
		return CANDIDATE_SETTLED;
	candidates->n_unborn += !candidate->unborn;
	candidate->unborn = true;
	if (now_ns < candidates->next_burial_ns)
		return CANDIDATE_BUSY;
	if (discover_bury_unborn(candidate->place, found) == DISCOVER_LATER)
		return CANDIDATE_BUSY;
	candidates->next_burial_ns = now_ns + BURIAL_NS;
	return CANDIDATE_SETTLED;
}

static enum candidate_verdict
look_at(struct candidates *candidates, struct candidate *candidate, const struct target *target,
	uint64_t now_ns, struct segment_found *found, candidates_fn fn, void *context)
{
	uint64_t age_ns = now_ns - candidate->first_ns;
	struct segment_header header;
	char why[256];
	int err = discover_header(found, &header);
	if (err == DISCOVER_LATER && age_ns < SETUP_NS)
		return CANDIDATE_LATER;
	if (err == DISCOVER_LATER && target->kind == TARGET_ALL)
		return wait_or_bury(candidates, candidate, now_ns, found);
	if (err != 0)
		return CANDIDATE_SETTLED;
	if (!target_may_want(target, &header))
		return CANDIDATE_SETTLED;
	if (target->kind != TARGET_LAUNCH && (header.flags & SEGMENT_LAUNCHED) != 0 &&
	    age_ns < LAUNCHER_FIRST_NS)
		return CANDIDATE_LATER;
	err = discover_identify(found, why, sizeof why);
	if (discover_is_shortage(err))
		return candidates_shortage(candidates, found->name_pid, err);
	if (err == DISCOVER_REFUSED)
		log_error("%s: not read", why);
	else if (err < 0)
		log_verbose("%s: %s", candidate->name, strerror(-err));
	if (err != 0 || !target_wants(target, found, &header))
		return CANDIDATE_SETTLED;
	return fn(context, candidate, found);
}

static enum candidate_verdict
try_one(struct candidates *candidates, struct candidate *candidate, const struct target *target,
	uint64_t now_ns, candidates_fn fn, void *context)
{
	struct segment_found found;
	char why[256];
	if (candidate->first_ns == 0)
		candidate->first_ns = now_ns;
	int err = discover_open(candidate->place, candidate->name, &found, why, sizeof why);
	enum candidate_verdict verdict = CANDIDATE_SETTLED;
	if (err == 0)
		verdict = look_at(candidates, candidate, target, now_ns, &found, fn, context);
	else if (discover_is_shortage(err))
		verdict = candidates_shortage(candidates, found.name_pid, err);
	else if (err == DISCOVER_REFUSED)
		log_error("%s: not read", why);
	else if (err != -ENOENT)
		log_verbose("%s", why);
	discover_fini(&found);
	return verdict;
}

bool
candidates_waiting(const struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->n; i++)
		if (!candidates->items[i].told_busy)
			return true;
	return false;
}

static void
wait_for_leaving(struct candidate *candidate, uint64_t now_ns)
{
	if (candidate->asked_ns == 0)
		candidate->asked_ns = now_ns;
	candidate->in_vain = now_ns - candidate->asked_ns >= YIELDS_MOST_NS;
	candidate->next_ns = now_ns + YIELDS_NS;
}

void
candidates_try(struct candidates *candidates, const struct target *target, uint64_t now_ns,
	       candidates_fn fn, void *context)
{
	static struct candidate again[TRIES_MAX];
	size_t n = candidates->n < TRIES_MAX ? candidates->n : TRIES_MAX, kept = 0;
	if (n == 0)
		return;
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + TRY_NS;
	for (size_t i = 0; i < n; i++) {
		struct candidate *candidate = &candidates->items[i];
		enum candidate_verdict verdict = CANDIDATE_LATER;
		if (candidate->next_ns <= now_ns)
			verdict = try_one(candidates, candidate, target, now_ns, fn, context);
		if (verdict == CANDIDATE_SETTLED) {
			candidate->place->n_users--;
			candidates->n_unborn -= candidate->unborn;
			continue;
		}
		if (verdict == CANDIDATE_YIELDS)
			wait_for_leaving(candidate, now_ns);
		if (verdict == CANDIDATE_BUSY) {
			candidate->told_busy = true;
			candidate->next_ns = now_ns + BUSY_NS;
		}
		again[kept++] = *candidate;
		if ((i % 16 == 15 || verdict == CANDIDATE_BUSY) && clock_ns(CLOCK_MONOTONIC) > end_ns)
			n = i + 1;
	}
	size_t rest = candidates->n - n;
	memmove(candidates->items, candidates->items + n, rest * sizeof *candidates->items);
	memcpy(candidates->items + rest, again, kept * sizeof *again);
	candidates->n = rest + kept;
	fill_table(candidates);
}
