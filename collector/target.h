/* SPDX-License-Identifier: MIT */
/*
 * Which segments are ours to read. Children of a process that is followed are followed too:
 * known by the parent that their segment names, or by their ancestors in /proc.
 */
#ifndef COLLECTOR_TARGET_H
#define COLLECTOR_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discover.h"

enum target_kind {
	TARGET_PIDS,
	TARGET_ALL,
	TARGET_NAME,
	TARGET_LAUNCH, /* what a command of ours started */
	TARGET_DEAD,   /* what is found once, and nothing that appears later */
};

/*
 * A segment that was followed at some time: its children name it. Of so many, the last ones: a
 * child that raises its first event when 65,536 others have come since is not taken for one.
 */
#define TARGET_PARENTS (1u << 16)
struct target_parent {
	uint32_t pid, nonce, owner;
};

/* A process that is or was followed, and that may be another one by now. */
struct target_process {
	uint32_t pid; /* out here */
	uint64_t start_time;
};

struct target {
	enum target_kind kind;
	const char *name;   /* TARGET_NAME */
	uint64_t launch_id; /* TARGET_LAUNCH */
	struct target_process *processes;
	size_t n_processes, room_processes;
	struct target_parent *parents;
	size_t room_parents;
	uint64_t n_parents; /* so many came; parents[n % TARGET_PARENTS] is the next one's place */
};

void target_fini(struct target *target);

/* Worth asking the kernel whose it is? The header alone decides with TARGET_LAUNCH. */
bool target_may_want(const struct target *target, const struct segment_header *header);

/* `found` is identified. A dead segment is nobody's but for TARGET_ALL and TARGET_LAUNCH. */
bool target_wants(const struct target *target, const struct segment_found *found,
		  const struct segment_header *header);

/* TARGET_NAME, and it has the name. */
bool target_is_named(const struct target *target, const struct identity *identity);

/* From now on its children are wanted, too. `pid` 0: dead. 0 or -ENOMEM. */
int target_follow(struct target *target, const struct segment_found *found, uint32_t pid,
		  uint64_t start_time);

/* A process that descends from one that is followed, and its children. 0 or -ENOMEM. */
int target_join(struct target *target, uint32_t pid, uint64_t start_time);

#endif
