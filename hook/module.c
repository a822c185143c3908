/* SPDX-License-Identifier: MIT */
/*
 * The extension module pyauditd._hook: start(), stop(), status(). Never unloaded: the audit
 * hook stays with the interpreter.
 */
#include "pycompat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "code_info.h"
#include "entry.h"
#include "notice.h"
#include "session.h"
#include "settings.h"
#include "sites.h"
#include "source_audit.h"
#include "start_options.h"
#include "thread_lane.h"

static PyObject *
fail(int err, const char *why)
{
	errno = -err;
	PyObject *args = Py_BuildValue("(is)", -err, why);
	if (args != NULL) {
		PyErr_SetObject(PyExc_OSError, args);
		Py_DECREF(args);
	}
	return NULL;
}

static PyObject *
refused(void)
{
	PyErr_SetString(PyExc_RuntimeError, "another audit hook of this process refused ours");
	return NULL;
}

/* The last step of start(): the rest is in force by now, and goes on without calls. */
static PyObject *
apply_calls(bool entered)
{
	const char *why = "";
	if (entered && calls_apply(&why) < 0)
		notice("calls", why);
	Py_RETURN_NONE;
}

/* What a collector that started the program has said stands. */
static void
keep_launchers(struct session_options *next)
{
	const struct session_options *old = &session_options;
	next->launch_id = old->launch_id;
	next->launch_pid = old->launch_pid;
	next->launch_pid_ns = old->launch_pid_ns;
	next->launch_says = old->launch_says;
	if (old->launch_says & SETTING_EVENTS)
		memcpy(next->events, old->events, sizeof next->events);
	if (old->launch_says & SETTING_REVEAL)
		memcpy(next->reveal, old->reveal, sizeof next->reveal);
	if (old->launch_says & SETTING_STACK)
		next->stack = old->stack;
	if (old->launch_says & SETTING_CALLS)
		next->calls = old->calls;
}

/* The defaults are no wish: who started us may have said something else. False: an exception. */
static bool
keeps_ring(const struct session_options *o)
{
	const struct session_options *old = &session_options;
	bool same = (o->mode == old->mode || o->mode == LANE_DROP) &&
		    (o->ring_bytes == old->ring_bytes || o->ring_bytes == SEGMENT_DEFAULT_RING);
	if (!same)
		PyErr_SetString(PyExc_RuntimeError,
				"ring_bytes and mode stay as they were first started with");
	return same;
}

static PyObject *
restart(const struct session_options *o, bool entered)
{
	if (session.header == NULL) /* who was to install the hook, in another thread, was refused */
		return refused();
	if (!keeps_ring(o))
		return NULL;
	struct session_options next = *o;
	next.mode = session_options.mode;
	next.ring_bytes = session_options.ring_bytes;
	next.keep = session_options.keep;
	next.coverage = session_options.coverage;
	keep_launchers(&next);
	next.calls_backend = session_options.calls_backend;
	next.calls_level = session_options.calls_level;
	session_lock();
	session_options = next;
	session_tell_settings();
	session_unlock();
	session_resume();
	settings_renew();
	return apply_calls(entered);
}

/* Where its parent was traced it goes on with what that one had, and only then is told otherwise. */
static bool
begin_in_child(const struct session_options *o)
{
	uint32_t failed = SESSION_FAILED;
	if (session.state == SESSION_RUNNING || session.state == SESSION_STOPPED)
		return true;
	if (!keeps_ring(o))
		return false;
	session_options.enabled = true;
	__atomic_compare_exchange_n(&session.state, &failed, SESSION_NONE, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
	if (session_ensure())
		return true;
	session_options.enabled = false;
	fail(session_error ? session_error : -EIO, session_why);
	return false;
}

static PyObject *
do_start(PyObject *args, PyObject *kwargs, bool entered)
{
	struct session_options o = {.enabled = true};
	const char *stdlib = "";
	if (start_options_parse(args, kwargs, &o, &stdlib) < 0)
		return NULL;
	session_leave_removed();
	if (source_audit_is_installed() && !begin_in_child(&o))
		return NULL;
	if (session.state == SESSION_RUNNING || session.state == SESSION_STOPPED) {
		code_info_init(stdlib); /* after Py_Finalize and another Py_Initialize */
		int err = source_audit_start();
		if (err < 0)
			return refused();
		return restart(&o, entered);
	}
	if (!py_in_main_interpreter()) {
		PyErr_SetString(PyExc_RuntimeError, "start() belongs in the main interpreter");
		return NULL;
	}
	session_options = o;
	settings_use_own();
	code_info_init(stdlib);
	sites_init();
	session.state = SESSION_NONE; /* a failure in the past is no reason not to try again */
	if (!session_ensure()) {
		session_options.enabled = false;
		return fail(session_error ? session_error : -EIO, session_why);
	}
	int err = source_audit_start();
	if (err < 0) {
		session_discard();
		return refused();
	}
	return apply_calls(entered);
}

static PyObject *
start(PyObject *self, PyObject *args, PyObject *kwargs)
{
	(void)self;
	bool entered = entry_enter();
	PyObject *result = do_start(args, kwargs, entered);
	calls_leave(entered);
	return result;
}

static PyObject *
stop(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	bool entered = entry_enter();
	if (entered)
		calls_stop();
	session_stop(1);
	calls_leave(entered);
	Py_RETURN_NONE;
}

/* The same account as the collector's, from this side. */
static void
account(uint64_t *attempted, uint64_t *counted, uint64_t *recorded, uint64_t lost[N_LOST_REASONS])
{
	uint64_t counts = 0, seqs = 0, audits = 0, calls = 0, dropped = 0, outside = 0;
	uint32_t lanes = load_acquire(&session.n_lanes);
	struct producer *own = PY_HAS_GIL ? &session.producers[0] : thread_lane_own();
	if (own != NULL)
		lane_call_close(&own->lane); /* or its events were not in yet */
	for (uint32_t i = 0; i < session.at.n_call_tables; i++) {
		const struct call_table *table = &session.call_tables[i];
		uint32_t n_ids = load_acquire(&table->n);
		for (uint32_t id = 0; id < n_ids; id++)
			calls += load_relaxed(&table->stats[id].calls);
	}
	for (unsigned reason = 0; reason < N_LOST_REASONS; reason++) {
		lost[reason] = load_relaxed(&session.header->lost[reason]);
		outside += lost[reason];
	}
	for (uint32_t i = 0; i < lanes; i++) {
		const struct producer *producer = &session.producers[i];
		uint64_t seq = load_relaxed(&producer->lane.shared->seq);
		seqs += seq;
		audits += seq - load_relaxed(&producer->lane.shared->calls);
		uint32_t n_counters = load_relaxed(&producer->n_counters);
		for (uint32_t id = 0; id < n_counters; id++)
			counts += load_relaxed(&producer->counters[id]);
		for (unsigned reason = 0; reason < N_LOST_REASONS; reason++) {
			uint64_t n = load_relaxed(&producer->lane.shared->dropped[reason]);
			lost[reason] += n;
			dropped += n;
		}
	}
	*counted = calls + (counts > audits ? counts - audits : 0);
	*recorded = seqs - dropped;
	*attempted = *counted + seqs + outside;
}

static PyObject *
lost_dict(const uint64_t lost[N_LOST_REASONS])
{
	PyObject *dict = PyDict_New();
	for (unsigned reason = 0; dict != NULL && reason < N_LOST_REASONS; reason++) {
		if (lost[reason] == 0)
			continue;
		PyObject *n = PyLong_FromUnsignedLongLong(lost[reason]);
		if (n == NULL || PyDict_SetItemString(dict, lost_reason_name(reason), n) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(n);
	}
	return dict;
}

static PyObject *
status_entered(void)
{
	static const char *const modes[] = {"drop", "overwrite", "block"};
	uint64_t attempted = 0, counted = 0, recorded = 0, lost[N_LOST_REASONS] = {0};
	bool there = (session.state == SESSION_RUNNING || session.state == SESSION_STOPPED) &&
		     !session.removed;
	if (there)
		account(&attempted, &counted, &recorded, lost);
	PyObject *reasons = lost_dict(lost);
	if (reasons == NULL)
		return NULL;
	bool calls = there && session_options.calls_level != CALL_LEVEL_OFF;
	return Py_BuildValue("{s:z,s:s,s:O,s:s,s:n,s:z,s:z,s:K,s:K,s:K,s:N}", "segment",
			     there ? session.name : NULL, "coverage",
			     there ? coverage_name(session_options.coverage) : "none", "running",
			     session.state == SESSION_RUNNING ? Py_True : Py_False, "mode",
			     modes[session_options.mode], "ring_bytes",
			     there ? (Py_ssize_t)session.header->lane0_slots * SLOT_BYTES : 0,
			     "calls", calls ? call_level_name(session_options.calls_level) : NULL,
			     "backend",
			     calls ? call_backend_name(session_options.calls_backend) : NULL,
			     "attempted", attempted, "counted", counted, "recorded", recorded,
			     "lost", reasons);
}

static PyObject *
status(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	bool entered = entry_enter();
	PyObject *result = status_entered();
	calls_leave(entered);
	return result;
}

static PyMethodDef methods[] = {
	{"start", (PyCFunction)(void (*)(void))start, METH_VARARGS | METH_KEYWORDS,
	 "Begin to trace this process; see pyauditd.start()."},
	{"stop", stop, METH_NOARGS, "Stop tracing; see pyauditd.stop()."},
	{"status", status, METH_NOARGS, "The account so far; see pyauditd.status()."},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "pyauditd._hook",
	.m_doc = "The hook of pyauditd inside the traced program.",
	.m_size = -1,
	.m_methods = methods,
};

PY_MODULE_INIT PyInit__hook(void);

PY_MODULE_INIT
PyInit__hook(void)
{
	/* The layout of objects and frames is this build's; a look at the wrong one would crash. */
	unsigned major, minor;
	bool has_gil = strstr(Py_GetVersion(), "free-threading") == NULL;
	if (sscanf(Py_GetVersion(), "%u.%u", &major, &minor) != 2 || major != 3 ||
	    minor != PY_BUILT_MINOR || has_gil != PY_HAS_GIL) {
		PyErr_Format(PyExc_ImportError, "this hook was built for Python 3.%d%s",
			     PY_BUILT_MINOR, PY_HAS_GIL ? "" : "t");
		return NULL;
	}
	PyObject *hook = PyModule_Create(&module);
	if (hook != NULL)
		py_module_without_gil(hook);
	return hook;
}
