/* SPDX-License-Identifier: MIT */
/*
 * The floors of call tracing, as an extension module: a function for PyEval_SetProfile that does
 * nothing, and two callbacks for sys.monitoring that do nothing, the cheapest built-in function
 * there is and an object of an own type that is called without a look at its arguments. Another
 * such object reads the clock and writes 8 bytes, which is the least that recording can cost.
 */
#include <Python.h>
#include <frameobject.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define RING_EVENTS 65536

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

static PyMethodDef methods[] = {
	{"set_profile", set_profile, METH_O, NULL},
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

static volatile uint64_t ring[RING_EVENTS];
static uint64_t position;
static enum clock_kind kind;

static PyObject *
called_and_record(PyObject *self, PyObject *const *args, size_t n_args, PyObject *names)
{
	(void)self;
	(void)n_args;
	(void)names;
	ring[position++ % RING_EVENTS] = clock_ticks(kind) + (uintptr_t)args[0];
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
	kind = clock_choose();
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
	PyObject *made = PyModule_Create(&module);
	if (made && add_callbacks(made) < 0)
		Py_CLEAR(made);
#ifdef Py_GIL_DISABLED
	if (made)
		PyUnstable_Module_SetGIL(made, Py_MOD_GIL_NOT_USED);
#endif
	return made;
}
