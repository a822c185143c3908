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
#include "untraced.h"

/* A walk may use this share of the time. */
#define COST_DIVISOR 200

/* A program that a process runs: an exec makes another, of the same file maybe. */
struct seen {
	uint32_t pid;
	uint64_t start_time, stack_start;
	dev_t exe_dev;
	ino_t exe_ino;
	uint64_t first_ns;
	uint64_t awake_ns; /* the last time */
	uint64_t cpu_before; /* ticks, that count not */
	const struct start_grace *grace;
	bool settled; /* traced, announced, or no Python */
	bool present; /* in this walk */
};

struct root {
	uint32_t pid;
	uint64_t start_time; /* another process may get its number */
};

struct descendants {
	struct root *roots;
	size_t n_roots;
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
descendants_new(void)
{
	return calloc(1, sizeof(struct descendants));
}

static bool
is_root(const struct descendants *descendants, uint32_t pid)
{
	for (size_t i = 0; i < descendants->n_roots; i++)
		if (descendants->roots[i].pid == pid)
			return true;
	return false;
}

void
descendants_of(struct descendants *descendants, uint32_t pid)
{
	if (is_root(descendants, pid))
		return;
	struct root *roots = realloc(descendants->roots,
				     (descendants->n_roots + 1) * sizeof *roots);
	if (roots == NULL)
		return;
	descendants->roots = roots;
	roots[descendants->n_roots++] = (struct root){pid, start_time_of(pid)};
}

void
descendants_free(struct descendants *descendants)
{
	if (descendants == NULL)
		return;
	free(descendants->roots);
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
			/* Else the buffer ended in the middle of it. */
			if (*end == ' ' && !is_root(descendants, (uint32_t)pid))
				enqueue(descendants, (uint32_t)pid);
	}
	if (tasks != NULL)
		closedir(tasks);
	else if (fd >= 0)
		close(fd);
}

/* The program that runs there now, and whether the process is new; NULL without memory. */
static struct seen *
look_up(struct descendants *descendants, const struct seen *now, bool *is_new)
{
	*is_new = true;
	for (size_t i = 0; i < descendants->n_seen; i++) {
		struct seen *seen = &descendants->seen[i];
		if (seen->pid != now->pid || seen->start_time != now->start_time)
			continue;
		*is_new = false;
		if (seen->stack_start == now->stack_start && seen->exe_dev == now->exe_dev &&
		    seen->exe_ino == now->exe_ino)
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

static bool
had_time(struct seen *seen, const struct proc_stat *stat, uint64_t now_ns)
{
	if (stat->state != 'S')
		seen->awake_ns = now_ns;
	return start_grace_is_over(seen->grace, now_ns - seen->first_ns, now_ns - seen->awake_ns,
				   stat->cpu_ticks - seen->cpu_before);
}

static void
visit(struct descendants *descendants, uint32_t pid, uint64_t now_ns,
      const struct descendants_asker *asker)
{
	bool is_new;
	struct proc_stat stat;
	struct stat exe;
	struct identity identity = {0};
	int proc = proc_open(pid);
	if (proc < 0)
		return;
	enqueue_children(descendants, proc);
	if (fstatat(proc, "exe", &exe, 0) < 0 || proc_stat(proc, &stat) < 0)
		goto out;
	struct seen now = {.pid = pid, .start_time = stat.start_time,
			   .stack_start = stat.stack_start, .exe_dev = exe.st_dev,
			   .exe_ino = exe.st_ino, .first_ns = now_ns,
			   .awake_ns = now_ns};
	struct seen *seen = look_up(descendants, &now, &is_new);
	if (seen == NULL)
		goto out;
	seen->present = true;
	if (is_new)
		asker->joined(asker->context, pid, stat.start_time);
	if (asker->knows(asker->context, pid)) { /* before an exec, maybe: then all begins anew */
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
	if (untraced_python(proc) && identity_read(&identity, proc, pid) == 0)
		asker->found(asker->context, &identity);
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

static void
visit_all(struct descendants *descendants, uint64_t now_ns, const struct descendants_asker *asker)
{
	for (size_t i = 0; i < descendants->n_queue; i++)
		visit(descendants, descendants->queue[i], now_ns, asker);
	descendants->n_queue = 0;
}

void
descendants_scan(struct descendants *descendants, uint64_t now_ns,
		 const struct descendants_asker *asker)
{
	if (now_ns < descendants->next_ns)
		return;
	uint64_t begun_ns = clock_ns(CLOCK_MONOTONIC); /* now_ns is from before others had their turn */
	for (size_t i = 0; i < descendants->n_seen; i++)
		descendants->seen[i].present = false;
	for (size_t i = 0; i < descendants->n_roots; i++)
		if (start_time_of(descendants->roots[i].pid) == descendants->roots[i].start_time)
			enqueue(descendants, descendants->roots[i].pid);
	visit_all(descendants, now_ns, asker);
	/* Whose parent has ended is somebody else's child now, and descends from the root all the same. */
	size_t n_seen = descendants->n_seen;
	for (size_t i = 0; i < n_seen; i++) {
		const struct seen *seen = &descendants->seen[i];
		if (!seen->present && start_time_of(seen->pid) == seen->start_time) {
			enqueue(descendants, seen->pid);
			visit_all(descendants, now_ns, asker);
		}
	}
	drop_absent(descendants);
	uint64_t cost = clock_ns(CLOCK_MONOTONIC) - begun_ns;
	uint64_t pause = cost * COST_DIVISOR;
	descendants->next_ns = begun_ns + cost +
			       (pause > DESCENDANTS_EVERY_NS ? pause : DESCENDANTS_EVERY_NS);
}
