/* SPDX-License-Identifier: MIT */
/*
 * The control region of a segment (common/segment.h), from the side of the collector that
 * holds its lock: the settings wanted, and the sign of life without which the hook returns to
 * the program's own.
 */
#ifndef COLLECTOR_LEASE_H
#define COLLECTOR_LEASE_H

#include "segment.h"
#include "tracee.h"

/* Announce ourselves; settings that are not given are the program's own, from its header. */
void lease_begin(struct segment_control *control, const struct segment_header *header,
		 const struct settings *settings);

/* Once a second. */
void lease_renew(struct segment_control *control);

void lease_end(struct segment_control *control);

#endif
