/* SPDX-License-Identifier: MIT */
#include "roster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "call_support.h"
#include "clock.h"
#include "exit_status.h"
#include "log.h"
#include "proc.h"
#include "watch.h"

#define SCAN_NS 1000000000u /* how often to look for other roots, at most */
#define SCAN_DIVISOR 400    /* and the share of the time that it may take */
#define SETUP_TRIES 100     /* a process may just be setting its segment up */
#define SETUP_PAUSE_NS 10000000
#define FILES_OF_ONE 3      /* descriptors that a process costs us */
#define FILES_SPARE 8       /* those that it takes to look at things, and to see them end */

int
roster_init(struct roster *roster, struct reading *reading, struct waiter *waiter, char *why,
	    size_t why_bytes)
{
	struct rlimit limit;
	roster->reading = reading;
	roster->waiter = waiter;
	roster->started_realtime_ns = clock_ns(CLOCK_REALTIME);
	roster->started_boot_ns = clock_ns(CLOCK_BOOTTIME);
	/* A quarter for any one user, so that nobody can keep the others from being read. */
	roster->most_files = 1024;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		roster->most_files = limit.rlim_max;
	roster->most_of_one_user = roster->most_files / FILES_OF_ONE / 4;
	roster->watch = -1;
	int err = places_init(&roster->places, "/dev/shm");
	if (err < 0)
		snprintf(why, why_bytes, "/dev/shm cannot be watched: %s", strerror(-err));
	if (err == 0 && roster->target.kind == TARGET_ALL) {
		roster->watch = watch_begin(roster->places.items[0]->dir);
		if (roster->watch < 0)
			log_error("programs cannot be told that all are read: %s; those that end at "
				  "once may be missed", strerror(-roster->watch));
	}
	return err < 0 ? err : waiter_watch(waiter, roster->places.inotify);
}

void
roster_fini(struct roster *roster)
{
	descendants_free(roster->descendants);
	free(roster->followed);
	free(roster->ended);
	candidates_fini(&roster->candidates);
	target_fini(&roster->target);
	roster_stop_watching(roster);
	places_fini(&roster->places);
}

bool
roster_stop_watching(struct roster *roster)
{
	bool watched = roster->watch >= 0;
	if (watched)
		watch_end(roster->places.items[0]->dir, roster->watch);
	roster->watch = -1;
	return watched;
}

/* ---- attach ---- */

static bool
is_among(struct followed *const *list, size_t n, const struct segment_found *found)
{
	for (size_t i = 0; i < n; i++)
		if (list[i]->found.dev == found->dev && list[i]->found.ino == found->ino)
			return true;
	return false;
}

static bool
is_followed(const struct roster *roster, const struct segment_found *found)
{
	return is_among(roster->followed, roster->n_followed, found) ||
	       is_among(roster->ended, roster->n_ended, found);
}

/* Another user has more than his share already. */
static bool
is_too_much(struct roster *roster, const struct segment_found *found)
{
	size_t n = 0;
	if (found->owner == geteuid())
		return false;
	for (size_t i = 0; i < roster->n_followed; i++)
		n += roster->followed[i]->found.owner == found->owner;
	if (n < roster->most_of_one_user)
		return false;
	if (roster->told_user != found->owner)
		log_error("user id %" PRIu32 " has %zu traced processes: more are not read",
			  found->owner, n);
	roster->told_user = found->owner;
	return true;
}

/* Descriptors are used up from the lowest on; this one has not yet all of its own. */
static bool
is_last_file(const struct roster *roster, const struct segment_found *found)
{
	int last = found->fd > found->maps ? found->fd : found->maps;
	return (size_t)last + FILES_SPARE >= roster->most_files;
}

/* Room for one more. */
static bool
make_room(struct followed ***list, size_t n, size_t *room)
{
	if (n < *room)
		return true;
	size_t more = *room > 0 ? 2 * *room : 16;
	struct followed **longer = realloc(*list, more * sizeof *longer);
	if (longer == NULL)
		return false;
	*list = longer;
	*room = more;
	return true;
}

static int
follow(struct roster *roster, struct segment_found *found, struct place *place, bool from_start,
       char *why, size_t why_bytes)
{
	struct followed *followed;
	if (!make_room(&roster->followed, roster->n_followed, &roster->room_followed))
		return -ENOMEM;
	int err = followed_open(&followed, roster->reading, found, place, from_start, why,
				why_bytes);
	if (err != 0)
		return err;
	roster->followed[roster->n_followed++] = followed;
	roster->candidates.may_wait = !roster->reading->dump;
	roster->n_seen++;
	roster->has_new = true;
	if (followed->pidfd >= 0)
		waiter_watch(roster->waiter, followed->pidfd);
	const struct identity *identity = tracee_identity(followed->tracee);
	target_follow(&roster->target, &followed->found, followed->pid, identity->start_time);
	roster->looks_again |= target_is_named(&roster->target, identity);
	return 0;
}

struct followed *
roster_take_out(struct roster *roster, size_t i)
{
	struct followed *followed = roster->followed[i];
	/* In the order that they came: a parent's last lines stand before its children's. */
	memmove(&roster->followed[i], &roster->followed[i + 1],
		(--roster->n_followed - i) * sizeof *roster->followed);
	if (followed->pidfd >= 0)
		waiter_unwatch(roster->waiter, followed->pidfd);
	return followed;
}

void
roster_end(struct roster *roster, size_t i, int status)
{
	struct followed *followed = roster_take_out(roster, i);
	followed_end(followed, status);
	if (make_room(&roster->ended, roster->n_ended, &roster->room_ended)) {
		roster->ended[roster->n_ended++] = followed;
		return;
	}
	printer_flush(roster->reading->printer, true);
	followed_bury(followed);
}

void
roster_condemn(struct roster *roster, size_t i)
{
	struct followed *followed = roster_take_out(roster, i);
	condemned_add(&roster->condemned, &followed->found, followed->pid);
	roster->reading->left_some |= roster->target.kind == TARGET_PIDS;
	followed_drop(followed);
}

void
roster_bury(struct roster *roster, size_t n)
{
	for (size_t i = 0; i < n; i++)
		followed_bury(roster->ended[i]);
	roster->n_ended -= n;
	if (n > 0)
		memmove(roster->ended, roster->ended + n, roster->n_ended * sizeof *roster->ended);
}

void
roster_leave_ended(struct roster *roster)
{
	for (size_t i = 0; i < roster->n_ended; i++)
		condemned_add(&roster->condemned, &roster->ended[i]->found, roster->ended[i]->pid);
	roster_bury(roster, roster->n_ended);
}

int
roster_follow_dead(struct roster *roster, struct place *place, struct segment_found *found,
		   char *why, size_t why_bytes)
{
	if (is_followed(roster, found))
		return 0;
	if (is_last_file(roster, found))
		return -EMFILE;
	return follow(roster, found, place, true, why, why_bytes);
}

/* Has its tracing begun since we did? By the system's clock, which may have been set since. */
static bool
came_after_us(const struct roster *roster, const struct segment_found *found)
{
	uint64_t age_ns = clock_ns(CLOCK_BOOTTIME) - roster->started_boot_ns;
	return found->began_ns >= roster->started_realtime_ns ||
	       found->began_ns >= clock_ns(CLOCK_REALTIME) - age_ns;
}

/* A candidates_fn. */
static enum candidate_verdict
try_candidate(void *context, const struct candidate *candidate, struct segment_found *found)
{
	struct roster *roster = context;
	char why[256] = "";
	if (is_followed(roster, found) || condemned_has(&roster->condemned, found) ||
	    is_too_much(roster, found))
		return CANDIDATE_SETTLED;
	if (is_last_file(roster, found))
		return candidates_shortage(&roster->candidates, found->name_pid, -EMFILE);
	bool from_start = roster->target.kind == TARGET_LAUNCH ||
			  came_after_us(roster, found);
	bool alive = found->identity.alive;
	uint32_t pid = alive ? found->identity.pid : found->name_pid;
	int err = follow(roster, found, candidate->place, from_start, why, sizeof why);
	if (err == TRACEE_NOT_READY)
		return CANDIDATE_LATER;
	if (err == TRACEE_YIELDS && !candidate->in_vain)
		return CANDIDATE_YIELDS;
	if (err == TRACEE_YIELDS)
		err = TRACEE_BUSY;
	if (err == TRACEE_BUSY && !roster->reading->dump) { /* which waits for nobody */
		if (!candidate->told_busy && alive)
			log_note("pid %" PRIu32 ": %s; not read before that one leaves", pid, why);
		return CANDIDATE_BUSY;
	}
	if (discover_is_shortage(err))
		return candidates_shortage(&roster->candidates, pid, err);
	if (err != 0)
		log_error("pid %" PRIu32 ": %s; not read", pid,
			  why[0] != '\0' ? why : strerror(-err));
	return CANDIDATE_SETTLED;
}

/* ---- by pid ---- */

struct left {
	uint32_t pid;
	bool any;
};

static void
note_left(void *context, struct place *place, const char *name)
{
	struct left *left = context;
	char full[SEGMENT_NAME_BYTES];
	uint32_t uid, pid, nonce;
	(void)place;
	if (snprintf(full, sizeof full, "/%s", name) < (int)sizeof full &&
	    segment_name_parse(full, &uid, &pid, &nonce) == 0)
		left->any |= pid == left->pid;
}

static bool
has_left_something(struct roster *roster, uint32_t pid)
{
	struct left left = {.pid = pid};
	places_scan(&roster->places, NULL, NULL);
	for (size_t i = 0; i < roster->places.n; i++)
		places_list(roster->places.items[i], note_left, &left);
	return left.any;
}

static int
refuse_pid(struct roster *roster, uint32_t pid, int err, const char *why)
{
	if (err == DISCOVER_UNTRACED) {
		log_error("pid %" PRIu32 " does not have the hook: start it with "
			  "`auditd-collect -- COMMAND`, or set PYAUDITD=1 after `python -m "
			  "pyauditd install`", pid);
		return EXIT_NO_TARGET;
	}
	if (err == -ESRCH && has_left_something(roster, pid))
		log_error("pid %" PRIu32 ": %s; what it left is read by --post-mortem %" PRIu32, pid,
			  why, pid);
	else
		log_error("pid %" PRIu32 ": %s", pid, why[0] != '\0' ? why : strerror(-err));
	if (err == -ESRCH || err == -ENOTSUP)
		return EXIT_NO_TARGET;
	return err == -EACCES || err == -EPERM ? EXIT_NO_PERMISSION : EXIT_FAILED;
}

static struct place *
place_of_pid(struct roster *roster, uint32_t pid)
{
	int proc = proc_open(pid);
	struct place *place = proc >= 0 ? places_of(&roster->places, proc) : NULL;
	if (proc >= 0)
		close(proc);
	return place;
}

/* Who was asked for by number must be able to do what was asked for. */
static int
check_calls(const struct roster *roster, struct segment_found *found, char *why, size_t why_bytes)
{
	struct segment_header header;
	const struct call_settings *calls = roster->reading->settings.calls;
	if (calls == NULL || discover_header(found, &header) != 0)
		return 0;
	return call_support_check(&header, calls, why, why_bytes);
}

static int
follow_pid(struct roster *roster, uint32_t pid, char *why, size_t why_bytes)
{
	struct segment_found found;
	int err = discover_process(pid, &found, why, why_bytes);
	if (err == 0 && !is_followed(roster, &found))
		err = check_calls(roster, &found, why, why_bytes);
	if (err == 0 && !is_followed(roster, &found))
		err = follow(roster, &found, place_of_pid(roster, pid), false, why, why_bytes);
	discover_fini(&found);
	return err;
}

int
roster_follow_pids(struct roster *roster, const uint32_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		roster_watch_descendants(roster, pids[i]);
	for (size_t i = 0; i < n; i++) {
		char why[256] = "";
		int err = follow_pid(roster, pids[i], why, sizeof why);
		for (int k = 0; k < SETUP_TRIES && (err == TRACEE_NOT_READY || err == TRACEE_YIELDS);
		     k++) {
			nanosleep(&(struct timespec){.tv_nsec = SETUP_PAUSE_NS}, NULL);
			err = follow_pid(roster, pids[i], why, sizeof why);
		}
		if (err != 0)
			return refuse_pid(roster, pids[i], err, why);
	}
	roster->looks_again = true;
	return 0;
}

/* ---- what appears ---- */

static void
list_place(void *context, struct place *place)
{
	struct roster *roster = context;
	places_list(place, candidates_add, &roster->candidates);
}

void
roster_look_everywhere(struct roster *roster)
{
	places_scan(&roster->places, NULL, NULL);
	for (size_t i = 0; i < roster->places.n; i++)
		list_place(roster, roster->places.items[i]);
}

/* Whose parent was not followed when they were looked at, they were not ours. */
static void
look_again(struct roster *roster, uint64_t now_ns)
{
	roster->looks_again = false;
	roster_look_everywhere(roster);
	roster->next_look_ns = now_ns + SCAN_NS;
}

static void
scan_places(struct roster *roster, uint64_t now_ns)
{
	places_scan(&roster->places, list_place, roster);
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC);
	uint64_t pause_ns = (end_ns - now_ns) * SCAN_DIVISOR;
	roster->next_scan_ns = end_ns + (pause_ns > SCAN_NS ? pause_ns : SCAN_NS);
}

void
roster_look(struct roster *roster, uint64_t now_ns)
{
	roster->has_new = false;
	if (now_ns >= roster->next_scan_ns)
		scan_places(roster, now_ns);
	if (roster->looks_again && now_ns >= roster->next_look_ns)
		look_again(roster, now_ns);
	roster->unread = places_poll(&roster->places, candidates_add, &roster->candidates);
	roster->has_new |= roster->unread;
	roster->candidates.may_wait = roster->n_followed + roster->n_ended > 0 &&
				      !roster->reading->dump; /* which waits for nobody's end */
	candidates_try(&roster->candidates, &roster->target, now_ns, try_candidate, roster);
}

/* ---- who has no hook ---- */

void
roster_watch_descendants(struct roster *roster, uint32_t root)
{
	if (roster->descendants == NULL)
		roster->descendants = descendants_new();
	if (roster->descendants != NULL)
		descendants_of(roster->descendants, root);
}

static bool
knows_pid(void *context, uint32_t pid)
{
	struct roster *roster = context;
	for (size_t i = 0; i < roster->n_followed; i++)
		if (roster->followed[i]->pid == pid && followed_alive(roster->followed[i]))
			return true; /* another may be what it was before an exec */
	return false;
}

static void
found_descendant(void *context, uint32_t pid, uint64_t start_time)
{
	struct roster *roster = context;
	target_join(&roster->target, pid, start_time);
}

static void
found_untraced(void *context, const struct identity *identity)
{
	struct roster *roster = context;
	roster->n_seen++;
	printer_untraced(roster->reading->printer, clock_ns(CLOCK_REALTIME), identity);
}

void
roster_look_for_untraced(struct roster *roster, uint64_t now_ns)
{
	const struct descendants_asker asker = {roster, knows_pid, found_descendant, found_untraced};
	if (roster->descendants != NULL)
		descendants_scan(roster->descendants, now_ns, &asker);
}
