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
	free(target->pids);
	free(target->parents);
}

bool
target_may_want(const struct target *target, const struct segment_header *header)
{
	return target->kind != TARGET_LAUNCH || header->launch_id == target->launch_id;
}

static bool
has_pid(const struct target *target, uint32_t pid)
{
	for (size_t i = 0; i < target->n_pids; i++)
		if (target->pids[i] == pid)
			return true;
	return false;
}

static bool
has_parent(const struct target *target, const struct segment_found *found,
	   const struct segment_header *header)
{
	for (size_t i = 0; i < target->n_parents && header->parent_pid != 0; i++)
		if (target->parents[i].pid == header->parent_pid &&
		    target->parents[i].nonce == header->parent_nonce &&
		    target->parents[i].owner == found->owner) /* nobody joins another's family */
			return true;
	return false;
}

static bool
has_ancestor(const struct target *target, uint32_t pid)
{
	for (int i = 0; i < MAX_ANCESTORS && pid > 1; i++) {
		struct proc_stat stat;
		if (has_pid(target, pid))
			return true;
		int proc = proc_open(pid);
		if (proc < 0)
			return false;
		pid = proc_stat(proc, &stat) == 0 ? stat.ppid : 0;
		close(proc);
	}
	return false;
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
		if (identity->alive && identity_matches(identity, target->name))
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

int
target_follow(struct target *target, const struct segment_found *found, uint32_t pid)
{
	struct target_parent *parents =
		realloc(target->parents, (target->n_parents + 1) * sizeof *parents);
	if (parents == NULL)
		return -ENOMEM;
	target->parents = parents;
	parents[target->n_parents++] =
		(struct target_parent){found->name_pid, found->nonce, found->owner};
	if (pid == 0 || has_pid(target, pid))
		return 0;
	uint32_t *pids = realloc(target->pids, (target->n_pids + 1) * sizeof *pids);
	if (pids == NULL)
		return -ENOMEM;
	target->pids = pids;
	pids[target->n_pids++] = pid;
	return 0;
}
