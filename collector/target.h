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

/* A segment that was followed at some time: its children name it. */
struct target_parent {
	uint32_t pid, nonce, owner;
};

struct target {
	enum target_kind kind;
	const char *name;   /* TARGET_NAME */
	uint64_t launch_id; /* TARGET_LAUNCH */
	uint32_t *pids;     /* out here: asked for, or followed */
	size_t n_pids;
	struct target_parent *parents;
	size_t n_parents;
};

void target_fini(struct target *target);

/* Worth asking the kernel whose it is? The header alone decides with TARGET_LAUNCH. */
bool target_may_want(const struct target *target, const struct segment_header *header);

/* `found` is identified. A dead segment is nobody's but for TARGET_ALL and TARGET_LAUNCH. */
bool target_wants(const struct target *target, const struct segment_found *found,
		  const struct segment_header *header);

/* From now on its children are wanted, too. `pid` 0: dead. 0 or -ENOMEM. */
int target_follow(struct target *target, const struct segment_found *found, uint32_t pid);

#endif
