/* SPDX-License-Identifier: MIT */
/*
 * The back end of PEP 523, from 3.9 on: the function that evaluates frames. It sees Python
 * functions alone, and is asked for by name: with it, each Python call is a C call again (3.11
 * and later do without otherwise), and what hangs on that is not optimised.
 *
 * That takes C stack, and a program that recurses deeply would crash where it does not without
 * us. So near a bound the evaluator takes itself out, for all threads, as there is one for the
 * interpreter; what runs inside is not seen, which counts as one loss; and it comes back when
 * that has unwound.
 */
#include "pycompat.h"

#if PY_HAS_EVAL_FRAME

#include "call_source.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_emit.h"
#include "call_target.h"
#include "notice.h"

#define MAX_NESTED 2500            /* evaluations of ours, one in another ... */
#define NESTED_BYTES (1024u * 1024) /* ... which take more than that of C stack */
#define MARGIN_BYTES (512u * 1024) /* of C stack that are left to the program */

static _PyFrameEvalFunction before; /* what was there, and evaluates for us */
static _PyFrameEvalFunction ours;   /* in force, or NULL */
static bool in_chain;               /* who is over us may hand on to us, also when we are stopped */
static int c_margin;                /* py_c_recursion_margin() when we started */
static unsigned n_aside;            /* threads that are near a bound */
static bool evicted;

static __thread struct {
	uintptr_t low; /* no nearer to the end of the stack than that; 0: not known yet */
	uintptr_t far; /* above it, `nested` has greenlets that wait: they lie in one place */
	unsigned nested;
	unsigned aside;
} stack __attribute__((tls_model("initial-exec")));

extern void *__libc_stack_end; /* of the main thread; by the dynamic loader */

/* ---- bounds ---- */

static void
set_bounds(uintptr_t end, size_t bytes)
{
	stack.low = end - bytes + (bytes / 2 < MARGIN_BYTES ? bytes / 2 : MARGIN_BYTES);
	stack.far = end - NESTED_BYTES;
}

/* The main thread of a fork child may be on the stack of another thread of its parent. */
static bool
is_on_main_stack(size_t bytes)
{
	return (uintptr_t)__libc_stack_end - (uintptr_t)__builtin_frame_address(0) < bytes;
}

static __attribute__((noinline)) void
find_low(void)
{
	struct rlimit limit;
	pthread_attr_t attributes;
	void *start;
	size_t bytes = 0;
	stack.low = UINTPTR_MAX; /* not to be found out: never ours */
	if (syscall(SYS_gettid) == getpid() && getrlimit(RLIMIT_STACK, &limit) == 0)
		bytes = limit.rlim_cur < 64u << 20 ? limit.rlim_cur : 64u << 20;
	if (is_on_main_stack(bytes)) {
		set_bounds((uintptr_t)__libc_stack_end, bytes);
	} else if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
		if (pthread_attr_getstack(&attributes, &start, &bytes) == 0)
			set_bounds((uintptr_t)start + bytes, bytes);
		pthread_attr_destroy(&attributes);
	}
}

static inline bool
near_a_bound(PyThreadState *tstate)
{
	if (unlikely(stack.low == 0))
		find_low();
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	return unlikely(here < stack.low || (stack.nested >= MAX_NESTED && here < stack.far) ||
			py_c_recursion_is_low(tstate, c_margin));
}

/* ---- evaluation ---- */

static void
set(_PyFrameEvalFunction function)
{
	_PyInterpreterState_SetEvalFrameFunc(py_main_interpreter(), function);
}

static _PyFrameEvalFunction
present(void)
{
	return _PyInterpreterState_GetEvalFrameFunc(py_main_interpreter());
}

static void
put_in_place(void)
{
	set(ours);
	in_chain = true;
}

/* Where somebody is over us, he stays: each frame that he hands on is handed on, and lost. */
static __attribute__((noinline)) PyObject *
step_aside(PyThreadState *tstate, py_frame frame, int throwflag)
{
	session_lost(LOST_TOO_DEEP);
	stack.aside++;
	if (n_aside++ == 0 && present() == ours)
		set(before);
	PyObject *result = before(tstate, frame, throwflag);
	stack.aside--;
	if (--n_aside == 0 && ours != NULL && present() == before)
		put_in_place();
	return result;
}

/* In a fork child: the other threads stayed in the parent, and will not unwind here. */
static void
forget_others(void)
{
	n_aside = stack.aside;
	/* Where C code forked without the GIL, it is another thread that may use Python here. */
	if (n_aside == 0 && ours != NULL && PyGILState_Check() && present() == before)
		put_in_place();
}

static const _PyFrameEvalFunction functions[];

/* `frame`: what CPython does not know of yet, or no longer; NULL if it is gone. */
CALL_INLINE void
happens_slowly(enum call_level level, uint64_t word, enum call_event what, py_frame frame)
{
	call_thread.evaluated = frame;
	call_happens_slowly(level, word, what);
	call_thread.evaluated = NULL;
}

static __attribute__((noinline)) void
at_length(enum call_level level, uint64_t word, enum call_event what, py_frame frame)
{
	happens_slowly(level, word, what, frame);
}

CALL_INLINE void
happens(enum call_level level, uint64_t word, enum call_event what, py_frame frame)
{
	if (level == CALL_LEVEL_COUNT)
		happens_slowly(level, word, what, frame);
	else if (unlikely(!call_fast(level, word, what)))
		at_length(level, word, what, frame);
}

CALL_INLINE PyObject *
evaluate_wanted(enum call_level level, PyThreadState *tstate, py_frame frame, int throwflag,
		bool generator)
{
	uint64_t word = call_target_frame(frame);
	if (unlikely(word & CALL_UNWANTED))
		return before(tstate, frame, throwflag);
	enum call_event what = generator && py_frame_resumes(frame) ? CALL_PY_RESUME : CALL_PY_START;
	happens(level, word, what, frame);
	uint64_t epoch = session.calls_epoch;
	unsigned nested = stack.nested; /* in a greenlet, others may begin before this has ended */
	stack.nested = nested + 1;
	PyObject *result = before(tstate, frame, throwflag);
	stack.nested = nested;
	/* With another plan, or in a fork child, this call is not one of those that it sees. */
	if (unlikely(epoch != session.calls_epoch))
		return result;
	what = result == NULL			      ? CALL_PY_UNWIND
	       : generator && py_frame_yields(frame) ? CALL_PY_YIELD
						      : CALL_PY_RETURN;
	/* From 3.11 on only a generator's frame is there still. */
	happens(level, word, what, generator || !PY_HAS_INTERPRETER_FRAMES ? frame : NULL);
	return result;
}

/* A generator that is made is no call of it. */
static __attribute__((noinline)) PyObject *
evaluate_generator(enum call_level level, PyThreadState *tstate, py_frame frame, int throwflag)
{
	if (!py_frame_is_generators(frame))
		return before(tstate, frame, throwflag);
	if (near_a_bound(tstate))
		return step_aside(tstate, frame, throwflag);
	return evaluate_wanted(level, tstate, frame, throwflag, true);
}

/* Who came over us has the function of then. */
static __attribute__((noinline)) PyObject *
hand_on(PyThreadState *tstate, py_frame frame, int throwflag)
{
	return (ours != NULL ? ours : before)(tstate, frame, throwflag);
}

CALL_INLINE PyObject *
evaluate(enum call_level level, PyThreadState *tstate, py_frame frame, int throwflag)
{
	if (unlikely(ours != functions[level]))
		return hand_on(tstate, frame, throwflag);
	if (unlikely(py_code_is_generator(py_frame_code(frame))))
		return evaluate_generator(level, tstate, frame, throwflag);
	if (near_a_bound(tstate))
		return step_aside(tstate, frame, throwflag);
	return evaluate_wanted(level, tstate, frame, throwflag, false);
}

#define FUNCTION(level) \
	static PyObject *level(PyThreadState *tstate, py_frame frame, int throwflag) \
	{ \
		return evaluate(CALL_LEVEL_##level, tstate, frame, throwflag); \
	}
FUNCTION(COUNT)
FUNCTION(STATS)
FUNCTION(RECORD)

static const _PyFrameEvalFunction functions[] = {
	[CALL_LEVEL_COUNT] = COUNT,
	[CALL_LEVEL_STATS] = STATS,
	[CALL_LEVEL_RECORD] = RECORD,
};

/* ---- the back end ---- */

static bool
is_ours(_PyFrameEvalFunction function)
{
	return function == COUNT || function == STATS || function == RECORD;
}

static void
tell_evicted(void)
{
	evicted = true;
	notice("evicted", "another tool took the place of our frame evaluator: what it does not hand "
			  "on is not seen");
}

static int
start(const char **why)
{
	static bool told_of_forks;
	if (!told_of_forks && pthread_atfork(NULL, NULL, forget_others) != 0) {
		*why = "there is no memory to hear of forks";
		return -ENOMEM;
	}
	told_of_forks = true;
	ours = functions[call_plan.level];
	c_margin = py_c_recursion_margin(py_thread_state());
	evicted = false;
	if (n_aside > 0)
		return 0; /* and comes when that has unwound */
	/* Over somebody who is over us, he would call us and we him, without an end. */
	if (in_chain && !is_ours(present()) && present() != before) {
		tell_evicted();
		return 0;
	}
	if (!is_ours(present()))
		before = present();
	put_in_place();
	return 0;
}

static void
look(void)
{
	if (ours == NULL || n_aside > 0 || is_ours(present()) != evicted)
		return;
	if (!evicted) {
		tell_evicted();
	} else {
		evicted = false;
		call_emit_renew(); /* what was open then may have ended unseen */
		notice("returned", "our frame evaluator was put back: calls are seen again");
	}
}

static void
say_again(void)
{
	if (evicted)
		tell_evicted();
}

/* What was there before us is there again, unless somebody has put himself in our place. */
static void
stop(void)
{
	look();
	ours = NULL;
	if (is_ours(present()))
		set(before);
	in_chain = in_chain && present() != before;
}

/* `before` stays: what runs yet comes through us. */
static void
forget(void)
{
	look();
	ours = NULL;
	in_chain = false;
	n_aside = 0;
}

const struct call_source source_eval = {
	.backend = CALL_BACKEND_EVAL,
	.start = start,
	.stop = stop,
	.look = look,
	.glance = look,
	.say_again = say_again,
	.forget = forget,
};

#else
typedef int source_eval_is_not_there;
#endif
