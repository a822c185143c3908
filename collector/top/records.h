/* SPDX-License-Identifier: MIT */
/*
 * The events themselves, for what the counters do not tell: what they touch, the last of them.
 * Where nobody else reads a process we do, and leave as soon as a collector asks for the place;
 * what we have read is not there for it any more. Beside a collector, or another of our kind, we
 * look on.
 */
#ifndef COLLECTOR_TOP_RECORDS_H
#define COLLECTOR_TOP_RECORDS_H

#include "onlooker.h"
#include "sketch.h"
#include "text.h"
#include "watched.h"
#include "wishes.h"

#define RECORDS_TAIL 500   /* lines */
#define RECORDS_EVENTS 256 /* names whose last arguments are known */

struct records_last {
	char *name, *text; /* owned */
	uint64_t time_ns;  /* Unix time */
	char key[KEY_BYTES]; /* whose it was */
	uint32_t uid;
};

struct records_line {
	char *text; /* owned */
	char key[KEY_BYTES];
	uint32_t uid;
};

struct records {
	struct wishes wishes; /* of whom we read, and will */
	struct sketch targets;
	struct sketch chosen; /* of some processes alone, since they were chosen */
	struct selection choice;
	char choice_key[KEY_BYTES];
	bool counts_chosen;    /* the event of this moment is of one of them */
	struct text text;
	struct records_line tail[RECORDS_TAIL]; /* a ring of lines; text NULL: none yet */
	size_t tail_next;
	struct records_last last[RECORDS_EVENTS]; /* a hash table */
	unsigned n_lines; /* made since the last tick: there is a bound */
	struct share share; /* of what was recorded; `seen` may be ahead of `all` for a moment */
	size_t n_read, n_others; /* processes that we read, that others read; of this round */
};

void records_init(struct records *records);
void records_fini(struct records *records);

/* Read what is there, of this process; or try to become its reader. */
void records_read(struct records *records, struct watched *watched, uint64_t now_ns);

/* Whose targets are wanted, from now on; of all they are counted in any case. */
void records_choose(struct records *records, const struct selection *selection);
const struct sketch *records_targets(const struct records *records);

/* Of what was recorded since we came, or the last reset; 1 when nothing was. */
double records_share(const struct records *records);

/* Targets and the share count from now on. */
void records_reset(struct records *records);

/* An interval ends. */
void records_tick(struct records *records);

/* Read it no more. One that has ended is read to its end, and its object removed. */
void records_leave(struct records *records, struct watched *watched);

/* NULL: not known. */
const struct records_last *records_last(const struct records *records, const char *event);

/* Line i of the tail, the oldest first; NULL: there are no more. */
const struct records_line *records_line(const struct records *records, size_t i);

#endif
