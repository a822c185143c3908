/* SPDX-License-Identifier: MIT */
/*
 * What a command of ours left behind of which nothing is to be seen in /dev/shm yet, by our mark in
 * its environment.
 */
#ifndef COLLECTOR_STRAGGLERS_H
#define COLLECTOR_STRAGGLERS_H

#include <stdint.h>

enum stragglers {
	STRAGGLERS_NONE,
	STRAGGLERS_STARTING, /* is, or may become, a Python that has not come to load the hook */
	STRAGGLERS_SILENT,   /* a forked worker that has raised nothing yet */
};

/* Looks through /proc. The last of them that there is. */
enum stragglers stragglers_look(uint64_t launch_id);

#endif
