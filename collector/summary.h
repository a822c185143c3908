/* SPDX-License-Identifier: MIT */
/*
 * -c: a table at the end, of events by name and of losses by reason, as strace -c has it, and one
 * of functions. It has so many rows at the most, however many names programs make up.
 */
#ifndef COLLECTOR_SUMMARY_H
#define COLLECTOR_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "event.h"
#include "tracee.h"

struct summary;

struct summary *summary_new(void); /* NULL: no memory */
void summary_free(struct summary *summary);

/*
 * The counters of a tracee as they are now: those of events are taken out when we come (what happened
 * before is not ours to tell, but for a backlog); all are put in when we leave, of functions the gain.
 */
void summary_subtract(struct summary *summary, struct tracee *tracee);
void summary_add(struct summary *summary, struct tracee *tracee);

/* A loss was told; `ours`: also what had no reader before we came. */
void summary_loss(struct summary *summary, const struct event *event, bool ours);

/* A call was read, or a return. */
void summary_call(struct summary *summary, bool begins);

/* Events of dead processes that a hook removed before anybody read them. */
void summary_removed(struct summary *summary, uint64_t n);

/* Lost while we watched: not what had no reader because we had not come yet. */
uint64_t summary_lost(const struct summary *summary);

/* The same by reason: "512 lane_full, 3 killed". */
void summary_lost_text(const struct summary *summary, char *text, size_t bytes);

void summary_print(struct summary *summary, FILE *file);

#endif
