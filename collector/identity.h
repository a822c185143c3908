/* SPDX-License-Identifier: MIT */
/* Who a process is, asked of the kernel as long as it lives. */
#ifndef COLLECTOR_IDENTITY_H
#define COLLECTOR_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

/* Strings are owned by it; NULL where not known. */
struct identity {
	uint32_t pid;         /* in our pid namespace; 0: not there (dead or out of sight) */
	uint32_t ns_pid;      /* in its own innermost namespace: the one in the segment's name */
	uint32_t ppid;
	uint32_t uid;         /* owner of the object; effective uid of the process when alive */
	uint64_t start_time;  /* field 22 of /proc/PID/stat */
	int64_t clock_offset_ns; /* its CLOCK_MONOTONIC less ours: a time namespace */
	bool alive;
	char *exe, *cwd;
	char **argv;          /* NULL-terminated */
};

/*
 * Of the process whose /proc directory `proc` is. What cannot be read stays NULL. 0 or -errno
 * (-ESRCH when it is gone). The caller frees with identity_fini(), also after a failure.
 */
int identity_read(struct identity *identity, int proc, uint32_t pid);

/* exe, cwd and argv of a dead process, from its DEF_PROCESS of n bytes (common/defs.h). */
void identity_from_process(struct identity *identity, const char *at, size_t n);

void identity_fini(struct identity *identity);

/* A time of its clock by ours. A counter of the processor is the same in all namespaces. */
uint64_t identity_ticks(const struct identity *identity, enum clock_kind kind, uint64_t ticks);

/* The command line, words divided by blanks, cut to fit; "?" when not known. */
const char *identity_command(const struct identity *identity, char *buffer, size_t buffer_bytes);

/*
 * Is this the program that `glob` means, as pgrep -f has it: the pattern is looked for in the
 * script's or module's name and in the whole command line. Without * ? [ it matches anywhere.
 */
bool identity_matches(const struct identity *identity, const char *glob);

#endif
