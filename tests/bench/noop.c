/* SPDX-License-Identifier: MIT */
/* The floor: an audit hook that does nothing, as an extension module. */
#include <Python.h>

static int
hook(const char *event, PyObject *args, void *data)
{
	(void)event;
	(void)args;
	(void)data;
	return 0;
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

static PyMethodDef methods[] = {{"install", install, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "noop", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_noop(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC
PyInit_noop(void)
{
	return PyModule_Create(&module);
}
