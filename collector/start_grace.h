/* SPDX-License-Identifier: MIT */
/*
 * How long an interpreter may take to load the hook before it is said to be without: little, where
 * nothing tells it to load the hook; longer, where its environment does, for it may have much to do
 * before that.
 */
#ifndef COLLECTOR_START_GRACE_H
#define COLLECTOR_START_GRACE_H

#include <stdbool.h>
#include <stdint.h>

struct start_grace;

/* What a process is granted, by its directory in /proc: its environment, and its options. */
const struct start_grace *start_grace_of(int proc);

/*
 * It runs for so long, is asleep for so long without a break, and has used so much processor time.
 */
bool start_grace_is_over(const struct start_grace *grace, uint64_t age_ns, uint64_t asleep_ns,
			 uint64_t cpu_ticks);

#endif
