/* SPDX-License-Identifier: MIT */
/* Can this process trace calls as it is asked to? */
#ifndef COLLECTOR_CALL_SUPPORT_H
#define COLLECTOR_CALL_SUPPORT_H

#include <stddef.h>

#include "segment.h"

/* 0, or -ENOTSUP with `why` a sentence that says what to do. */
int call_support_check(const struct segment_header *header, const struct call_settings *calls,
		       char *why, size_t why_bytes);

#endif
