/* SPDX-License-Identifier: MIT */
/*
 * The events of a process that somebody else reads. What is mapped is mapped for reading, no lock
 * is taken, and neither the process nor its reader can tell that we look on (common/lane.h). What
 * the hook has overwritten before we looked we miss, and say how much that was: it is a share of
 * what was recorded since we came, and what lay in the rings then counts as far as it was seen.
 */
#ifndef COLLECTOR_TOP_ONLOOKER_H
#define COLLECTOR_TOP_ONLOOKER_H

#include "event.h"
#include "watched.h"

struct onlooker;

/* Events and calls, returns and notices. */
struct share {
	uint64_t seen, all;
};

typedef void (*onlooker_fn)(void *context, const struct event *event);

/* `watched` stays where it is until onlooker_close(). 0, or -errno: it cannot be looked at. */
int onlooker_open(struct onlooker **onlooker, struct watched *watched);
void onlooker_close(struct onlooker *onlooker);

/*
 * Hand audit events to fn, in the order of each lane, about `max` of them. False: it makes no
 * sense, and is to be closed.
 */
bool onlooker_look(struct onlooker *onlooker, onlooker_fn fn, void *context, uint64_t max);

/* What the looks since the last call have seen, and what there was to be seen. */
struct share onlooker_share(struct onlooker *onlooker);

/* Was this event of a lane handed over, or missed? For who goes on as the reader. */
bool onlooker_is_past(const struct onlooker *onlooker, uint32_t lane, uint64_t seq);

#endif
