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
#include "value.h"

/*
 * Append the arguments of an event (the tuple that PySys_Audit hands to hooks); returns how
 * many stand in the record, *truncated when that is not all. At most lane_room(w) bytes.
 */
unsigned args_encode(struct lane_writer *w, PyObject *args, const struct event_name *name,
		     bool *truncated);

/*
 * An int as a value; returns its end. Nine bytes are stored whatever it takes: the least
 * significant come first, so a shorter integer is the same store.
 */
static inline uint8_t *
args_int(uint8_t *at, int64_t value)
{
	memcpy(at + 1, &value, 8);
	if (likely(value == (int8_t)value)) {
		at[0] = VALUE_INT8;
		return at + 2;
	}
	if (value == (int32_t)value) {
		bool two = value == (int16_t)value;
		at[0] = two ? VALUE_INT16 : VALUE_INT32;
		return at + (two ? 3 : 5);
	}
	at[0] = VALUE_INT64;
	return at + 9;
}
#define ARGS_INT_BYTES 9

/* What args_encode_ints() may be tried with. */
static inline bool
args_begin_with_int(PyObject *args)
{
	return args != NULL && PyTuple_CheckExact(args) && PyTuple_GET_SIZE(args) > 0 &&
	       PyLong_CheckExact(PyTuple_GET_ITEM(args, 0));
}

/*
 * The same as args_encode() does for a tuple of small ints that hold no secrets, if they find room
 * in what is left of the slot; false: nothing was done. It calls nothing, and needs no `w` in
 * memory.
 */
static inline __attribute__((always_inline)) bool
args_encode_ints(struct lane_writer *w, PyObject *args)
{
	size_t n = (size_t)PyTuple_GET_SIZE(args);
	uint8_t *at = w->at;
	const uint8_t *last = w->end - ARGS_INT_BYTES;
	for (size_t i = 0; i < n; i++) {
		PyObject *value = PyTuple_GET_ITEM(args, (Py_ssize_t)i);
		int64_t small;
		if (unlikely(!PyLong_CheckExact(value)) || unlikely(!py_long_small(value, &small)) ||
		    unlikely(at > last))
			return false;
		at = args_int(at, small);
	}
	w->at = at;
	return true;
}

/* A C string as a string value. */
void args_encode_text(struct lane_writer *w, const char *text, size_t len);

/* A str as UTF-8 (lone surrogates as three bytes) into a buffer, cut at a character; returns
 * the length. */
size_t args_utf8(PyObject *str, char *to, size_t size);

#endif
