/* SPDX-License-Identifier: MIT */
/*
 * `auditd-collect -- command`: start it so that every Python below it is traced, with these
 * settings from its start.
 */
#ifndef COLLECTOR_LAUNCH_H
#define COLLECTOR_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hook_settings.h"

#define LAUNCH_FAILED 125
#define LAUNCH_NOT_EXECUTABLE 126
#define LAUNCH_NOT_FOUND 127

struct launch {
	pid_t pid;
	uint64_t id;  /* of this tree of processes: the hook writes it into its segments */
	uint64_t start_time; /* of it: its pid may be another's once it is reaped */
	bool ended;
	int status;   /* as of waitpid; once ended */
};

/*
 * Where the package is: PYAUDITD_HOME, or beside the program (build/python, or
 * PREFIX/lib/pyauditd/python). 0, or -ENOENT with `why` a sentence.
 */
int launch_find_home(char *home, size_t home_bytes, char *why, size_t why_bytes);

/*
 * Start it. 0; or LAUNCH_FAILED, LAUNCH_NOT_EXECUTABLE, LAUNCH_NOT_FOUND, which are also
 * what we exit with then, with `why` a sentence. signals_init() must have been called.
 */
int launch_start(struct launch *launch, char **command, const struct settings *settings,
		 char *why, size_t why_bytes);

/* Has it ended by now? */
bool launch_reap(struct launch *launch);

/* Its status as a shell tells it: 128 + signal when it was killed. */
int launch_exit_status(const struct launch *launch);

#endif
