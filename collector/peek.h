/* SPDX-License-Identifier: MIT */
/*
 * A look at a segment that leaves no trace: through pread() alone, nothing is mapped, locked
 * or written, whoever reads it meanwhile. What the hook is just writing may be missed or, as
 * the kernel copies it, seen by half: figures for people, not an account.
 */
#ifndef COLLECTOR_PEEK_H
#define COLLECTOR_PEEK_H

#include <stddef.h>
#include <stdint.h>

#include "discover.h"
#include "segment.h"

struct peek {
	struct segment_header header; /* private, checked */
	uint32_t lanes;               /* that were ever taken */
	/* as in struct account: attempted = counted + recorded + lost_hook */
	uint64_t attempted, counted, recorded, lost_hook;
};

/*
 * `found` is identified. Of a dead process also fills in its identity, from what it said
 * itself. 0, or -errno with `why` a sentence (-ENODATA: it has not been filled in).
 */
int peek_segment(struct segment_found *found, struct peek *peek, char *why, size_t why_bytes);

#endif
