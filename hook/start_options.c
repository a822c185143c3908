/* SPDX-License-Identifier: MIT */
#include "start_options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "sites.h"

#define BLOCK_MS_MAX 600000

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

static uint64_t
next_part(const char **text)
{
	char *end;
	uint64_t part = strtoull(*text, &end, 16);
	*text = *end == ':' ? end + 1 : end;
	return part;
}

/* "ID:PARTS:PID:NAMESPACE", in hexadecimal: who started the program, and what he has said. */
static void
parse_launch(const char *text, struct session_options *o)
{
	o->launch_id = next_part(&text);
	o->launch_says = (uint32_t)next_part(&text);
	o->launch_pid = (uint32_t)next_part(&text);
	o->launch_pid_ns = next_part(&text);
}

int
start_options_parse(PyObject *args, PyObject *kwargs, struct session_options *o, const char **stdlib)
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
	if (block_ms < 0 || block_ms > BLOCK_MS_MAX) {
		PyErr_Format(PyExc_ValueError, "block_ms must be from 0 to %d, not %d", BLOCK_MS_MAX,
			     block_ms);
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
	o->block_ms = (unsigned)block_ms;
	parse_launch(launch, o);
	/* Of the interpreter that runs: one hook serves all releases of a minor version. */
	PyObject *version = PySys_GetObject("hexversion");
	o->python_hex = version != NULL && PyLong_CheckExact(version)
				? (uint32_t)PyLong_AsUnsignedLongMask(version)
				: PY_BUILT_HEX;
	o->free_threaded = !PY_HAS_GIL;
	o->enabled = true;
	return 0;
}
