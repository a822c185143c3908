/* SPDX-License-Identifier: MIT */
#include "call_support.h"

#include <errno.h>
#include <stdio.h>

#include "python_version.h"

#define MINOR(minor) (0x03000000u | (unsigned)(minor) << 16)

int
call_support_check(const struct segment_header *header, const struct call_settings *calls,
		   char *why, size_t why_bytes)
{
	char python[PYTHON_VERSION_BYTES];
	python_version(python, header->python_hex);
	if (calls->backend == CALL_BACKEND_MONITORING && header->python_hex < MINOR(12)) {
		snprintf(why, why_bytes, "Python %s has no sys.monitoring, which came with 3.12: "
			 "use --calls-backend auto", python);
		return -ENOTSUP;
	}
	if (calls->backend == CALL_BACKEND_EVAL && header->python_hex < MINOR(9)) {
		snprintf(why, why_bytes, "Python %s takes no frame evaluator, as 3.9 does: "
			 "use --calls-backend auto", python);
		return -ENOTSUP;
	}
	bool other = calls->backend == CALL_BACKEND_PROFILE || calls->backend == CALL_BACKEND_EVAL;
	if (other && (header->flags & SEGMENT_FREE_THREADED) != 0) {
		snprintf(why, why_bytes, "Python %s without a GIL is traced by sys.monitoring alone: "
			 "use --calls-backend auto, not %s", python, call_backend_name(calls->backend));
		return -ENOTSUP;
	}
	return 0;
}
