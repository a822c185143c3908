/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc/PID. A process is held by a descriptor of its directory: once the process is
 * gone every read through it fails, so a reused pid is never mistaken for it.
 */
#ifndef COLLECTOR_PROC_H
#define COLLECTOR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The directory, O_PATH; -ESRCH when there is no such process. */
int proc_open(uint32_t pid);

/*
 * The beginning of a file, NUL-terminated; how many bytes, or -errno. For `name` as in
 * "stat".
 */
ssize_t proc_read(int proc, const char *name, char *buffer, size_t buffer_bytes);

struct proc_stat {
	char state;
	uint32_t ppid;
	uint64_t cpu_ticks;  /* user and system */
	uint32_t n_threads;
	uint64_t start_time; /* ticks since boot */
	uint64_t stack_start; /* address: exec makes another one; 0 to who may not know */
};
int proc_stat(int proc, struct proc_stat *stat);

struct proc_status {
	uint32_t euid;
	uint32_t ns_pid; /* in its innermost pid namespace */
};
int proc_status(int proc, struct proc_status *status);

/*
 * What its CLOCK_MONOTONIC is ahead of the machine's, in a time namespace; 0: nothing, or not
 * known. Of what it starts next, to be exact: a process that just made itself another one is none
 * the wiser itself before it does.
 */
int64_t proc_clock_offset_ns(int proc);

/* Where a symbolic link like "exe" points; caller frees; NULL when it cannot be read. */
char *proc_link(int proc, const char *name);

/*
 * Calls fn with every pid there is; false from it ends the walk. 0, or -errno: nobody was looked
 * at.
 */
typedef bool (*proc_each_fn)(void *context, uint32_t pid);
int proc_each(proc_each_fn fn, void *context);

/* One line of maps. */
struct proc_mapping {
	uint64_t start, end;
	dev_t dev;
	ino_t ino;
	const char *path; /* "" when there is none; valid during the call */
};
typedef bool (*proc_maps_fn)(void *context, const struct proc_mapping *mapping);

/* Calls fn with every mapping of a file; false from it ends the walk. 0 or -errno. */
int proc_maps(int maps, proc_maps_fn fn, void *context);

/* A descriptor for proc_maps() and proc_alive(), or -errno. */
int proc_open_maps(int proc);

/*
 * Is the program image that this was opened for still running? False after exit and after
 * exec, too: the descriptor belongs to the address space. Costs a microsecond.
 */
bool proc_alive(int maps);

#endif
