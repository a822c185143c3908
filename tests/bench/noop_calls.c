/* SPDX-License-Identifier: MIT */
/*
 * The floors of call tracing, as an extension module: a function for PyEval_SetProfile that does
 * nothing, and two callbacks for sys.monitoring that do nothing, the cheapest built-in function
 * there is and an object of an own type that is called without a look at its arguments. Another
 * such object, and a frame evaluator, read the clock and write 8 bytes for each event, which is
 * the least that recording can cost.
 */
#include <Python.h>
#include <frameobject.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define RING_EVENTS 65536

static volatile uint64_t ring[RING_EVENTS];
static uint64_t position;
static enum clock_kind kind;

static inline void
record(const void *what)
{
	ring[position++ % RING_EVENTS] = clock_ticks(kind) + (uintptr_t)what;
}

static int
profile(PyObject *unused, PyFrameObject *frame, int what, PyObject *arg)
{
	(void)unused;
	(void)frame;
	(void)what;
	(void)arg;
	return 0;
}

static PyObject *
set_profile(PyObject *self, PyObject *on)
{
	(void)self;
	PyEval_SetProfile(PyObject_IsTrue(on) ? profile : NULL, NULL);
	Py_RETURN_NONE;
}

static PyObject *
function(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
	(void)self;
	(void)args;
	(void)n_args;
	Py_RETURN_NONE;
}

#if PY_VERSION_HEX < 0x03090000
#define EVALUATOR
#else
#if PY_VERSION_HEX < 0x030b0000
typedef PyFrameObject evaluated;
#else
typedef struct _PyInterpreterFrame evaluated;
#endif

static PyObject *
evaluate(PyThreadState *tstate, evaluated *frame, int throwflag)
{
	record(frame);
	PyObject *result = _PyEval_EvalFrameDefault(tstate, frame, throwflag);
	record(frame);
	return result;
}

static PyObject *
set_evaluator(PyObject *self, PyObject *on)
{
	(void)self;
	_PyInterpreterState_SetEvalFrameFunc(
		PyInterpreterState_Get(), PyObject_IsTrue(on) ? evaluate : _PyEval_EvalFrameDefault);
	Py_RETURN_NONE;
}
#define EVALUATOR {"set_evaluator", set_evaluator, METH_O, NULL},
#endif

static PyMethodDef methods[] = {
	{"set_profile", set_profile, METH_O, NULL},
	EVALUATOR
	{"function", (PyCFunction)(void (*)(void))function, METH_FASTCALL, NULL},
	{NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "noop_calls", .m_size = -1, .m_methods = methods};

#ifdef Py_TPFLAGS_HAVE_VECTORCALL /* 3.9; sys.monitoring is of 3.12 */
struct callback {
	PyObject_HEAD
	vectorcallfunc call;
};

static PyObject *
called(PyObject *self, PyObject *const *args, size_t n_args, PyObject *names)
{
	(void)self;
	(void)args;
	(void)n_args;
	(void)names;
	Py_RETURN_NONE;
}

static PyObject *
called_and_record(PyObject *self, PyObject *const *args, size_t n_args, PyObject *names)
{
	(void)self;
	(void)n_args;
	(void)names;
	record(args[0]);
	Py_RETURN_NONE;
}

static PyTypeObject callback_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "noop_calls.callback",
	.tp_basicsize = sizeof(struct callback),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
	.tp_vectorcall_offset = offsetof(struct callback, call),
	.tp_call = PyVectorcall_Call,
};

static int
add_callback(PyObject *to, const char *name, vectorcallfunc call)
{
	struct callback *callback = PyObject_New(struct callback, &callback_type);
	if (!callback)
		return -1;
	callback->call = call;
	return PyModule_AddObject(to, name, (PyObject *)callback);
}

static int
add_callbacks(PyObject *to)
{
	if (PyType_Ready(&callback_type) < 0 || add_callback(to, "callback", called) < 0)
		return -1;
	return add_callback(to, "least", called_and_record);
}
#else
static int
add_callbacks(PyObject *to)
{
	(void)to;
	return 0;
}
#endif

PyMODINIT_FUNC PyInit_noop_calls(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC
PyInit_noop_calls(void)
{
	kind = clock_choose();
	PyObject *made = PyModule_Create(&module);
	if (made && add_callbacks(made) < 0)
		Py_CLEAR(made);
#ifdef Py_GIL_DISABLED
	if (made)
		PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
#endif
	return made;
}
