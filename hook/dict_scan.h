/* SPDX-License-Identifier: MIT */
/*
 * Look for a name in a dict without comparing keys: a key may be of a class with an __eq__ of
 * its own, which a look-up would call. What we look for stands near the beginning: __module__
 * in the dict of a class, __name__ in that of a module.
 */
#ifndef HOOK_DICT_SCAN_H
#define HOOK_DICT_SCAN_H

#include <stdbool.h>
#include <string.h>

#include "pycompat.h"

#define DICT_SCAN_ENTRIES 8

static inline bool
dict_scan_is(PyObject *key, const char *name, size_t len)
{
	return PyUnicode_CheckExact(key) && PyUnicode_KIND(key) == PyUnicode_1BYTE_KIND &&
	       PyUnicode_GET_LENGTH(key) == (Py_ssize_t)len &&
	       memcmp(PyUnicode_DATA(key), name, len) == 0;
}

/* The value, when it is exactly a str; borrowed, as long as the dict is held. NULL otherwise. */
static inline PyObject *
dict_scan(PyObject *dict, const char *name)
{
	PyObject *key, *value;
	Py_ssize_t at = 0;
	size_t len = strlen(name);
	for (int i = 0; i < DICT_SCAN_ENTRIES && PyDict_Next(dict, &at, &key, &value); i++)
		if (dict_scan_is(key, name, len))
			return PyUnicode_CheckExact(value) ? value : NULL;
	return NULL;
}

#endif
