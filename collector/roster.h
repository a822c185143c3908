/* SPDX-License-Identifier: MIT */
/* Who is followed: finds the programs that are wanted, attaches, and keeps the list. */
#ifndef COLLECTOR_ROSTER_H
#define COLLECTOR_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "candidates.h"
#include "condemned.h"
#include "descendants.h"
#include "followed.h"
#include "places.h"
#include "target.h"
#include "waiter.h"

struct roster {
	struct target target;
	struct reading *reading;
	struct waiter *waiter;
	struct followed **followed;
	size_t n_followed, room_followed;
	struct followed **ended;          /* their last lines may not be written yet */
	size_t n_ended, room_ended;
	struct condemned condemned;
	size_t n_seen;                    /* ever: followed, or announced as untraced */
	bool unread;                      /* names appeared that were not looked at yet */
	bool has_new;                     /* since roster_look() began: not yet noted, do not sleep */
	bool looks_again;                 /* for children, which were there before their parent */
	uint64_t next_look_ns;
	struct places places;
	struct candidates candidates;
	struct descendants *descendants;  /* of the command, or of the pids asked for; or NULL */
	int watch;                        /* the hooks know that all are wanted; -1: no */
	uint64_t started_realtime_ns, started_boot_ns, next_scan_ns;
	size_t most_of_one_user, most_files;
	uint32_t told_user;               /* whose share was found used up */
};

/* Zeroed storage of the caller, with `target` set. `reading` and `waiter` stay his. 0 or -errno
 * with `why`. */
int roster_init(struct roster *roster, struct reading *reading, struct waiter *waiter, char *why,
		size_t why_bytes);
void roster_fini(struct roster *roster);

/* Attach to these, and then to their children; 0 or what to exit with, told on stderr. */
int roster_follow_pids(struct roster *roster, const uint32_t *pids, size_t n);

/*
 * What a dead process left, which is identified: as followed_open(), or 0 when it is read already.
 */
int roster_follow_dead(struct roster *roster, struct place *place, struct segment_found *found,
		       char *why, size_t why_bytes);

/* Look for Python programs without the hook below this process. */
void roster_watch_descendants(struct roster *roster, uint32_t root);

/* Everything that is there now is looked at in the next round. */
void roster_look_everywhere(struct roster *roster);

/* Programs that end from now on are no longer kept for us. True: some may have been. */
bool roster_stop_watching(struct roster *roster);

/* One round: what has appeared since; now_ns is monotonic. */
void roster_look(struct roster *roster, uint64_t now_ns);
void roster_look_for_untraced(struct roster *roster, uint64_t now_ns);

/* One that is given up: it is the caller's then. */
struct followed *roster_take_out(struct roster *roster, size_t i);

/* One that makes no sense: as followed_drop(), and it is not read again. */
void roster_condemn(struct roster *roster, size_t i);

/* One that has ended: as followed_end(). The lines of the first n such are written: bury them. */
void roster_end(struct roster *roster, size_t i, int status);
void roster_bury(struct roster *roster, size_t n);

/* No output takes their lines: what they hold is the next collector's. */
void roster_leave_ended(struct roster *roster);

#endif
