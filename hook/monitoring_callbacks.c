/* SPDX-License-Identifier: MIT */
#include "monitoring_callbacks.h"

#if PY_HAS_MONITORING

#include "call_emit.h"
#include "call_target.h"
#include "hush.h"

static PyObject *disable, *missing; /* of sys.monitoring, for good */

struct callback {
	PyObject_HEAD
	vectorcallfunc call;
};

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
	if (level == CALL_LEVEL_COUNT)
		call_happens(level, word, what);
	else if (unlikely(!call_fast(level, word, what)))
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

#define X(name, event, level, does) PY_MONITORING_EVENT_##event,
const int monitoring_events[] = {CALLBACKS(X, RECORD)};
#undef X

#define X(name, event, level, does) on_##name##_##level,
static const vectorcallfunc calls[][MONITORING_EVENTS] = {
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
static struct callback *callbacks[MONITORING_SETS][CALL_LEVEL_RECORD + 1][MONITORING_EVENTS];

static PyObject *
on_nothing(ARGUMENTS)
{
	(void)self, (void)args, (void)n_args, (void)names;
	return Py_None;
}

void
monitoring_callbacks_enable(unsigned set, bool on)
{
	for (unsigned level = CALL_LEVEL_COUNT; level <= CALL_LEVEL_RECORD; level++)
		for (unsigned i = 0; i < MONITORING_EVENTS; i++)
			store_relaxed(&callbacks[set][level][i]->call,
				      on ? calls[level][i] : on_nothing);
}

PyObject *
monitoring_callback(unsigned set, enum call_level level, unsigned i)
{
	return (PyObject *)callbacks[set][level][i];
}

static int
make_set(struct callback *set[][MONITORING_EVENTS])
{
	for (unsigned level = CALL_LEVEL_COUNT; level <= CALL_LEVEL_RECORD; level++) {
		for (unsigned i = 0; i < MONITORING_EVENTS; i++) {
			set[level][i] = PyObject_New(struct callback, &callback_type);
			if (set[level][i] == NULL)
				return -1;
			set[level][i]->call = on_nothing;
		}
	}
	return 0;
}

int
monitoring_callbacks_make(PyObject *module)
{
	disable = PyObject_GetAttrString(module, "DISABLE");
	missing = disable != NULL ? PyObject_GetAttrString(module, "MISSING") : NULL;
	int err = missing != NULL ? PyType_Ready(&callback_type) : -1;
	for (unsigned i = 0; i < MONITORING_SETS && err == 0; i++)
		err = make_set(callbacks[i]);
	return err;
}

#else
typedef int monitoring_callbacks_are_not_there;
#endif
