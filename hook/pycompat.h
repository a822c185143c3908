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
#include <sys/syscall.h>
#include <unistd.h>

#if PY_VERSION_HEX < 0x03080000 || PY_VERSION_HEX >= 0x03100000
#error "pyauditd knows CPython 3.8 to 3.15"
#endif
#if defined(Py_GIL_DISABLED) && PY_MINOR_VERSION != 13
#error "of free-threaded builds, pyauditd knows that of CPython 3.13 alone"
#endif

/* Else threads run at the same time, each with a lane of its own, even when the GIL is on. */
#ifdef Py_GIL_DISABLED
#define PY_HAS_GIL 0
#else
#define PY_HAS_GIL 1
#endif
/* Frames are structs of the interpreter; a frame object is made only when asked for. */
#define PY_HAS_INTERPRETER_FRAMES (PY_VERSION_HEX >= 0x030b0000)
/* "The current thread state" is the GIL holder's, whoever asks; later it is per thread. */
#define PY_TSTATE_IS_GLOBAL (PY_VERSION_HEX < 0x030c0000)
#define PY_HAS_QUALNAME (PY_VERSION_HEX >= 0x030b0000)
#define PY_HAS_MONITORING (PY_VERSION_HEX >= 0x030c0000)
#define PY_HAS_EVAL_FRAME (PY_VERSION_HEX >= 0x03090000)
/* sys.setprofile() is a shim over sys.monitoring, which runs for all threads or for none. */
#define PY_PROFILE_IS_MONITORING PY_HAS_MONITORING
/* A PY_UNWIND or PY_THROW callback may return DISABLE. */
#define PY_UNWIND_DISABLES (PY_VERSION_HEX >= 0x030f0000)

#if PY_HAS_INTERPRETER_FRAMES
#define Py_BUILD_CORE 1
#undef _PyGC_FINALIZED /* 3.12 has both a macro and a function of it */
#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_genobject.h>
#include <internal/pycore_interpframe.h>
#endif
#if PY_VERSION_HEX >= 0x030c0000
#include <internal/pycore_ceval.h>
#endif
#if PY_VERSION_HEX >= 0x030d0000
#include <opcode_ids.h>
#endif
#include <internal/pycore_interp.h>
#if !PY_HAS_GIL
#include <internal/pycore_critical_section.h>
#include <internal/pycore_lock.h>
#include <sched.h>
#endif
#if PY_VERSION_HEX < 0x030d0000
#include <opcode.h>
#endif
#undef Py_BUILD_CORE
#else
#define Py_BUILD_CORE 1
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#else
#include <internal/pycore_pystate.h>
#endif
#undef Py_BUILD_CORE
#include <frameobject.h>
#endif

/* 3.12 and 3.13 count the C calls of a thread. */
#if PY_VERSION_HEX >= 0x030d0000 && PY_VERSION_HEX < 0x030e0000
#define PY_C_RECURSION_MARGIN (Py_C_RECURSION_LIMIT / 4)
#elif PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
#define PY_C_RECURSION_MARGIN (C_RECURSION_LIMIT / 4)
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

/* The main interpreter ends: it may have no modules any more. */
static inline bool
py_is_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030d0000
	return Py_IsFinalizing();
#else
	return _Py_IsFinalizing();
#endif
}

/* Does this thread run the main interpreter, or none? */
static inline bool
py_in_main_interpreter(void)
{
	PyThreadState *tstate = py_thread_state();
	return tstate == NULL || tstate->interp == py_main_interpreter();
}

/*
 * Borrowed, or NULL; an attribute of `sys` in the main interpreter. Up to 3.11, where all have one
 * GIL, another one may ask; later it is done in the main one.
 */
static inline PyObject *
py_main_sys(const char *name)
{
#if PY_VERSION_HEX >= 0x030c0000
	return PySys_GetObject(name);
#else
	PyObject *attributes = py_main_interpreter()->sysdict;
	return attributes != NULL ? PyDict_GetItemString(attributes, name) : NULL;
#endif
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

#if PY_HAS_GIL
/*
 * When a code object dies, each tool is told of its own value there, also of one that it never set;
 * and some cannot bear that, when their modules are gone already. So the values end with the last
 * one that there is: whoever sets one behind it makes the array longer. As codeobject.c has it, 3.8
 * to 3.15.
 */
static inline void
py_code_extra_trim(PyCodeObject *code, Py_ssize_t index, const void *value)
{
	struct {
		Py_ssize_t n;
		void *values[];
	} *extra = code->co_extra;
	if (extra == NULL || extra->n <= index || extra->n > 255 || extra->values[index] != value)
		return;
	while (extra->n > index + 1 && extra->values[extra->n - 1] == NULL)
		extra->n--;
}
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

/*
 * While it is held, the items of a list or dict may be borrowed: no other thread changes it. With
 * a GIL that is always so. Without, it is the container's lock, which is tried and not waited for:
 * who waits for it lets go of other locks, those of the program's own code among them. This thread
 * has it already where the program changes the container and Python code runs within that: a
 * __del__ of what is replaced. Other threads have it for moments, so PY_NOT_HELD, after some
 * trying, is rare: do without the items.
 */
enum py_hold { PY_NOT_HELD, PY_HELD, PY_HELD_BEFORE };

#if PY_HAS_GIL
static inline enum py_hold
py_hold(PyObject *container)
{
	(void)container;
	return PY_HELD;
}

static inline void
py_release(PyObject *container, enum py_hold hold)
{
	(void)container;
	(void)hold;
}
#else
#define PY_HOLD_TRIES 200

/* Those that are inactive, and what is below them, were let go of while the thread waited. */
static inline bool
py_holds(const PyObject *container)
{
	uintptr_t at = py_thread_state()->critical_section;
	while (at != 0 && (at & _Py_CRITICAL_SECTION_INACTIVE) == 0) {
		const PyCriticalSection *section = (void *)(at & ~(uintptr_t)_Py_CRITICAL_SECTION_MASK);
		bool two = (at & _Py_CRITICAL_SECTION_TWO_MUTEXES) != 0;
		if (section->_cs_mutex == &container->ob_mutex ||
		    (two && ((const PyCriticalSection2 *)section)->_cs_mutex2 == &container->ob_mutex))
			return true;
		at = section->_cs_prev;
	}
	return false;
}

static inline enum py_hold
py_hold(PyObject *container)
{
	if (PyMutex_LockFast(&container->ob_mutex._bits))
		return PY_HELD;
	if (py_holds(container))
		return PY_HELD_BEFORE;
	for (int i = 0; i < PY_HOLD_TRIES; i++) {
		sched_yield();
		if (PyMutex_LockFast(&container->ob_mutex._bits))
			return PY_HELD;
	}
	return PY_NOT_HELD;
}

static inline void
py_release(PyObject *container, enum py_hold hold)
{
	if (hold == PY_HELD)
		PyMutex_Unlock(&container->ob_mutex);
}
#endif

/* ---- threads and what they run ---- */

/* Where it stands how many thread states this interpreter has had. */
static inline const uint64_t *
py_threads_made(PyInterpreterState *interp)
{
#if PY_HAS_INTERPRETER_FRAMES
	return &interp->threads.next_unique_id;
#else
	return &interp->tstate_next_unique_id;
#endif
}

/*
 * Let `work` run soon, with the GIL, where Python code may run. 0 or -1. Up to 3.11 a thread of
 * the interpreter cannot be asked for that, only the main one, which may be waiting for long: it
 * is done here and now, and may do no more than what an audit hook may. Without a GIL, whichever
 * thread comes to it first does it, maybe before this one has gone on.
 */
static inline int
py_run_soon(int (*work)(void *))
{
#if PY_VERSION_HEX >= 0x030d0000
	return _PyEval_AddPendingCall(py_main_interpreter(), work, NULL, 0) == 0 ? 0 : -1;
#elif PY_VERSION_HEX >= 0x030c0000
	return _PyEval_AddPendingCall(py_main_interpreter(), work, NULL, 0);
#else
	return work(NULL);
#endif
}

/*
 * Does this thread itself run what it asks for by py_run_later()? Up to 3.11, and without a GIL,
 * that can be said of the main thread alone.
 */
static inline bool
py_runs_pending(void)
{
#if PY_VERSION_HEX >= 0x030c0000 && PY_HAS_GIL
	return true;
#else
	return syscall(SYS_gettid) == getpid();
#endif
}

/* The same, but never now; of the main thread without a GIL, in no other. */
static inline int
py_run_later(int (*work)(void *))
{
#if PY_VERSION_HEX >= 0x030c0000
	if (PY_HAS_GIL || !py_runs_pending())
		return py_run_soon(work);
#endif
	return Py_AddPendingCall(work, NULL);
}

/* In a fork child: who ran pending calls then, another thread, does so no longer. */
static inline void
py_pending_after_fork(void)
{
#if !PY_HAS_GIL
	struct _pending_calls *pending = &py_main_interpreter()->ceval.pending;
	if (pending->handling_thread != PyThreadState_GetUnchecked())
		pending->handling_thread = NULL;
#endif
}

/* Say of a thread that it is in a callback: then no tool is called. And that it is no longer. */
static inline void
py_callbacks_pause(PyThreadState *tstate)
{
	tstate->tracing++;
}

static inline void
py_callbacks_resume(PyThreadState *tstate)
{
	tstate->tracing--;
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
	/* 3.11 looks at `tracing` when a function is set, and not again when it is 0. */
	bool on = tstate->tracing == 0 &&
		  (tstate->c_profilefunc != NULL || tstate->c_tracefunc != NULL);
	tstate->cframe->use_tracing = on ? 255 : 0;
#endif
}

/*
 * Another thread's profile function, whose first argument is NULL; runs nothing. As
 * _PyEval_SetProfile() does it, but that raises an audit event first: an audit hook in Python may
 * let go of the GIL, and the thread state be gone when it is used. From 3.12 on the events behind
 * it are switched on and off with those of the calling thread: py_set_own_profile() comes last.
 */
static inline void
py_set_profile(PyThreadState *tstate, Py_tracefunc function)
{
#if PY_PROFILE_IS_MONITORING
	tstate->interp->sys_profiling_threads +=
		(function != NULL) - (tstate->c_profilefunc != NULL);
#endif
	tstate->c_profilefunc = function;
	tstate->c_profileobj = NULL; /* ours has none, and another's is left in its place */
#if !PY_PROFILE_IS_MONITORING
	bool tracing = function != NULL || tstate->c_tracefunc != NULL;
#if PY_VERSION_HEX >= 0x030b0000
	tstate->cframe->use_tracing = tracing ? 255 : 0;
#elif PY_VERSION_HEX >= 0x030a0000
	tstate->cframe->use_tracing = tracing;
#else
	tstate->use_tracing = tracing;
#endif
#endif
}

/* That of the calling thread. -1: an audit hook refused it. Audit hooks run, of any kind. */
static inline int
py_set_own_profile(PyThreadState *tstate, Py_tracefunc function)
{
#if PY_PROFILE_IS_MONITORING
	PyEval_SetProfile(function, NULL);
	if (PyErr_Occurred())
		PyErr_Clear();
#else
	py_set_profile(tstate, function);
#endif
	return tstate->c_profilefunc == function ? 0 : -1;
}

/* Says of a module that it does without the GIL: else importing it switches the GIL on. */
static inline void
py_module_without_gil(PyObject *module)
{
#if PY_HAS_GIL
	(void)module;
#else
	PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
}

/* The interpreter's view of a frame object. */
static inline py_frame
py_frame_of(PyFrameObject *object)
{
#if PY_HAS_INTERPRETER_FRAMES
	return object->f_frame;
#else
	return object;
#endif
}

static inline bool
py_code_is_generator(PyCodeObject *code)
{
	return (code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0;
}

/* Of a generator's code: the frame is the generator's own, not that of the call that makes it. */
static inline bool
py_frame_is_generators(py_frame frame)
{
#if PY_HAS_INTERPRETER_FRAMES
	return frame->owner == FRAME_OWNED_BY_GENERATOR;
#else
	return frame->f_gen != NULL;
#endif
}

/*
 * C calls, one in another, that should be left to a thread before CPython raises RecursionError:
 * a quarter. The bound is another in other releases of 3.12 than the one that the hook was built with.
 */
static inline int
py_c_recursion_margin(PyThreadState *tstate)
{
#ifdef PY_C_RECURSION_MARGIN
	int margin = tstate->c_recursion_remaining / 4;
	return margin < PY_C_RECURSION_MARGIN ? margin : PY_C_RECURSION_MARGIN;
#else
	(void)tstate; /* none (to 3.11), or the address of the stack tells (3.14) */
	return 0;
#endif
}

static inline bool
py_c_recursion_is_low(PyThreadState *tstate, int margin)
{
#ifdef PY_C_RECURSION_MARGIN
	return tstate->c_recursion_remaining < margin;
#else
	(void)tstate;
	(void)margin;
	return false;
#endif
}

/* Of a generator's frame that begins to run: it did so before. */
static inline bool
py_frame_resumes(py_frame frame)
{
#if PY_HAS_INTERPRETER_FRAMES
	return _PyInterpreterFrame_LASTI(frame) > py_frame_code(frame)->_co_firsttraceable;
#else
	return frame->f_lasti >= 0;
#endif
}

#if PY_HAS_INTERPRETER_FRAMES
static inline PyGenObject *
py_frame_generator(py_frame frame)
{
	return (PyGenObject *)((char *)frame - offsetof(PyGenObject, gi_iframe));
}
#endif

/* Of a generator's frame that has ceased to run: it will be resumed. */
static inline bool
py_frame_yields(py_frame frame)
{
#if PY_VERSION_HEX >= 0x030d0000
	return frame->owner == FRAME_OWNED_BY_GENERATOR &&
	       FRAME_STATE_SUSPENDED(py_frame_generator(frame)->gi_frame_state);
#elif PY_HAS_INTERPRETER_FRAMES
	return frame->owner == FRAME_OWNED_BY_GENERATOR &&
	       py_frame_generator(frame)->gi_frame_state == FRAME_SUSPENDED;
#elif PY_VERSION_HEX >= 0x030a0000
	return frame->f_state == FRAME_SUSPENDED;
#else
	return frame->f_stacktop != NULL;
#endif
}

/*
 * The same while its profile function is asked: from 3.14 on that is before the frame's state
 * says so. But after a yield, and only there, the next instruction is RESUME.
 */
static inline bool
py_frame_is_yielding(py_frame frame)
{
#if PY_VERSION_HEX >= 0x030e0000
	PyCodeObject *code = py_frame_code(frame);
	int next = _PyInterpreterFrame_LASTI(frame) + 1;
	if (next >= Py_SIZE(code))
		return false;
	uint8_t op = _PyCode_CODE(code)[next].op.code;
	return op == RESUME || op == RESUME_CHECK || op == INSTRUMENTED_RESUME
#ifdef RESUME_CHECK_JIT
	       || op == RESUME_CHECK_JIT
#endif
		;
#else
	return py_frame_yields(frame);
#endif
}

/*
 * 3.12 and 3.13: what stands there for calls. In 3.12 also behind what another tool has put in front
 * of it; how 3.13 keeps that has changed between two of its releases.
 */
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030e0000
static inline int
py_opcode(PyCodeObject *code, int at)
{
	int op = _PyCode_CODE(code)[at].op.code;
#if PY_VERSION_HEX < 0x030d0000
	const _PyCoMonitoringData *monitoring = code->_co_monitoring;
	if (op == INSTRUMENTED_LINE && monitoring != NULL && monitoring->lines != NULL)
		op = monitoring->lines[at].original_opcode;
	if (op == INSTRUMENTED_INSTRUCTION && monitoring != NULL &&
	    monitoring->per_instruction_opcodes != NULL)
		op = monitoring->per_instruction_opcodes[at];
#endif
	return op;
}
#endif

/*
 * Up to 3.13 sys.monitoring tells of a bound method as such when it is called, and of what it is bound to
 * when that returns; but of f(*args) it tells no return. Is one told of what is called at `at`?
 */
#if PY_VERSION_HEX >= 0x030c0000
#define PY_TELLS_BOUND_METHODS (PY_VERSION_HEX < 0x030e0000)
static inline bool
py_is_called_unbound(PyCodeObject *code, PyObject *at)
{
#if PY_TELLS_BOUND_METHODS
	long offset = PyLong_AsLong(at);
	return offset >= 0 && py_opcode(code, (int)(offset / (long)sizeof(_Py_CODEUNIT))) !=
				      INSTRUMENTED_CALL_FUNCTION_EX;
#else
	(void)code, (void)at;
	return true;
#endif
}
#endif

/* PyTrace_RETURN of a frame that an exception ends; 3.12 has None there, as for a return of it. */
static inline bool
py_frame_unwinds(py_frame frame, PyObject *result)
{
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
	if (result != Py_None)
		return false;
	PyCodeObject *code = frame->f_code;
	int at = _PyInterpreterFrame_LASTI(frame);
	int op = py_opcode(code, at);
	return op != RETURN_VALUE && op != RETURN_CONST && op != INSTRUMENTED_RETURN_VALUE &&
	       op != INSTRUMENTED_RETURN_CONST && !py_frame_yields(frame);
#else
	(void)frame;
	return result == NULL;
#endif
}

#endif
