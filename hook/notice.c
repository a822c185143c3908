/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "args.h"
#include "pycompat.h"
#include "session.h"
#include "thread_lane.h"

void
notice(const char *what, const char *detail)
{
	struct lane_writer w;
	if (load_relaxed(&session.state) != SESSION_RUNNING)
		return;
	bool own = session_options.free_threaded || !py_in_main_interpreter();
	struct producer *producer = own ? thread_lane_find() : &session.producers[0];
	if (producer == NULL)
		return;
	struct lane *lane = &producer->lane;
	if (lane_begin(lane, &w, RECORD_NOTICE)) {
		args_encode_text(&w, what, strlen(what));
		args_encode_text(&w, detail, strlen(detail));
		lane_commit(&w, clock_ticks(session.clock_kind), (uint32_t)syscall(SYS_gettid), 0);
	} else {
		lane_drop(lane, lane_full_reason(lane));
	}
	/* No counter has it: of the lane's numbers it is among those of calls. */
	store_release(&lane->shared->calls, ++lane->calls);
}
