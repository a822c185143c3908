/* SPDX-License-Identifier: MIT */
/*
 * The extension module pyauditd._hook: start(), stop(), status(). Never unloaded: the audit
 * hook stays with the interpreter.
 */
#include "pycompat.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "calls.h"
#include "code_info.h"
#include "notice.h"
#include "session.h"
#include "settings.h"
#include "sites.h"
#include "source_audit.h"

/* NULL stands for the default, which is already in `text`. */
static int
parse_text(PyObject *object, const char *name, const char **text)
{
	Py_ssize_t length;
	if (object == NULL)
		return 0;
	if (!PyUnicode_Check(object)) {
		PyErr_Format(PyExc_TypeError, "%s must be a str, not %.100s", name,
			     Py_TYPE(object)->tp_name);
		return -1;
	}
	*text = PyUnicode_AsUTF8AndSize(object, &length);
	if (*text != NULL && strlen(*text) != (size_t)length) {
		PyErr_Format(PyExc_ValueError, "%s has a NUL character in it", name);
		*text = NULL;
	}
	return *text != NULL ? 0 : -1;
}

/* NULL as above. What is too large for `n` becomes the largest or lowest one. */
static int
parse_integer(PyObject *object, const char *name, long long *n)
{
	int overflow;
	if (object == NULL)
		return 0;
	if (!PyIndex_Check(object)) {
		PyErr_Format(PyExc_TypeError, "%s must be an int, not %.100s", name,
			     Py_TYPE(object)->tp_name);
		return -1;
	}
	PyObject *integer = PyNumber_Index(object);
	if (integer == NULL)
		return -1;
	*n = PyLong_AsLongLongAndOverflow(integer, &overflow);
	if (overflow != 0)
		*n = overflow > 0 ? LLONG_MAX : LLONG_MIN;
	Py_DECREF(integer);
	return 0;
}

static int
parse_mode(const char *text, enum lane_mode *mode)
{
	static const char *const names[] = {"drop", "overwrite", "block"};
	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			*mode = (enum lane_mode)i;
			return 0;
		}
	}
	PyErr_Format(PyExc_ValueError, "mode must be drop, overwrite or block, not '%s'", text);
	return -1;
}

static int
parse_ring(long long bytes, uint32_t *ring_bytes)
{
	if (bytes < (long long)SEGMENT_MIN_RING || bytes > (long long)SEGMENT_MAX_RING ||
	    (bytes & (bytes - 1)) != 0) {
		PyErr_Format(PyExc_ValueError,
			     "ring_bytes must be a power of two from %u to %u, not %lld",
			     SEGMENT_MIN_RING, SEGMENT_MAX_RING, bytes);
		return -1;
	}
	*ring_bytes = (uint32_t)bytes;
	return 0;
}

static int
parse_coverage(const char *text, enum coverage *coverage)
{
#define X(name, value, spelled) \
	if (strcmp(text, spelled) == 0) { \
		*coverage = COVERAGE_##name; \
		return 0; \
	}
	COVERAGES(X)
#undef X
	PyErr_Format(PyExc_ValueError, "unknown coverage '%s'", text);
	return -1;
}

/* False: nothing; True: everything; a str: what matches. */
static int
parse_calls(PyObject *calls, const char **match, uint32_t *level)
{
	if (calls == NULL || calls == Py_False) {
		*level = CALL_LEVEL_OFF;
		return 0;
	}
	if (calls == Py_True)
		return 0;
	if (!PyUnicode_Check(calls)) {
		PyErr_Format(PyExc_TypeError, "calls must be a bool or a str, not %.100s",
			     Py_TYPE(calls)->tp_name);
		return -1;
	}
	return parse_text(calls, "calls", match);
}

static int
copy_list(char to[CALL_RULES_BYTES], const char *text, const char *name)
{
	if (strlen(text) >= CALL_RULES_BYTES) {
		PyErr_Format(PyExc_ValueError, "%s is longer than %d bytes", name,
			     CALL_RULES_BYTES - 1);
		return -1;
	}
	strcpy(to, text);
	return 0;
}

/* What start() was told of calls; NULL for what it was not. */
struct call_arguments {
	PyObject *calls, *c_calls, *backend, *level, *files, *max_depth;
};

static int
parse_call_settings(const struct call_arguments *arguments, struct call_settings *settings)
{
	const char *match = "", *files = "", *backend = "auto", *level = "record";
	long long max_depth = 0;
	if (parse_text(arguments->backend, "backend", &backend) < 0 ||
	    parse_text(arguments->level, "calls_level", &level) < 0 ||
	    parse_text(arguments->files, "calls_file", &files) < 0 ||
	    parse_integer(arguments->max_depth, "max_depth", &max_depth) < 0)
		return -1;
	if (call_backend_parse(backend, &settings->backend) < 0) {
		PyErr_Format(PyExc_ValueError,
			     "backend must be auto, profile, monitoring or eval, not '%s'", backend);
		return -1;
	}
	if (call_level_parse(level, &settings->level) < 0 || settings->level == CALL_LEVEL_OFF) {
		PyErr_Format(PyExc_ValueError,
			     "calls_level must be record, stats or count, not '%s'", level);
		return -1;
	}
	if (max_depth < 0 || max_depth > UINT32_MAX) {
		PyErr_Format(PyExc_ValueError, "max_depth must be from 0 (no limit) to %lu, not %lld",
			     (unsigned long)UINT32_MAX, max_depth);
		return -1;
	}
	settings->max_depth = (uint32_t)max_depth;
	settings->no_c = arguments->c_calls != NULL && PyObject_IsTrue(arguments->c_calls) == 0;
	if (PyErr_Occurred() || parse_calls(arguments->calls, &match, &settings->level) < 0 ||
	    copy_list(settings->match, match, "calls") < 0 ||
	    copy_list(settings->files, files, "calls_file") < 0)
		return -1;
	return 0;
}

/* A back end that is lacking is an error to who calls start() himself; else the stream tells. */
static int
check_call_settings(const struct session_options *o)
{
	char why[200] = "";
	int err = calls_check(&o->calls, why, sizeof why);
	if (err == 0 || (err == -ENOTSUP && o->coverage != COVERAGE_API))
		return 0;
	PyErr_SetString(PyExc_ValueError, why);
	return -1;
}

/* Into `o`; 0, or -1 with a Python exception. */
static int
parse_options(PyObject *args, PyObject *kwargs, struct session_options *o, const char **stdlib)
{
	static char *names[] = {"events", "stack", "ring_bytes", "mode", "calls", "c_calls",
				"backend", "calls_level", "calls_file", "max_depth", "reveal",
				"coverage", "stdlib", "launch", "keep", "block_ms", NULL};
	const char *events = "", *mode = "drop", *reveal = "", *coverage = "api", *launch = "";
	PyObject *events_object = NULL, *mode_object = NULL, *ring_object = NULL;
	PyObject *stack_object = NULL;
	struct call_arguments calls = {0};
	long long ring = SEGMENT_DEFAULT_RING, stack = 1;
	int keep = 0, block_ms = 100;
	static struct level_rules checked;
	char why[200] = "";

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOOOOOOOssssii:start", names,
					 &events_object, &stack_object, &ring_object, &mode_object,
					 &calls.calls, &calls.c_calls, &calls.backend, &calls.level,
					 &calls.files, &calls.max_depth, &reveal, &coverage, stdlib,
					 &launch, &keep, &block_ms))
		return -1;
	if (parse_text(events_object, "events", &events) < 0 ||
	    parse_integer(stack_object, "stack", &stack) < 0 ||
	    parse_integer(ring_object, "ring_bytes", &ring) < 0 ||
	    parse_text(mode_object, "mode", &mode) < 0 ||
	    parse_call_settings(&calls, &o->calls) < 0)
		return -1;
	if (parse_mode(mode, &o->mode) < 0 || parse_ring(ring, &o->ring_bytes) < 0 ||
	    parse_coverage(coverage, &o->coverage) < 0 || check_call_settings(o) < 0)
		return -1;
	if (stack < 0 || stack > SITES_STACK_MAX) {
		PyErr_Format(PyExc_ValueError, "stack must be from 0 to %d, not %lld",
			     SITES_STACK_MAX, stack);
		return -1;
	}
	if (strlen(reveal) >= sizeof o->reveal) {
		PyErr_SetString(PyExc_ValueError, "the list of what to reveal is too long");
		return -1;
	}
	if (level_rules_parse(&checked, events, false, why, sizeof why) < 0) {
		PyErr_SetString(PyExc_ValueError, why);
		return -1;
	}
	strcpy(o->events, events);
	strcpy(o->reveal, reveal);
	o->stack = (uint32_t)stack;
	o->keep = keep != 0;
	o->block_ms = block_ms > 0 ? (unsigned)block_ms : 0;
	o->launch_id = strtoull(launch, NULL, 16);
	/* Of the interpreter that runs: one hook serves all releases of a minor version. */
	PyObject *version = PySys_GetObject("hexversion");
	o->python_hex = version != NULL && PyLong_CheckExact(version)
				? (uint32_t)PyLong_AsUnsignedLongMask(version)
				: PY_BUILT_HEX;
	o->enabled = true;
	return 0;
}

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
apply_calls(void)
{
	const char *why = "";
	if (calls_apply(&why) < 0)
		notice("calls", why);
	Py_RETURN_NONE;
}

static PyObject *
restart(const struct session_options *o)
{
	if (o->mode != session_options.mode || o->ring_bytes != session_options.ring_bytes) {
		PyErr_SetString(PyExc_RuntimeError,
				"ring_bytes and mode stay as they were first started with");
		return NULL;
	}
	enum coverage coverage = session_options.coverage;
	uint64_t launch_id = session_options.launch_id;
	uint32_t backend = session_options.calls_backend, level = session_options.calls_level;
	session_options = *o;
	session_options.coverage = coverage;
	session_options.launch_id = launch_id;
	session_options.calls_backend = backend;
	session_options.calls_level = level;
	session_resume();
	if (settings_changed())
		settings_refresh();
	session_lock();
	/* What a collector started us with is its own wish, until it comes and says so itself. */
	if (session.settings_version == 0 && !session_awaits_reader())
		settings_use_own();
	session_unlock();
	return apply_calls();
}

static PyObject *
start(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct session_options o = {.enabled = true};
	const char *stdlib = "";
	(void)self;
	if (parse_options(args, kwargs, &o, &stdlib) < 0)
		return NULL;
	if (session.state == SESSION_RUNNING || session.state == SESSION_STOPPED) {
		code_info_init(stdlib); /* after Py_Finalize and another Py_Initialize */
		int err = source_audit_start();
		if (err < 0)
			return refused();
		return restart(&o);
	}
	if (py_thread_state()->interp != py_main_interpreter()) {
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
	return apply_calls();
}

static PyObject *
stop(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	calls_stop();
	session_stop(1);
	Py_RETURN_NONE;
}

/* The same account as the collector's, from this side. */
static void
account(uint64_t *attempted, uint64_t *counted, uint64_t *recorded, uint64_t lost[N_LOST_REASONS])
{
	uint64_t counts = 0, seqs = 0, audits = 0, calls = 0, dropped = 0, outside = 0;
	uint32_t lanes = load_acquire(&session.n_lanes);
	lane_call_close(&session.producers[0].lane); /* or its events were not in yet */
	for (uint32_t id = 0; id < session.n_call_stats; id++)
		calls += load_relaxed(&session.call_stats[id].calls);
	for (unsigned reason = 0; reason < N_LOST_REASONS; reason++) {
		lost[reason] = load_relaxed(&session.header->lost[reason]);
		outside += lost[reason];
	}
	for (uint32_t i = 0; i < lanes; i++) {
		const struct producer *producer = &session.producers[i];
		uint64_t seq = load_relaxed(&producer->lane.shared->seq);
		seqs += seq;
		audits += seq - load_relaxed(&producer->lane.shared->calls);
		for (uint32_t id = 0; id < producer->n_counters; id++)
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
status(PyObject *self, PyObject *unused)
{
	static const char *const modes[] = {"drop", "overwrite", "block"};
	uint64_t attempted = 0, counted = 0, recorded = 0, lost[N_LOST_REASONS] = {0};
	bool there = session.state == SESSION_RUNNING || session.state == SESSION_STOPPED;
	(void)self;
	(void)unused;
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
	/* The layout of frames is this minor version's; a look at the wrong one would crash. */
	unsigned major, minor;
	if (sscanf(Py_GetVersion(), "%u.%u", &major, &minor) != 2 || major != 3 ||
	    minor != PY_BUILT_MINOR) {
		PyErr_Format(PyExc_ImportError, "this hook was built for Python 3.%d",
			     PY_BUILT_MINOR);
		return NULL;
	}
	return PyModule_Create(&module);
}
