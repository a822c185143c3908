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

/* It is known what happens, and wanted, but out of the ordinary, or each fifth. */
static __attribute__((noinline)) PyObject *
at_length(enum call_level level, uint64_t word, enum call_event what)
{
	call_happens(level, word, what);
	return Py_None;
}

/* Unless it is for want of a segment that nothing is wanted: there may be one later. */
static PyObject *
not_here(void)
{
	return load_relaxed(&session.state) == SESSION_RUNNING ? Py_NewRef(disable) : Py_None;
}

static __attribute__((noinline)) PyObject *
long_way(enum call_level level, PyObject *const *args, size_t n_args, enum call_event what)
{
	if (!from_interpreter(args, n_args))
		return Py_None;
	uint64_t word = call_target_code((PyCodeObject *)args[0]);
	if (unlikely(word & CALL_UNWANTED))
		return not_here();
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
		return at_length(level, word, what);
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

CALL_INLINE bool
is_function(PyObject *callable)
{
	return Py_IS_TYPE(callable, &PyCFunction_Type) || Py_IS_TYPE(callable, &PyCMethod_Type);
}

/* A method of a built-in type, called with an object of the type? */
CALL_INLINE bool
is_method(PyObject *callable, PyObject *first)
{
	if (!Py_IS_TYPE(callable, &PyMethodDescr_Type))
		return false;
	PyTypeObject *type = ((PyMethodDescrObject *)callable)->d_common.d_type;
	return first != missing && (Py_IS_TYPE(first, type) || PyType_IsSubtype(Py_TYPE(first), type));
}

/* What `*callable` is bound to is what will return, if that is told: else false. */
static bool
unbind(PyObject *const *args, PyObject **callable, PyObject **first)
{
	PyObject *bound = *callable;
	if (!PY_TELLS_BOUND_METHODS || !Py_IS_TYPE(bound, &PyMethod_Type))
		return true;
	if (!py_is_called_unbound((PyCodeObject *)args[0], args[1]))
		return false;
	*callable = PyMethod_GET_FUNCTION(bound);
	*first = PyMethod_GET_SELF(bound);
	return true;
}

/* What cProfile counts as a C function: those two. Else CALL_UNWANTED. */
static uint64_t
c_function(PyObject *callable, PyObject *first)
{
	if (is_function(callable))
		return call_target_cfunction((PyCFunctionObject *)callable);
	if (is_method(callable, first))
		return call_target_descriptor((PyMethodDescrObject *)callable);
	return CALL_UNWANTED;
}

/* C calls are on the account of who makes them. */
CALL_INLINE bool
caller_is_unwanted(PyObject *code)
{
	return call_plan.filtered && (call_target_code((PyCodeObject *)code) & CALL_UNWANTED) != 0;
}

/*
 * Something is called; NULL: no C function, or none that is wanted. Noted of every call of which we
 * hear, so that what returns is what was called last, or something else: no other object can have
 * come to its address.
 */
CALL_INLINE void
note_called(enum call_level level, const PyObject *callable, uint64_t word)
{
	if (level == CALL_LEVEL_COUNT)
		return;
	call_thread.c_callable = callable;
	call_thread.c_word = word;
}

/* Its word; 0: it must be looked up. */
CALL_INLINE uint64_t
noted(const PyObject *callable)
{
	const struct call_thread *me = &call_thread;
	return likely(me->c_callable == callable) && likely(call_is_here(me)) ? me->c_word : 0;
}

static __attribute__((noinline)) PyObject *
c_long_way(enum call_level level, PyObject *const *args, size_t n_args, enum call_event what)
{
	if ((n_args & ~PY_VECTORCALL_ARGUMENTS_OFFSET) < 4 || !from_interpreter(args, n_args))
		return Py_None;
	bool wanted = !caller_is_unwanted(args[0]);
	if (what == CALL_C_CALL && unlikely(args[2] == hush_setprofile))
		hush_called(wanted);
	if (unlikely(!wanted))
		return what == CALL_C_CALL ? not_here() : Py_None;
	PyObject *callable = args[2], *first = args[3];
	bool told = what != CALL_C_CALL || unbind(args, &callable, &first);
	uint64_t word = told ? c_function(callable, first) : CALL_UNWANTED;
	bool unwanted = (word & CALL_UNWANTED) != 0;
	if (what == CALL_C_CALL)
		note_called(level, unwanted ? NULL : callable, word);
	if (!unwanted)
		call_happens(level, word, what);
	return Py_None;
}

/* See unbind(). Most are bound to functions in Python. */
CALL_INLINE bool
is_bound_c(PyObject *callable)
{
	return PY_TELLS_BOUND_METHODS && Py_IS_TYPE(callable, &PyMethod_Type) &&
	       !PyFunction_Check(PyMethod_GET_FUNCTION(callable));
}

/* The word of what is called, or CALL_UNWANTED; 0: take the long way. It calls nothing. */
CALL_INLINE uint64_t
called(PyObject *callable, PyObject *first)
{
	if (is_function(callable)) {
		PyCFunctionObject *function = (PyCFunctionObject *)callable;
		if (unlikely(callable == hush_setprofile))
			return 0;
		return call_target_cfunction_fast(function);
	}
	if (!Py_IS_TYPE(callable, &PyMethodDescr_Type))
		return is_bound_c(callable) ? 0 : CALL_UNWANTED;
	PyMethodDescrObject *method = (PyMethodDescrObject *)callable;
	/* `missing` is an object, as what methods of `object` are called with. */
	if (unlikely(first == missing) || unlikely(!Py_IS_TYPE(first, method->d_common.d_type)))
		return 0;
	return call_target_descriptor_fast(method);
}

/* As py_event(): it calls others as the last thing it does. */
CALL_INLINE PyObject *
c_event(enum call_level level, PyObject *const *args, size_t n_args, enum call_event what)
{
	if (unlikely((n_args & ~PY_VECTORCALL_ARGUMENTS_OFFSET) < 4) || unlikely(call_plan.filtered) ||
	    unlikely(!PyCode_Check(args[0])))
		return c_long_way(level, args, n_args, what);
	uint64_t word = what == CALL_C_CALL ? called(args[2], args[3]) : noted(args[2]);
	if (unlikely(word == 0))
		return c_long_way(level, args, n_args, what);
	bool unwanted = (word & CALL_UNWANTED) != 0;
	if (what == CALL_C_CALL)
		note_called(level, unwanted ? NULL : args[2], word);
	if (unwanted)
		return Py_None;
	if (level == CALL_LEVEL_COUNT)
		call_happens(level, word, what);
	else if (unlikely(!call_fast(level, word, what)))
		return at_length(level, word, what);
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
