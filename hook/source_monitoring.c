/* SPDX-License-Identifier: MIT */
/*
 * The back end of 3.12 and later: sys.monitoring, for all threads of the interpreter at once.
 *
 * The callbacks are objects of a type of our own that has tp_vectorcall: a built-in function
 * costs twice as much to call. What is not wanted is disabled where it happens, and costs
 * nothing from then on; restart_events() brings it back when other things are wanted. DISABLE
 * may be returned only
 *
 *	on the function's account from PY_START, PY_RESUME, PY_RETURN, PY_YIELD
 *	on the caller's account from CALL, never on that of what is called there just now
 *	from PY_UNWIND and PY_THROW since 3.15: they have no location of their own before
 *	never from C_RETURN and C_RAISE: that is a ValueError in the program
 */
#include "pycompat.h"

#if PY_HAS_MONITORING

#include "call_source.h"

#include <errno.h>

#include "call_emit.h"
#include "call_target.h"
#include "hush.h"
#include "notice.h"

#define TOOL_NAME "pyauditd"
/* Ids that no kind of tool has for its own: 3 and 4. */
#define FIRST_ID 3
#define N_IDS 2

static PyObject *monitoring;      /* the module, for good */
static PyObject *disable, *missing; /* of it */
static int tool = -1;              /* our id */
static bool evicted;               /* we have been, and could not come back yet */
static long events;               /* that are on */

struct callback {
	PyObject_HEAD
	vectorcallfunc call;
};

/* ---- callbacks ---- */

/* None is immortal since 3.12: it is given away without being counted. */
#define ARGUMENTS PyObject *self, PyObject *const *args, size_t n_args, PyObject *names

/* Called by somebody who got hold of it otherwise: there is nothing to be seen. */
static inline bool
from_interpreter(PyObject *const *args, size_t n_args)
{
	return likely((n_args & ~PY_VECTORCALL_ARGUMENTS_OFFSET) >= 2 && PyCode_Check(args[0]));
}

static __attribute__((noinline)) PyObject *
long_way(enum call_level level, PyObject *const *args, size_t n_args, enum call_event what)
{
	if (!from_interpreter(args, n_args))
		return Py_None;
	uint64_t word = call_target_code((PyCodeObject *)args[0]);
	if (unlikely(word & CALL_UNWANTED))
		return Py_NewRef(disable);
	call_happens(level, word, what);
	return Py_None;
}

/* What is in the cache is a code object. */
CALL_INLINE PyObject *
py_event(enum call_level level, PyObject *const *args, size_t n_args, enum call_event what)
{
	if (unlikely((n_args & ~PY_VECTORCALL_ARGUMENTS_OFFSET) == 0))
		return Py_None;
	uint64_t word;
	if (unlikely(!call_target_cached((PyCodeObject *)args[0], &word)) ||
	    unlikely(word & CALL_UNWANTED))
		return long_way(level, args, n_args, what);
	if (level != CALL_LEVEL_RECORD)
		call_happens(level, word, what);
	else if (unlikely(!call_record_fast(word, what)))
		return long_way(level, args, n_args, what);
	return Py_None;
}

/* Without a location: cannot be disabled, or only since 3.15. */
CALL_INLINE PyObject *
without_location(PyObject *result)
{
#if PY_UNWIND_DISABLES
	return result;
#else
	if (unlikely(result == disable)) {
		Py_DECREF(result);
		return Py_None;
	}
	return result;
#endif
}

/*
 * A C function as cProfile counts them: built-in functions, and methods of built-in types that
 * are called with an object of the type. Else CALL_UNWANTED.
 */
CALL_INLINE uint64_t
c_function(PyObject *function, PyObject *first)
{
	if (Py_IS_TYPE(function, &PyCFunction_Type) || Py_IS_TYPE(function, &PyCMethod_Type))
		return call_target_cfunction((PyCFunctionObject *)function);
	if (!Py_IS_TYPE(function, &PyMethodDescr_Type))
		return CALL_UNWANTED;
	PyMethodDescrObject *descriptor = (PyMethodDescrObject *)function;
	PyTypeObject *type = descriptor->d_common.d_type;
	if (first == missing || (!Py_IS_TYPE(first, type) && !PyType_IsSubtype(Py_TYPE(first), type)))
		return CALL_UNWANTED;
	return call_target_descriptor(descriptor);
}

/* C calls are on the account of who makes them. */
CALL_INLINE bool
caller_is_unwanted(PyObject *code)
{
	return call_plan.filtered && (call_target_code((PyCodeObject *)code) & CALL_UNWANTED) != 0;
}

CALL_INLINE PyObject *
c_event(enum call_level level, PyObject *const *args, size_t n_args, enum call_event what)
{
	if (unlikely((n_args & ~PY_VECTORCALL_ARGUMENTS_OFFSET) < 4) || !from_interpreter(args, n_args))
		return Py_None;
	bool wanted = !caller_is_unwanted(args[0]);
	if (what == CALL_C_CALL && unlikely(args[2] == hush_setprofile))
		hush_called(wanted);
	if (unlikely(!wanted))
		return what == CALL_C_CALL ? Py_NewRef(disable) : Py_None;
	uint64_t word = c_function(args[2], args[3]);
	if (word & CALL_UNWANTED)
		return Py_None;
	call_happens(level, word, what);
	return Py_None;
}

/*      name       event       what it does */
#define CALLBACKS(X, level) \
	X(start, PY_START, level, py_event(CALL_LEVEL_##level, args, n_args, CALL_PY_START)) \
	X(resume, PY_RESUME, level, py_event(CALL_LEVEL_##level, args, n_args, CALL_PY_RESUME)) \
	X(throw, PY_THROW, level, \
	  without_location(py_event(CALL_LEVEL_##level, args, n_args, CALL_PY_RESUME))) \
	X(return, PY_RETURN, level, py_event(CALL_LEVEL_##level, args, n_args, CALL_PY_RETURN)) \
	X(yield, PY_YIELD, level, py_event(CALL_LEVEL_##level, args, n_args, CALL_PY_YIELD)) \
	X(unwind, PY_UNWIND, level, \
	  without_location(py_event(CALL_LEVEL_##level, args, n_args, CALL_PY_UNWIND))) \
	X(call, CALL, level, c_event(CALL_LEVEL_##level, args, n_args, CALL_C_CALL)) \
	X(c_return, C_RETURN, level, c_event(CALL_LEVEL_##level, args, n_args, CALL_C_RETURN)) \
	X(c_raise, C_RAISE, level, c_event(CALL_LEVEL_##level, args, n_args, CALL_C_RAISE))

#define X(name, event, level, does) \
	static PyObject *on_##name##_##level(ARGUMENTS) \
	{ \
		(void)self, (void)names; \
		return does; \
	}
CALLBACKS(X, COUNT)
CALLBACKS(X, STATS)
CALLBACKS(X, RECORD)
#undef X

#define N_BINDINGS 9

struct binding {
	int event;
	vectorcallfunc call;
};
#define X(name, event, level, does) {PY_MONITORING_EVENT_##event, on_##name##_##level},
static const struct binding bindings[][N_BINDINGS] = {
	[CALL_LEVEL_COUNT] = {CALLBACKS(X, COUNT)},
	[CALL_LEVEL_STATS] = {CALLBACKS(X, STATS)},
	[CALL_LEVEL_RECORD] = {CALLBACKS(X, RECORD)},
};
#undef X

static PyTypeObject callback_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "pyauditd._hook.callback",
	.tp_basicsize = sizeof(struct callback),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_vectorcall_offset = offsetof(struct callback, call),
	.tp_call = PyVectorcall_Call,
};
static struct callback *callbacks[N_IDS][CALL_LEVEL_RECORD + 1][N_BINDINGS];

static PyObject *
on_nothing(ARGUMENTS)
{
	(void)self, (void)args, (void)n_args, (void)names;
	return Py_None;
}

/*
 * Up to 3.13 the callbacks of an id outlive free_tool_id(): who takes the id gets ours with it, and
 * they would see each call a second time.
 */
static void
enable_callbacks(int id, bool on)
{
	for (unsigned level = CALL_LEVEL_COUNT; level <= CALL_LEVEL_RECORD; level++)
		for (unsigned i = 0; i < N_BINDINGS; i++)
			store_relaxed(&callbacks[id - FIRST_ID][level][i]->call,
				      on ? bindings[level][i].call : on_nothing);
}

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

static int
make_callbacks(struct callback *of_id[][N_BINDINGS])
{
	for (unsigned level = CALL_LEVEL_COUNT; level <= CALL_LEVEL_RECORD; level++) {
		for (unsigned i = 0; i < N_BINDINGS; i++) {
			of_id[level][i] = PyObject_New(struct callback, &callback_type);
			if (of_id[level][i] == NULL)
				return -1;
			of_id[level][i]->call = on_nothing;
		}
	}
	return 0;
}

static int
make_all_callbacks(void)
{
	int err = PyType_Ready(&callback_type);
	for (unsigned i = 0; i < N_IDS && err == 0; i++)
		err = make_callbacks(callbacks[i]);
	return err;
}

/* Once in the life of an interpreter; references are kept for good. */
static int
prepare(void)
{
	if (monitoring != NULL)
		return 0;
	PyObject *module = Py_XNewRef(PySys_GetObject("monitoring"));
	if (module != NULL) {
		disable = PyObject_GetAttrString(module, "DISABLE");
		missing = PyObject_GetAttrString(module, "MISSING");
	}
	if (module == NULL || disable == NULL || missing == NULL || make_all_callbacks() < 0) {
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
	for (int id = FIRST_ID; id < FIRST_ID + N_IDS && tool < 0; id++)
		if (ask("use_tool_id", "(is)", id, TOOL_NAME) == 0)
			tool = id;
	if (tool < 0)
		return -1;
	enable_callbacks(tool, true);
	return 0;
}

/* The callback of one event: ours where it is wanted. Was it in place before? */
static bool
register_one(unsigned i)
{
	const struct binding *binding = &bindings[call_plan.level][i];
	bool on = is_wanted(binding->event);
	PyObject *callback = on ? (PyObject *)callbacks[tool - FIRST_ID][call_plan.level][i]
				: Py_None;
	PyObject *previous = PyObject_CallMethod(monitoring, "register_callback", "iiO", tool,
						 1 << binding->event, callback);
	bool same = previous == callback;
	if (previous == NULL)
		PyErr_Clear();
	Py_XDECREF(previous);
	if (on)
		events |= 1L << binding->event;
	return same;
}

static bool
register_all(void)
{
	bool same = true;
	events = 0;
	for (unsigned i = 0; i < N_BINDINGS; i++)
		same &= register_one(i);
	return same;
}

/* ---- is it ours still? ---- */

static bool
has_id(void)
{
	PyObject *name = PyObject_CallMethod(monitoring, "get_tool", "i", tool);
	bool ours = name != NULL && PyUnicode_Check(name) &&
		    PyUnicode_CompareWithASCIIString(name, TOOL_NAME) == 0;
	PyErr_Clear();
	Py_XDECREF(name);
	return ours;
}

static bool
has_events(void)
{
	PyObject *on = PyObject_CallMethod(monitoring, "get_events", "i", tool);
	long told = on != NULL && PyLong_Check(on) ? PyLong_AsLong(on) : -1;
	PyErr_Clear();
	Py_XDECREF(on);
	/* C_RETURN and C_RAISE belong to CALL, and are never told of. */
	const long c_ends = 1L << PY_MONITORING_EVENT_C_RETURN | 1L << PY_MONITORING_EVENT_C_RAISE;
	return told == (events & ~c_ends);
}

static void
tell_evicted(void)
{
	evicted = true;
	notice("evicted", "another tool took our id, events or callbacks of sys.monitoring");
	if (has_id())
		return;
	enable_callbacks(tool, false);
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
	for (unsigned i = 0; i < N_BINDINGS; i++)
		ask("register_callback", "(iiO)", tool, 1 << bindings[CALL_LEVEL_RECORD][i].event,
		    Py_None);
	ask("free_tool_id", "(i)", tool);
	enable_callbacks(tool, false);
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

/* DISABLE and MISSING stay: what runs yet may come by, and they outlive an interpreter. */
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
	.forget = forget,
};

#else
typedef int source_monitoring_is_not_there;
#endif
