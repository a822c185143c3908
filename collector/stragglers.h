/* SPDX-License-Identifier: MIT */
/*
 * What a command of ours left behind that is only starting: it has our mark in its environment, and
 * is, or may become, a Python that has not come to load the hook.
 */
#ifndef COLLECTOR_STRAGGLERS_H
#define COLLECTOR_STRAGGLERS_H

#include <stdbool.h>
#include <stdint.h>

/* Is there one? Looks through /proc. */
bool stragglers_any(uint64_t launch_id);

#endif
