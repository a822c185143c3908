/* SPDX-License-Identifier: MIT */
/* What a lane asks of its process: memory, and the collector's state. */
#ifndef HOOK_LANE_OPS_H
#define HOOK_LANE_OPS_H

#include "session.h"

/* A producer over the lane that is mapped at `base`. */
void lane_attach(struct producer *producer, uint8_t *base, uint64_t n_slots, uint64_t reserved);

#endif
