/* SPDX-License-Identifier: MIT */
#include "hush.h"

#include "call_emit.h"

PyObject *hush_setprofile;

static struct {
	PyThreadState *tstate;
	py_frame frame;  /* that calls it */
	uint64_t id;
	bool recorded, begun;
} call; /* with a GIL its holder's, else the main thread's */

void
hush_init(void)
{
	PyObject *function = py_main_sys("setprofile");
	if (hush_setprofile == NULL && function != NULL && PyCFunction_Check(function)) {
		Py_INCREF(function); /* else somebody has put one of his own there */
		hush_setprofile = function;
	}
}

void
hush_fini(void)
{
	hush_setprofile = NULL;
	call.begun = false;
	call.tstate = NULL;
}

void
hush_called(bool recorded)
{
	if (call.begun || !py_runs_pending())
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

/* It has not ended, nor stayed behind in the parent of this fork child. */
static bool
thread_is_there(void)
{
	PyThreadState *tstate = PyInterpreterState_ThreadHead(py_main_interpreter());
	while (tstate != NULL && (tstate != call.tstate || tstate->id != call.id))
		tstate = PyThreadState_Next(tstate);
	return tstate != NULL;
}

/* A pending call may come up in any thread. */
static int
end(void *unused)
{
	(void)unused;
	if (!call.begun)
		return 0;
	if (call.tstate != py_thread_state() && !thread_is_there()) {
		call.begun = false;
		call.tstate = NULL;
		return 0;
	}
	bool early = call.tstate != py_thread_state() || still_inside();
	if (early && py_run_later(end) == 0)
		return 0;
	call.begun = false;
	py_callbacks_resume(call.tstate);
	call.tstate = NULL;
	if (call.recorded)
		call_emit_c_returned((PyCFunctionObject *)hush_setprofile);
	return 0;
}

void
hush_begin(void)
{
	if (!py_runs_pending() || call.begun || call.tstate == NULL ||
	    call.tstate != py_thread_state() || py_run_later(end) < 0)
		return;
	call.begun = true;
	call.id = call.tstate->id;
	py_callbacks_pause(call.tstate);
}
