/* SPDX-License-Identifier: MIT */
#include "descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "identity.h"
#include "proc.h"
#include "start_grace.h"

/* A walk may use this share of the time. */
#define COST_DIVISOR 200

/* A program that a process runs: an exec makes another. */
struct seen {
	uint32_t pid;
	uint64_t start_time;
	dev_t exe_dev;
	ino_t exe_ino;
	uint64_t first_ns;
	uint64_t awake_ns; /* the last time */
	uint64_t cpu_before; /* ticks, that count not */
	const struct start_grace *grace;
	bool settled; /* traced, announced, or no Python */
	bool present; /* in this walk */
};

struct descendants {
	uint32_t root;
	uint64_t root_start_time; /* another process may get its number */
	uint64_t next_ns;
	struct seen *seen;
	size_t n_seen, room_seen;
	uint32_t *queue; /* of this walk: pids */
	size_t n_queue, room_queue;
};

/* 0: it is not there. */
static uint64_t
start_time_of(uint32_t pid)
{
	struct proc_stat stat;
	int proc = proc_open(pid);
	bool there = proc >= 0 && proc_stat(proc, &stat) == 0;
	if (proc >= 0)
		close(proc);
	return there ? stat.start_time : 0;
}

struct descendants *
descendants_new(uint32_t root_pid)
{
	struct descendants *descendants = calloc(1, sizeof *descendants);
	if (descendants == NULL)
		return NULL;
	descendants->root = root_pid;
	descendants->root_start_time = start_time_of(root_pid);
	return descendants;
}

uint32_t
descendants_root(const struct descendants *descendants)
{
	return descendants->root;
}

void
descendants_free(struct descendants *descendants)
{
	if (descendants == NULL)
		return;
	free(descendants->seen);
	free(descendants->queue);
	free(descendants);
}

static void
enqueue(struct descendants *descendants, uint32_t pid)
{
	if (descendants->n_queue == descendants->room_queue) {
		size_t room = descendants->room_queue > 0 ? 2 * descendants->room_queue : 64;
		uint32_t *queue = realloc(descendants->queue, room * sizeof *queue);
		if (queue == NULL)
			return;
		descendants->queue = queue;
		descendants->room_queue = room;
	}
	descendants->queue[descendants->n_queue++] = pid;
}

static void
enqueue_children(struct descendants *descendants, int proc)
{
	char path[sizeof "task//children" + 256], children[8192];
	int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *tasks = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *task;
	while (tasks != NULL && (task = readdir(tasks)) != NULL) {
		if (task->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "task/%s/children", task->d_name);
		if (proc_read(proc, path, children, sizeof children) <= 0)
			continue;
		char *at = children, *end;
		for (unsigned long pid; (pid = strtoul(at, &end, 10)) > 0; at = end)
			if (*end == ' ') /* else the buffer ended in the middle of it */
				enqueue(descendants, (uint32_t)pid);
	}
	if (tasks != NULL)
		closedir(tasks);
	else if (fd >= 0)
		close(fd);
}

/* The program that runs there now; NULL without memory. */
static struct seen *
look_up(struct descendants *descendants, const struct seen *now)
{
	for (size_t i = 0; i < descendants->n_seen; i++) {
		struct seen *seen = &descendants->seen[i];
		if (seen->pid == now->pid && seen->start_time == now->start_time &&
		    seen->exe_dev == now->exe_dev && seen->exe_ino == now->exe_ino)
			return seen;
	}
	if (descendants->n_seen == descendants->room_seen) {
		size_t room = descendants->room_seen > 0 ? 2 * descendants->room_seen : 64;
		struct seen *seen = realloc(descendants->seen, room * sizeof *seen);
		if (seen == NULL)
			return NULL;
		descendants->seen = seen;
		descendants->room_seen = room;
	}
	descendants->seen[descendants->n_seen] = *now;
	return &descendants->seen[descendants->n_seen++];
}

struct libraries {
	bool python, hook;
};

static bool
note_library(void *context, const struct proc_mapping *mapping)
{
	struct libraries *libraries = context;
	const char *slash = strrchr(mapping->path, '/');
	if (slash != NULL && strncmp(slash, "/libpython", 10) == 0)
		libraries->python = true;
	if (strstr(mapping->path, "/pyauditd/_hook.") != NULL)
		libraries->hook = true;
	return !libraries->hook;
}

/*
 * A Python without the hook in its memory. A forked worker that has raised nothing yet has
 * the hook, and no segment: nothing to announce.
 */
static bool
is_untraced_python(int proc, const struct identity *identity)
{
	struct libraries libraries = {false, false};
	const char *slash = identity->exe != NULL ? strrchr(identity->exe, '/') : NULL;
	int maps = proc_open_maps(proc);
	if (maps < 0)
		return false;
	proc_maps(maps, note_library, &libraries);
	close(maps);
	libraries.python |= slash != NULL && strncmp(slash, "/python", 7) == 0;
	return libraries.python && !libraries.hook;
}

static bool
had_time(struct seen *seen, const struct proc_stat *stat, uint64_t now_ns)
{
	if (stat->state != 'S')
		seen->awake_ns = now_ns;
	return start_grace_is_over(seen->grace, now_ns - seen->first_ns, now_ns - seen->awake_ns,
				   stat->cpu_ticks - seen->cpu_before);
}

static void
visit(struct descendants *descendants, uint32_t pid, uint64_t now_ns, descendants_known_fn known,
      descendants_found_fn found, void *context)
{
	struct proc_stat stat;
	struct stat exe;
	struct identity identity = {0};
	int proc = proc_open(pid);
	if (proc < 0)
		return;
	enqueue_children(descendants, proc);
	if (fstatat(proc, "exe", &exe, 0) < 0 || proc_stat(proc, &stat) < 0)
		goto out;
	struct seen now = {.pid = pid, .start_time = stat.start_time, .exe_dev = exe.st_dev,
			   .exe_ino = exe.st_ino, .first_ns = now_ns,
			   .awake_ns = now_ns};
	struct seen *seen = look_up(descendants, &now);
	if (seen == NULL)
		goto out;
	seen->present = true;
	if (known(context, pid)) { /* maybe as what it was before an exec: then all begins anew */
		*seen = now;
		seen->cpu_before = stat.cpu_ticks;
		seen->present = true;
		goto out;
	}
	if (seen->grace == NULL)
		seen->grace = start_grace_of(proc);
	if (seen->settled || !had_time(seen, &stat, now_ns))
		goto out;
	seen->settled = true;
	if (identity_read(&identity, proc, pid) == 0 &&
	    is_untraced_python(proc, &identity))
		found(context, &identity);
out:
	identity_fini(&identity);
	close(proc);
}

static void
drop_absent(struct descendants *descendants)
{
	size_t kept = 0;
	for (size_t i = 0; i < descendants->n_seen; i++)
		if (descendants->seen[i].present)
			descendants->seen[kept++] = descendants->seen[i];
	descendants->n_seen = kept;
}

void
descendants_scan(struct descendants *descendants, uint64_t now_ns, descendants_known_fn known,
		 descendants_found_fn found, void *context)
{
	if (now_ns < descendants->next_ns)
		return;
	uint64_t begun_ns = clock_ns(CLOCK_MONOTONIC); /* now_ns is from before others had their turn */
	for (size_t i = 0; i < descendants->n_seen; i++)
		descendants->seen[i].present = false;
	descendants->n_queue = 0;
	if (start_time_of(descendants->root) == descendants->root_start_time)
		enqueue(descendants, descendants->root);
	for (size_t i = 0; i < descendants->n_queue; i++)
		visit(descendants, descendants->queue[i], now_ns, known, found, context);
	drop_absent(descendants);
	uint64_t cost = clock_ns(CLOCK_MONOTONIC) - begun_ns;
	uint64_t pause = cost * COST_DIVISOR;
	descendants->next_ns = begun_ns + cost +
			       (pause > DESCENDANTS_EVERY_NS ? pause : DESCENDANTS_EVERY_NS);
}
