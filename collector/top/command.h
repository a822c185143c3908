/* SPDX-License-Identifier: MIT */
/* `auditd-collect top -- COMMAND`: the command, and what it prints. */
#ifndef COLLECTOR_TOP_COMMAND_H
#define COLLECTOR_TOP_COMMAND_H

#include "top.h"

/*
 * Start it. While the screen is ours it has no terminal: what it prints is kept, it reads nothing.
 * As launch_start().
 */
int command_start(struct top *top, char *why, size_t why_bytes);

/* The screen is closed: show what it printed, and wait until it has ended. */
void command_wait(struct top *top);

#endif
