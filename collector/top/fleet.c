/* SPDX-License-Identifier: MIT */
#include "fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "exit_status.h"
#include "log.h"
#include "proc.h"

#define SCAN_NS 2000000000u   /* how often to look for other mount namespaces */
#define SETUP_TRIES 200       /* for a process that was just started */
#define SETUP_PAUSE_NS 5000000

int
fleet_init(struct fleet *fleet, char *why, size_t why_bytes)
{
	int err = places_init(&fleet->places, "/dev/shm");
	records_init(&fleet->records);
	fleet->now_ns = clock_ns(CLOCK_MONOTONIC);
	fleet->realtime_ns = clock_ns(CLOCK_REALTIME);
	if (err < 0)
		snprintf(why, why_bytes, "/dev/shm: %s", strerror(-err));
	return err;
}

static void
let_go(struct fleet *fleet, struct watched *watched)
{
	records_leave(&fleet->records, watched);
	/* The hook has left it to whoever started the program: that is us. */
	if (fleet->target.kind == TARGET_LAUNCH && watched->place != NULL && !watched_runs(watched))
		discover_unlink(watched->place, &watched->found);
	watched_close(watched);
}

void
fleet_fini(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		let_go(fleet, fleet->items[i]);
	records_fini(&fleet->records);
	free(fleet->items);
	candidates_fini(&fleet->candidates);
	places_fini(&fleet->places);
	target_fini(&fleet->target);
}

/* ---- who is new ---- */

static bool
has(const struct fleet *fleet, const struct segment_found *found)
{
	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->items[i]->found.dev == found->dev && fleet->items[i]->found.ino == found->ino)
			return true;
	return false;
}

static size_t
room_for(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < 2 * FLEET_FILES_OF_US)
		return FLEET_FILES_OF_US / FLEET_FILES_OF_ONE;
	uint64_t most = (limit.rlim_cur - FLEET_FILES_OF_US) / FLEET_FILES_OF_ONE;
	return most < FLEET_MOST ? (size_t)most : FLEET_MOST;
}

/* Those that have ended are shown for a while: as long as nobody needs their room. */
static bool
make_room(struct fleet *fleet)
{
	size_t first = fleet->n;
	if (fleet->n < room_for())
		return true;
	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->items[i]->ended_ns != 0 &&
		    (first == fleet->n || fleet->items[i]->ended_ns < fleet->items[first]->ended_ns))
			first = i;
	if (first == fleet->n)
		return false;
	let_go(fleet, fleet->items[first]);
	memmove(&fleet->items[first], &fleet->items[first + 1],
		(--fleet->n - first) * sizeof *fleet->items);
	return true;
}

/* 0, DISCOVER_LATER, or -errno (-EMFILE: no room); takes what is in `found`. */
static int
add(struct fleet *fleet, struct segment_found *found, struct place *place, char *why,
    size_t why_bytes)
{
	struct watched *watched;
	if (!make_room(fleet)) {
		if (!fleet->told_full)
			log_error("top: %zu processes are shown and others are not: the limit of open "
				  "files (ulimit -n), and %d at the most", fleet->n, FLEET_MOST);
		fleet->told_full = true;
		return -EMFILE;
	}
	if (fleet->n == fleet->room) {
		size_t room = fleet->room > 0 ? 2 * fleet->room : 64;
		struct watched **items = realloc(fleet->items, room * sizeof *items);
		if (items == NULL)
			return -ENOMEM;
		fleet->items = items;
		fleet->room = room;
	}
	int err = watched_open(&watched, found, place, why, why_bytes);
	if (err != 0)
		return err;
	watched->is_new = watched->header.start_realtime_ns >= fleet->realtime_ns;
	fleet->items[fleet->n++] = watched;
	fleet->n_seen++;
	target_follow(&fleet->target, &watched->found, watched->found.identity.pid,
		      watched->found.identity.start_time);
	return 0;
}

/*
 * A candidates_fn. What the dead have left is for a collector to read, not for a live view; but
 * for those of a command of ours, which nobody else will read.
 */
static enum candidate_verdict
try_candidate(void *context, const struct candidate *candidate, struct segment_found *found)
{
	struct fleet *fleet = context;
	char why[256] = "";
	bool ours = fleet->target.kind == TARGET_LAUNCH;
	if ((!found->identity.alive && !ours) || has(fleet, found))
		return CANDIDATE_SETTLED;
	int err = add(fleet, found, candidate->place, why, sizeof why);
	if (err == DISCOVER_LATER)
		return CANDIDATE_LATER;
	if (err == -EMFILE)
		return CANDIDATE_BUSY; /* when others have ended, maybe */
	if (err < 0)
		log_verbose("pid %" PRIu32 ": %s; not shown", found->identity.pid,
			    why[0] != '\0' ? why : strerror(-err));
	return CANDIDATE_SETTLED;
}

static void
list_place(void *context, struct place *place)
{
	struct fleet *fleet = context;
	places_list(place, candidates_add, &fleet->candidates);
}

void
fleet_find(struct fleet *fleet)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	bool first = fleet->next_scan_ns == 0;
	if (now_ns >= fleet->next_scan_ns) {
		places_scan(&fleet->places, list_place, fleet);
		fleet->next_scan_ns = now_ns + SCAN_NS;
	}
	for (size_t i = 0; first && i < fleet->places.n; i++)
		list_place(fleet, fleet->places.items[i]);
	places_poll(&fleet->places, candidates_add, &fleet->candidates);
	fleet->candidates.may_wait = fleet->n > 0;
	candidates_try(&fleet->candidates, &fleet->target, now_ns, try_candidate, fleet);
}

static struct place *
place_of(struct fleet *fleet, uint32_t pid)
{
	int proc = proc_open(pid);
	struct place *place = proc >= 0 ? places_of(&fleet->places, proc) : NULL;
	if (proc >= 0)
		close(proc);
	return place;
}

static int
add_pid(struct fleet *fleet, uint32_t pid, char *why, size_t why_bytes)
{
	struct segment_found found;
	int err = discover_process(pid, &found, why, why_bytes);
	if (err == 0 && !has(fleet, &found))
		err = add(fleet, &found, place_of(fleet, pid), why, why_bytes);
	discover_fini(&found);
	return err;
}

static int
refuse(uint32_t pid, int err, const char *why)
{
	if (err == DISCOVER_UNTRACED) {
		log_error("top: pid %" PRIu32 " does not have the hook: start it with "
			  "`auditd-collect top -- COMMAND`, or set PYAUDITD=1 after `python -m "
			  "pyauditd install`", pid);
		return EXIT_NO_TARGET;
	}
	log_error("top: pid %" PRIu32 ": %s", pid, why[0] != '\0' ? why : strerror(-err));
	if (err == -ESRCH)
		return EXIT_NO_TARGET;
	return err == -EACCES || err == -EPERM ? EXIT_NO_PERMISSION : EXIT_FAILED;
}

int
fleet_add_pids(struct fleet *fleet, const uint32_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char why[256] = "";
		int err = add_pid(fleet, pids[i], why, sizeof why);
		for (int k = 0; k < SETUP_TRIES && err == DISCOVER_LATER; k++) {
			nanosleep(&(struct timespec){.tv_nsec = SETUP_PAUSE_NS}, NULL);
			err = add_pid(fleet, pids[i], why, sizeof why);
		}
		if (err != 0)
			return refuse(pids[i], err, why);
	}
	return 0;
}

/* ---- a look ---- */

void
fleet_read(struct fleet *fleet, bool wanted)
{
	struct records *records = &fleet->records;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	records->n_read = records->n_others = 0;
	for (size_t i = 0; i < fleet->n; i++) {
		if (wanted)
			records_read(records, fleet->items[i], now_ns);
		else
			records_leave(records, fleet->items[i]);
	}
}

static bool
any_runs(const struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->items[i]->ended_ns == 0)
			return true;
	return false;
}

/* When nobody is left, those that ended last stay: there is nothing else to look at. */
static void
bury(struct fleet *fleet)
{
	size_t kept = 0;
	if (!any_runs(fleet))
		return;
	for (size_t i = 0; i < fleet->n; i++) {
		struct watched *watched = fleet->items[i];
		if (watched->ended_ns != 0 && fleet->now_ns - watched->ended_ns > FLEET_KEEP_NS)
			let_go(fleet, watched);
		else
			fleet->items[kept++] = watched;
	}
	fleet->n = kept;
}

void
fleet_look(struct fleet *fleet)
{
	fleet->before_ns = fleet->now_ns;
	fleet->now_ns = clock_ns(CLOCK_MONOTONIC);
	fleet->realtime_ns = clock_ns(CLOCK_REALTIME);
	bury(fleet);
	for (size_t i = 0; i < fleet->n; i++)
		watched_look(fleet->items[i], fleet->now_ns);
}

void
fleet_reset(struct fleet *fleet)
{
	records_reset(&fleet->records);
	for (size_t i = 0; i < fleet->n; i++)
		watched_reset(fleet->items[i]);
}

bool
fleet_is_alive(const struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->items[i]->ended_ns == 0 && watched_runs(fleet->items[i]))
			return true;
	return fleet->candidates.n > 0;
}

uint64_t
fleet_interval_ns(const struct fleet *fleet)
{
	return fleet->before_ns == 0 ? 0 : fleet->now_ns - fleet->before_ns;
}
