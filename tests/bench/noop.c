/* SPDX-License-Identifier: MIT */
/*
 * The floors, as an extension module: an audit hook that does nothing, and one that only reads
 * the clock and fills 64 bytes of a ring, which is the least that recording can cost.
 */
#include <Python.h>
#include <stdint.h>
#include <sys/mman.h>

#include "clock.h"

#define RING_SLOTS 65536

static int
hook(const char *event, PyObject *args, void *data)
{
	(void)event;
	(void)args;
	(void)data;
	return 0;
}

static volatile uint64_t (*ring)[8];
static uint64_t position;

static int
hook_and_record(const char *event, PyObject *args, void *data)
{
	volatile uint64_t *slot = ring[position++ % RING_SLOTS];
	slot[0] = position;
	slot[1] = clock_ticks((enum clock_kind)(intptr_t)data);
	for (int i = 2; i < 8; i++)
		slot[i] = (uintptr_t)event + (uintptr_t)args;
	return 0;
}

static PyObject *
install_record(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	ring = mmap(NULL, RING_SLOTS * sizeof *ring, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return PyErr_NoMemory();
	if (PySys_AddAuditHook(hook_and_record, (void *)(intptr_t)clock_choose()) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *
install(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	if (PySys_AddAuditHook(hook, NULL) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"install", install, METH_NOARGS, NULL},
	{"install_record", install_record, METH_NOARGS, NULL},
	{NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "noop", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_noop(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC
PyInit_noop(void)
{
	PyObject *noop = PyModule_Create(&module);
#ifdef Py_GIL_DISABLED
	if (noop != NULL)
		PyUnstable_Module_SetGIL(noop, Py_MOD_GIL_NOT_USED);
#endif
	return noop;
}
