/* SPDX-License-Identifier: MIT */
/*
 * CPython 3.8 to 3.15: the only file that asks for the version. Everything else asks for
 * features by the names defined here, or calls the small functions below.
 *
 * Frames and thread states are read through CPython's own internal headers, which every
 * python-dev package ships; module.c checks at load that the running minor version is the
 * one that was compiled for.
 */
#ifndef HOOK_PYCOMPAT_H
#define HOOK_PYCOMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#if PY_VERSION_HEX < 0x03080000 || PY_VERSION_HEX >= 0x03100000
#error "pyauditd knows CPython 3.8 to 3.15"
#endif
#ifdef Py_GIL_DISABLED
#error "pyauditd knows no free-threaded builds: one lane has one producer, and the GIL is its lock"
#endif

/* Frames are structs of the interpreter; a frame object is made only when asked for. */
#define PY_HAS_INTERPRETER_FRAMES (PY_VERSION_HEX >= 0x030b0000)
/* "The current thread state" is the GIL holder's, whoever asks; later it is per thread. */
#define PY_TSTATE_IS_GLOBAL (PY_VERSION_HEX < 0x030c0000)
#define PY_HAS_QUALNAME (PY_VERSION_HEX >= 0x030b0000)

#if PY_HAS_INTERPRETER_FRAMES
#define Py_BUILD_CORE 1
#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe.h>
#endif
#undef Py_BUILD_CORE
#else
#include <frameobject.h>
#endif

#define PY_BUILT_MINOR PY_MINOR_VERSION
#define PY_BUILT_HEX ((uint32_t)PY_VERSION_HEX)

/* 3.8's PyMODINIT_FUNC does not export the symbol under -fvisibility=hidden. */
#define PY_MODULE_INIT __attribute__((visibility("default"))) PyMODINIT_FUNC

static inline PyThreadState *
py_thread_state(void)
{
#if PY_VERSION_HEX >= 0x030d0000
	return PyThreadState_GetUnchecked();
#else
	return _PyThreadState_UncheckedGet();
#endif
}

static inline PyInterpreterState *
py_main_interpreter(void)
{
	return PyInterpreterState_Main();
}

/* A Python frame, borrowed: valid only as long as nothing runs. */
#if PY_HAS_INTERPRETER_FRAMES
typedef struct _PyInterpreterFrame *py_frame;

/* Frames that are not (yet) Python code: being set up, or the interpreter's own. */
static inline py_frame
py_frame_skip(py_frame frame)
{
	while (frame != NULL && _PyFrame_IsIncomplete(frame))
		frame = frame->previous;
	return frame;
}

static inline py_frame
py_frame_current(PyThreadState *tstate)
{
#if PY_VERSION_HEX >= 0x030d0000
	return py_frame_skip(tstate->current_frame);
#else
	return py_frame_skip(tstate->cframe->current_frame);
#endif
}

static inline py_frame
py_frame_back(py_frame frame)
{
	return py_frame_skip(frame->previous);
}

static inline PyCodeObject *
py_frame_code(py_frame frame)
{
#if PY_VERSION_HEX >= 0x030d0000
	return _PyFrame_GetCode(frame);
#else
	return frame->f_code;
#endif
}

/* Byte offset of the instruction, as PyCode_Addr2Line() wants it. */
static inline int
py_frame_offset(py_frame frame)
{
	return _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT);
}

static inline PyObject *
py_frame_globals(py_frame frame)
{
	return frame->f_globals;
}
#else
typedef PyFrameObject *py_frame;

static inline py_frame
py_frame_current(PyThreadState *tstate)
{
	return tstate->frame;
}

static inline py_frame
py_frame_back(py_frame frame)
{
	return frame->f_back;
}

static inline PyCodeObject *
py_frame_code(py_frame frame)
{
	return frame->f_code;
}

static inline int
py_frame_offset(py_frame frame)
{
#if PY_VERSION_HEX >= 0x030a0000
	return frame->f_lasti * (int)sizeof(_Py_CODEUNIT);
#else
	return frame->f_lasti;
#endif
}

static inline PyObject *
py_frame_globals(py_frame frame)
{
	return frame->f_globals;
}
#endif

static inline PyObject *
py_code_qualname(PyCodeObject *code)
{
#if PY_HAS_QUALNAME
	return code->co_qualname;
#else
	return code->co_name;
#endif
}

/* A pointer of ours in the code object, freed with it. Per interpreter. */
#if PY_VERSION_HEX >= 0x030c0000
#define py_code_extra_index PyUnstable_Eval_RequestCodeExtraIndex
#define py_code_extra_get PyUnstable_Code_GetExtra
#define py_code_extra_set PyUnstable_Code_SetExtra
#else
#define py_code_extra_index _PyEval_RequestCodeExtraIndex
#define py_code_extra_get _PyCode_GetExtra
#define py_code_extra_set _PyCode_SetExtra
#endif

/* A legacy str may have no canonical form yet, and making it allocates. */
static inline bool
py_str_ready(PyObject *str)
{
#if PY_VERSION_HEX < 0x030c0000
	return PyUnicode_IS_READY(str);
#else
	(void)str;
	return true;
#endif
}

/* The value of an exact int when it is small: most are. */
static inline bool
py_long_small(PyObject *value, int64_t *out)
{
#if PY_VERSION_HEX >= 0x030c0000
	if (!PyUnstable_Long_IsCompact((PyLongObject *)value))
		return false;
	*out = PyUnstable_Long_CompactValue((PyLongObject *)value);
	return true;
#else
	Py_ssize_t size = Py_SIZE(value);
	if (size < -1 || size > 1)
		return false;
	*out = size * (int64_t)((PyLongObject *)value)->ob_digit[0] * (size != 0);
	return true;
#endif
}

/* A big int's size and bytes (two's complement, least significant first). */
static inline size_t
py_long_bits(PyObject *value)
{
	return (size_t)_PyLong_NumBits(value);
}

static inline int
py_long_bytes(PyObject *value, unsigned char *bytes, size_t n)
{
#if PY_VERSION_HEX >= 0x030d0000
	return _PyLong_AsByteArray((PyLongObject *)value, bytes, n, 1, 1, 0);
#else
	return _PyLong_AsByteArray((PyLongObject *)value, bytes, n, 1, 1);
#endif
}

#endif
