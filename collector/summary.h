/* SPDX-License-Identifier: MIT */
/* -c: a table at the end, of events by name and of losses by reason, as strace -c has it. */
#ifndef COLLECTOR_SUMMARY_H
#define COLLECTOR_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#include "tracee.h"

struct summary;

struct summary *summary_new(void); /* NULL: no memory */
void summary_free(struct summary *summary);

/*
 * The counters of a tracee as they are now: taken out when we come (what happened before is
 * not ours to tell), put in when we leave.
 */
void summary_subtract(struct summary *summary, struct tracee *tracee);
void summary_add(struct summary *summary, struct tracee *tracee);

/* Lost while we watched: everything but what had no reader yet. */
uint64_t summary_lost(const struct summary *summary);

void summary_print(const struct summary *summary, FILE *file);

#endif
