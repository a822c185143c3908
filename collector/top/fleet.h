/* SPDX-License-Identifier: MIT */
/* The processes that are watched: finds them, looks at all of them at once, lets go of the dead. */
#ifndef COLLECTOR_TOP_FLEET_H
#define COLLECTOR_TOP_FLEET_H

#include <stddef.h>
#include <stdint.h>

#include "candidates.h"
#include "places.h"
#include "records.h"
#include "target.h"
#include "watched.h"

#define FLEET_MOST 8192            /* processes at a time, */
#define FLEET_FILES_OF_ONE 3       /* if there are descriptors for so many, */
#define FLEET_FILES_OF_US 32       /* and for what else we open */
#define FLEET_KEEP_NS 10000000000u /* how long one that has ended stays, room permitting */

/* What is said then, unless we have started a command. */
#define FLEET_IS_EMPTY "nothing is traced yet; try: auditd-collect top -- python3 app.py"

struct fleet {
	struct target target;
	struct places places;
	struct candidates candidates;
	struct watched **items; /* in the order that they came */
	size_t n, room;
	size_t n_seen;          /* ever */
	bool told_full;         /* that there is no room for all of them */
	struct records records;
	uint64_t next_scan_ns;
	uint64_t now_ns, before_ns; /* of the last two looks, monotonic */
	uint64_t realtime_ns;       /* of the last one */
};

/* Zeroed storage of the caller, with `target` set. 0 or -errno with `why` a sentence. */
int fleet_init(struct fleet *fleet, char *why, size_t why_bytes);
void fleet_fini(struct fleet *fleet);

/* These processes, whose children come by themselves; 0 or what to exit with, told on stderr. */
int fleet_add_pids(struct fleet *fleet, const uint32_t *pids, size_t n);

/* Find who is new; between looks, too, for a program may be gone before the next one. */
void fleet_find(struct fleet *fleet);

/* Read the events of all, if they are wanted; else leave them to others. */
void fleet_read(struct fleet *fleet, bool wanted);

/* Look at everybody. */
void fleet_look(struct fleet *fleet);

/* Totals of all count from now on. */
void fleet_reset(struct fleet *fleet);

/* Some process of it runs at this moment, or may turn out to be one of it. */
bool fleet_is_alive(const struct fleet *fleet);

/* Time between the last two looks; of the first, since fleet_init(). */
uint64_t fleet_interval_ns(const struct fleet *fleet);

#endif
