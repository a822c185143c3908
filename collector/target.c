/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "identity.h"
#include "proc.h"

#define MAX_ANCESTORS 32

void
target_fini(struct target *target)
{
	free(target->processes);
	free(target->parents);
}

bool
target_may_want(const struct target *target, const struct segment_header *header)
{
	return target->kind != TARGET_LAUNCH || header->launch_id == target->launch_id;
}

static bool
has_process(const struct target *target, uint32_t pid, uint64_t start_time)
{
	for (size_t i = 0; i < target->n_processes; i++)
		if (target->processes[i].pid == pid && target->processes[i].start_time == start_time)
			return true;
	return false;
}

/* The last that came is looked at first: its children come next. */
static bool
has_parent(const struct target *target, const struct segment_found *found,
	   const struct segment_header *header)
{
	uint64_t n = target->n_parents < TARGET_PARENTS ? target->n_parents : TARGET_PARENTS;
	for (uint64_t i = 1; i <= n && header->parent_pid != 0; i++) {
		const struct target_parent *parent =
			&target->parents[(target->n_parents - i) % TARGET_PARENTS];
		if (parent->pid == header->parent_pid && parent->nonce == header->parent_nonce &&
		    parent->owner == found->owner) /* nobody joins another's family */
			return true;
	}
	return false;
}

static int
stat_of(uint32_t pid, struct proc_stat *stat)
{
	int proc = proc_open(pid);
	int err = proc >= 0 ? proc_stat(proc, stat) : proc;
	if (proc >= 0)
		close(proc);
	return err;
}

static bool
has_ancestor(const struct target *target, uint32_t pid)
{
	struct proc_stat stat;
	for (int i = 0; i < MAX_ANCESTORS && pid > 1; i++) {
		if (stat_of(pid, &stat) < 0)
			return false;
		if (has_process(target, pid, stat.start_time))
			return true;
		pid = stat.ppid;
	}
	return false;
}

bool
target_is_named(const struct target *target, const struct identity *identity)
{
	return target->kind == TARGET_NAME && identity->alive &&
	       identity_matches(identity, target->name);
}

bool
target_wants(const struct target *target, const struct segment_found *found,
	     const struct segment_header *header)
{
	const struct identity *identity = &found->identity;
	switch (target->kind) {
	case TARGET_ALL:
		return true;
	case TARGET_LAUNCH:
		return header->launch_id == target->launch_id;
	case TARGET_NAME:
		if (target_is_named(target, identity))
			return true;
		break;
	case TARGET_PIDS:
		break;
	case TARGET_DEAD:
		return false;
	}
	return has_parent(target, found, header) ||
	       (identity->alive && has_ancestor(target, identity->pid));
}

static int
add_parent(struct target *target, const struct segment_found *found)
{
	if (target->n_parents >= target->room_parents && target->room_parents < TARGET_PARENTS) {
		size_t room = target->room_parents > 0 ? 2 * target->room_parents : 64;
		struct target_parent *parents = realloc(target->parents, room * sizeof *parents);
		if (parents == NULL)
			return -ENOMEM;
		target->parents = parents;
		target->room_parents = room;
	}
	target->parents[target->n_parents++ % TARGET_PARENTS] =
		(struct target_parent){found->name_pid, found->nonce, found->owner};
	return 0;
}

/* Nobody descends from them any more. */
static void
forget_those_gone(struct target *target)
{
	struct proc_stat stat;
	size_t kept = 0;
	for (size_t i = 0; i < target->n_processes; i++) {
		const struct target_process *process = &target->processes[i];
		if (stat_of(process->pid, &stat) == 0 && stat.start_time == process->start_time)
			target->processes[kept++] = *process;
	}
	target->n_processes = kept;
}

static int
add_process(struct target *target, uint32_t pid, uint64_t start_time)
{
	bool full = target->n_processes == target->room_processes;
	if (full)
		forget_those_gone(target);
	if (full && target->n_processes >= target->room_processes / 2) { /* or we are back soon */
		size_t room = target->room_processes > 0 ? 2 * target->room_processes : 64;
		struct target_process *processes =
			realloc(target->processes, room * sizeof *processes);
		if (processes == NULL)
			return -ENOMEM;
		target->processes = processes;
		target->room_processes = room;
	}
	target->processes[target->n_processes++] = (struct target_process){pid, start_time};
	return 0;
}

int
target_join(struct target *target, uint32_t pid, uint64_t start_time)
{
	if (target->kind == TARGET_LAUNCH || has_process(target, pid, start_time))
		return 0;
	return add_process(target, pid, start_time);
}

int
target_follow(struct target *target, const struct segment_found *found, uint32_t pid,
	      uint64_t start_time)
{
	if (target->kind != TARGET_PIDS && target->kind != TARGET_NAME)
		return 0; /* whose child somebody is does not matter */
	int err = add_parent(target, found);
	return err < 0 || pid == 0 ? err : target_join(target, pid, start_time);
}
