/* SPDX-License-Identifier: MIT */
/*
 * Python values into a record (common/value.h). Exact types only; anything else is told by
 * the name of its type. Never runs Python code, allocates, or changes a reference count or
 * a cache in the object: PyUnicode_AsUTF8 would make the user's string larger.
 */
#ifndef HOOK_ARGS_H
#define HOOK_ARGS_H

#include "intern.h"
#include "lane.h"
#include "pycompat.h"

/*
 * Append the arguments of an event (the tuple that PySys_Audit hands to hooks); returns how
 * many stand in the record, *truncated when that is not all. At most lane_room(w) bytes.
 */
unsigned args_encode(struct lane_writer *w, PyObject *args, const struct event_name *name,
		     bool *truncated);

/* A C string as a string value. */
void args_encode_text(struct lane_writer *w, const char *text, size_t len);

/* A str as UTF-8 (lone surrogates as three bytes) into a buffer, cut at a character; returns
 * the length. */
size_t args_utf8(PyObject *str, char *to, size_t size);

#endif
