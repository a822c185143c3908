/* SPDX-License-Identifier: MIT */
#include "candidates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* From its creation to a complete header; a process that was killed meanwhile never gets there. */
#define SETUP_NS 2000000000u
/* How often to look whether the other collector has left. */
#define BUSY_NS 1000000000u
#define YIELDS_NS 20000000u
/* What a collector started is its own to read: the others wait for it to take its lock. */
#define LAUNCHER_FIRST_NS 1000000000u

void
candidates_fini(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->n; i++)
		candidates->items[i].place->n_users--;
	free(candidates->items);
}

void
candidates_add(void *context, struct place *place, const char *name)
{
	struct candidates *candidates = context;
	if (strlen(name) >= SEGMENT_NAME_BYTES)
		return;
	for (size_t i = 0; i < candidates->n; i++)
		if (candidates->items[i].place == place &&
		    strcmp(candidates->items[i].name, name) == 0)
			return;
	if (candidates->n == candidates->room) {
		size_t room = candidates->room > 0 ? 2 * candidates->room : 64;
		struct candidate *items = realloc(candidates->items, room * sizeof *items);
		if (items == NULL)
			return;
		candidates->items = items;
		candidates->room = room;
	}
	struct candidate *candidate = &candidates->items[candidates->n++];
	*candidate = (struct candidate){.place = place};
	strcpy(candidate->name, name);
	place->n_users++;
}

static enum candidate_verdict
look_at(struct candidate *candidate, const struct target *target, uint64_t age_ns,
	struct segment_found *found, candidates_fn fn, void *context)
{
	struct segment_header header;
	char why[256];
	int err = discover_header(found, &header);
	if (err != 0)
		return err == DISCOVER_LATER && age_ns < SETUP_NS ? CANDIDATE_LATER : CANDIDATE_SETTLED;
	if (!target_may_want(target, &header))
		return CANDIDATE_SETTLED;
	if (target->kind != TARGET_LAUNCH && (header.flags & SEGMENT_LAUNCHED) != 0 &&
	    age_ns < LAUNCHER_FIRST_NS)
		return CANDIDATE_LATER;
	err = discover_identify(found, why, sizeof why);
	if (err == DISCOVER_REFUSED)
		log_error("%s: not read", why);
	else if (err < 0)
		log_verbose("%s: %s", candidate->name, strerror(-err));
	if (err != 0 || !target_wants(target, found, &header))
		return CANDIDATE_SETTLED;
	return fn(context, candidate->place, found, !candidate->told_busy);
}

static enum candidate_verdict
try_one(struct candidate *candidate, const struct target *target, uint64_t now_ns,
	candidates_fn fn, void *context)
{
	struct segment_found found;
	char why[256];
	if (candidate->first_ns == 0)
		candidate->first_ns = now_ns;
	int err = discover_open(candidate->place, candidate->name, &found, why, sizeof why);
	enum candidate_verdict verdict = CANDIDATE_SETTLED;
	if (err == 0)
		verdict = look_at(candidate, target, now_ns - candidate->first_ns, &found, fn,
				  context);
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

void
candidates_try(struct candidates *candidates, const struct target *target, uint64_t now_ns,
	       candidates_fn fn, void *context)
{
	size_t kept = 0;
	for (size_t i = 0; i < candidates->n; i++) {
		struct candidate *candidate = &candidates->items[i];
		enum candidate_verdict verdict = CANDIDATE_LATER;
		if (candidate->next_ns <= now_ns)
			verdict = try_one(candidate, target, now_ns, fn, context);
		if (verdict == CANDIDATE_SETTLED) {
			candidate->place->n_users--;
			continue;
		}
		if (verdict == CANDIDATE_YIELDS)
			candidate->next_ns = now_ns + YIELDS_NS;
		if (verdict == CANDIDATE_BUSY) {
			candidate->told_busy = true;
			candidate->next_ns = now_ns + BUSY_NS;
		}
		candidates->items[kept++] = *candidate;
	}
	candidates->n = kept;
}
