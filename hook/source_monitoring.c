/* SPDX-License-Identifier: MIT */
/*
 * The back end of 3.12 and later: sys.monitoring, for all threads of the interpreter at once.
 */
#include "pycompat.h"

#if PY_HAS_MONITORING

#include "call_source.h"

#include <errno.h>

#include "call_emit.h"
#include "hush.h"
#include "monitoring_callbacks.h"
#include "notice.h"

#define TOOL_NAME "pyauditd"
/* Ids that no kind of tool has for its own: 3 and 4. */
#define FIRST_ID 3
#define EVICTED "another tool took our id, events or callbacks of sys.monitoring"

static PyObject *monitoring; /* the module, for good */
static int tool = -1;        /* our id */
static bool evicted;         /* we have been, and could not come back yet */
static long events;          /* that are on */

/* ---- sys.monitoring ---- */

/* monitoring.NAME(...), its result dropped. 0 or -1, and no exception is left. */
static int
ask(const char *name, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	PyObject *function = PyObject_GetAttrString(monitoring, name);
	PyObject *args = function != NULL ? Py_VaBuildValue(format, arguments) : NULL;
	PyObject *result = args != NULL ? PyObject_CallObject(function, args) : NULL;
	va_end(arguments);
	Py_XDECREF(function);
	Py_XDECREF(args);
	if (result == NULL)
		PyErr_Clear();
	Py_XDECREF(result);
	return result != NULL ? 0 : -1;
}

/* Once in the life of an interpreter; references are kept for good. */
static int
prepare(void)
{
	if (monitoring != NULL)
		return 0;
	PyObject *module = Py_XNewRef(PySys_GetObject("monitoring"));
	if (module == NULL || monitoring_callbacks_make(module) < 0) {
		PyErr_Clear();
		return -1;
	}
	hush_init();
	monitoring = module;
	return 0;
}

static bool
is_wanted(int event)
{
	switch (event) {
	case PY_MONITORING_EVENT_CALL:
		return call_plan.c_calls;
	case PY_MONITORING_EVENT_C_RETURN:
	case PY_MONITORING_EVENT_C_RAISE:
		return call_plan.c_calls && call_plan.ends;
	case PY_MONITORING_EVENT_PY_RETURN:
	case PY_MONITORING_EVENT_PY_YIELD:
	case PY_MONITORING_EVENT_PY_UNWIND:
		return call_plan.ends;
	default:
		return true;
	}
}

static int
take_tool(void)
{
	for (int id = FIRST_ID; id < FIRST_ID + MONITORING_SETS && tool < 0; id++)
		if (ask("use_tool_id", "(is)", id, TOOL_NAME) == 0)
			tool = id;
	if (tool < 0)
		return -1;
	monitoring_callbacks_enable(tool - FIRST_ID, true);
	return 0;
}

/* The callback of one event: ours where it is wanted. Was it in place before? */
static bool
register_one(unsigned i)
{
	bool on = is_wanted(monitoring_events[i]);
	PyObject *callback =
		on ? monitoring_callback(tool - FIRST_ID, call_plan.level, i) : Py_None;
	PyObject *previous = PyObject_CallMethod(monitoring, "register_callback", "iiO", tool,
						 1 << monitoring_events[i], callback);
	bool same = previous == callback;
	if (previous == NULL)
		PyErr_Clear();
	Py_XDECREF(previous);
	if (on)
		events |= 1L << monitoring_events[i];
	return same;
}

static bool
register_all(void)
{
	bool same = true;
	events = 0;
	for (unsigned i = 0; i < MONITORING_EVENTS; i++)
		same &= register_one(i);
	return same;
}

/* ---- is it ours still? ---- */

static bool
has_id(void)
{
	PyObject *name = PyObject_CallMethod(monitoring, "get_tool", "i", tool);
	/* At the bound of the stack one is told nothing: then it is as it was. */
	bool ours = name == NULL || (PyUnicode_Check(name) &&
				     PyUnicode_CompareWithASCIIString(name, TOOL_NAME) == 0);
	PyErr_Clear();
	Py_XDECREF(name);
	return ours;
}

static bool
has_events(void)
{
	PyObject *on = PyObject_CallMethod(monitoring, "get_events", "i", tool);
	bool known = on != NULL;
	long told = known && PyLong_Check(on) ? PyLong_AsLong(on) : -1;
	PyErr_Clear();
	Py_XDECREF(on);
	/* C_RETURN and C_RAISE belong to CALL, and are never told of. */
	const long c_ends = 1L << PY_MONITORING_EVENT_C_RETURN | 1L << PY_MONITORING_EVENT_C_RAISE;
	return !known || told == (events & ~c_ends);
}

static void
tell_evicted(void)
{
	evicted = true;
	notice("evicted", EVICTED);
	if (has_id())
		return;
	monitoring_callbacks_enable(tool - FIRST_ID, false);
	tool = -1;
}

/* ---- the back end ---- */

static void
stop(void)
{
	if (tool >= 0 && !has_id())
		tell_evicted(); /* and it is another's */
	evicted = false;
	if (tool < 0)
		return;
	ask("set_events", "(ii)", tool, 0);
	for (unsigned i = 0; i < MONITORING_EVENTS; i++)
		ask("register_callback", "(iiO)", tool, 1 << monitoring_events[i], Py_None);
	ask("free_tool_id", "(i)", tool);
	monitoring_callbacks_enable(tool - FIRST_ID, false);
	tool = -1;
}

static int
start(const char **why)
{
	if (prepare() < 0) {
		*why = "sys.monitoring cannot be used";
		return -ENOTSUP;
	}
	if (tool < 0 && take_tool() < 0) {
		*why = "other tools have the ids 3 and 4 of sys.monitoring";
		return -EBUSY;
	}
	register_all();
	if (!register_all() /* they did not take */ || ask("set_events", "(il)", tool, events) < 0 ||
	    ask("restart_events", "()") < 0) {
		stop();
		*why = "sys.monitoring refused our callbacks";
		return -EPERM;
	}
	return 0;
}

static void
come_back(bool say_why_not)
{
	const char *why = "";
	call_emit_renew(); /* what was open then may have ended unseen */
	evicted = start(&why) < 0;
	if (!evicted) {
		notice("returned", "calls are seen again");
	} else if (say_why_not) {
		notice("calls", why);
	}
}

static void
look_whether(bool in_place)
{
	if (!in_place)
		tell_evicted();
	if (evicted)
		come_back(!in_place);
}

/* The callbacks are ours after it. */
static void
look(void)
{
	look_whether(tool < 0 || (has_id() && register_all() && has_events()));
}

/* Registering is an audit event, which would be raised for nothing. */
static void
glance(void)
{
	look_whether(tool < 0 || (has_id() && has_events()));
}

static void
say_again(void)
{
	if (evicted)
		notice("evicted", EVICTED);
}

/* The callbacks stay, with what they refer to: what runs yet may come by. */
static void
forget(void)
{
	tool = -1;
	evicted = false;
	monitoring = NULL;
}

const struct call_source source_monitoring = {
	.backend = CALL_BACKEND_MONITORING,
	.start = start,
	.stop = stop,
	.look = look,
	.glance = glance,
	.say_again = say_again,
	.forget = forget,
};

#else
typedef int source_monitoring_is_not_there;
#endif
