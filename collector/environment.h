/* SPDX-License-Identifier: MIT */
/* The environment that another process was started with. */
#ifndef COLLECTOR_ENVIRONMENT_H
#define COLLECTOR_ENVIRONMENT_H

/* Read it, by the directory of the process in /proc; what may not be read is empty. */
void environment_read(int proc);

/* Of the one that was read last: what stands behind `begins`, as "NAME="; or NULL. */
const char *environment_get(const char *begins);

#endif
