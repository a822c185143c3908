/* SPDX-License-Identifier: MIT */
#include "hush.h"

#include "call_emit.h"

PyObject *hush_setprofile;

/* One for all, the holder of the GIL; without one, each thread's own. */
struct hushed {
	PyThreadState *tstate;
	py_frame frame;  /* that calls it */
	bool recorded;
};
#if PY_HAS_GIL
static struct hushed call;
#else
static __thread struct hushed call;
#endif
static struct hushed *begun; /* one at a time */

static bool
begin(void)
{
	struct hushed *nobody = NULL;
	return __atomic_compare_exchange_n(&begun, &nobody, &call, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

void
hush_init(void)
{
	if (hush_setprofile == NULL) {
		hush_setprofile = PySys_GetObject("setprofile");
		Py_XINCREF(hush_setprofile);
	}
}

void
hush_called(bool recorded)
{
	if (load_relaxed(&begun) == &call)
		return;
	call.recorded = recorded;
	call.tstate = py_thread_state();
	call.frame = py_frame_current(call.tstate);
}

/* An audit hook in Python is at work, within the call. */
static bool
still_inside(void)
{
	py_frame frame = py_frame_current(call.tstate);
	if (frame == call.frame)
		return false;
	while (frame != NULL && frame != call.frame)
		frame = py_frame_back(frame);
	return frame != NULL;
}

/* A pending call may come up in any thread. */
static int
end(void *unused)
{
	(void)unused;
	struct hushed *whose = load_relaxed(&begun);
	if (whose == NULL)
		return 0;
	bool early = whose != &call || call.tstate != py_thread_state() || still_inside();
	if (early && py_run_later(end) == 0)
		return 0;
	if (whose != &call)
		return 0;
	clear_if(&begun, whose);
	py_callbacks_resume(call.tstate);
	call.tstate = NULL;
	if (call.recorded)
		call_emit_c_returned((PyCFunctionObject *)hush_setprofile);
	return 0;
}

void
hush_begin(void)
{
	if (call.tstate == NULL || call.tstate != py_thread_state() || !py_runs_pending() || !begin())
		return;
	if (py_run_later(end) < 0)
		clear_if(&begun, &call);
	else
		py_callbacks_pause(call.tstate);
}

void
hush_leave(void)
{
#if !PY_HAS_GIL
	clear_if(&begun, &call);
#endif
}
