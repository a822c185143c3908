/* SPDX-License-Identifier: MIT */
/* One process that is being read, from its first line to its last. */
#ifndef COLLECTOR_FOLLOWED_H
#define COLLECTOR_FOLLOWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cwd.h"
#include "discover.h"
#include "printer.h"
#include "reading.h"
#include "tracee.h"

struct followed {
	struct reading *reading;
	struct tracee *tracee;
	struct segment_found found; /* its fd and identity have moved into the tracee */
	struct place *place;        /* NULL: the object has no name there */
	struct printer_source source;
	struct cwd cwd;
	int pidfd;                  /* -1: none */
	uint32_t pid;               /* out here; 0 when dead */
	bool many_lanes;
	bool from_start;            /* nothing of it happened before we came */
	bool complained;            /* of a damaged lane */
	bool noted_last;            /* it is dead; nothing is noted any more */
	bool stands;                /* the last drain had nothing */
	bool cut;                   /* --max-events was reached: not all of it was shown */
	bool wants_calls;           /* they were asked for, and can be had */
	bool lacks_calls;           /* which were asked for; that has been said */
	uint64_t n_read, n_lost;    /* events, by us */
	unsigned n_notices;         /* of its hook, that were said on stderr */
	uint64_t calls_before;      /* what tracee_calls() said when we came */
};

/*
 * Attach. With `from_start` everything that the segment holds is shown, else only what comes
 * from now on. 0; then `found` is used up. TRACEE_NOT_READY, TRACEE_BUSY, TRACEE_YIELDS or -errno
 * with `why` a sentence; `found` is still the caller's then.
 */
int followed_open(struct followed **followed, struct reading *reading,
		  struct segment_found *found, struct place *place, bool from_start, char *why,
		  size_t why_bytes);

/* As tracee_note(). */
void followed_note(struct followed *followed);

/*
 * Print what was there then, `max` events at the most and no more than a turn (reading.h); how
 * many, or -TRACEE_CONDEMNED.
 */
int64_t followed_drain(struct followed *followed, uint64_t max);

/* What was drained is written: the program may use the room again. The others as in tracee.h. */
void followed_release(struct followed *followed);
void followed_mark(struct followed *followed);
void followed_release_marked(struct followed *followed);
void followed_relieve(struct followed *followed);

/* Once a second. */
void followed_tick(struct followed *followed);
/* Instead of it, while a write waits. */
void followed_beat(struct followed *followed);

uint32_t *followed_wake_word(struct followed *followed); /* for waiter.h */

bool followed_alive(const struct followed *followed);

/* It is dead, and what it left is read but for what came at the very last. */
bool followed_is_through(struct followed *followed);

/* It has ended and left its object to its reader. */
bool followed_ended_cleanly(const struct followed *followed);

/*
 * Each of these prints the account. End: the process has ended, or is another program now;
 * `status` as of waitpid, -1 when it is not known. Once all that is written, followed_bury()
 * removes the object and frees. Leave: it goes on without us. Drop: its segment turned out to
 * be damaged. These two free.
 */
void followed_end(struct followed *followed, int status);
void followed_bury(struct followed *followed);
void followed_leave(struct followed *followed);
void followed_drop(struct followed *followed);

/* Lines as they are now: of functions that changed, counts, stats. */
void followed_report(struct followed *followed);

#endif
