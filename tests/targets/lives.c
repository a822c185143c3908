/* SPDX-License-Identifier: MIT */
/* A program that embeds Python: each of its arguments is run by an interpreter of its own, in turn. */
#include <Python.h>

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		Py_Initialize();
		if (PyRun_SimpleString(argv[i]) != 0 || Py_FinalizeEx() < 0)
			return 1;
	}
	return 0;
}
