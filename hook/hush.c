/* SPDX-License-Identifier: MIT */
#include "hush.h"

PyObject *hush_setprofile;

static hush_returned_fn returned;
static struct {
	PyThreadState *tstate;
	py_frame frame;  /* that calls it */
	bool recorded, begun;
} call;

void
hush_init(hush_returned_fn fn)
{
	if (hush_setprofile == NULL) {
		hush_setprofile = PySys_GetObject("setprofile");
		Py_XINCREF(hush_setprofile);
	}
	returned = fn;
}

void
hush_called(bool recorded)
{
	if (call.begun)
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

static int
end(void *unused)
{
	(void)unused;
	if (!call.begun || (still_inside() && py_run_later(end) == 0))
		return 0;
	call.begun = false;
	call.tstate->tracing--;
	call.tstate = NULL;
	if (call.recorded)
		returned((PyCFunctionObject *)hush_setprofile);
	return 0;
}

void
hush_begin(void)
{
	if (call.begun || call.tstate == NULL || call.tstate != py_thread_state() ||
	    !PY_PROFILE_IS_MONITORING || py_run_later(end) < 0)
		return;
	call.begun = true;
	call.tstate->tracing++;
}
