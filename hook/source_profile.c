/* SPDX-License-Identifier: MIT */
/*
 * The back end that every CPython has: the profile function of each thread.
 *
 * A thread has one such function. Where somebody else has it (cProfile, sys.setprofile()), he
 * keeps it: that thread is not traced, the stream says so, and it is traced from when he gives
 * it back. New threads come without one, and up to 3.11 there is no call that gives them one: at
 * each event the number of threads that were ever made is compared, and who is new gets ours.
 */
#include "call_source.h"

#include <errno.h>
#include <stdio.h>

#include "call_emit.h"
#include "call_target.h"
#include "hush.h"
#include "notice.h"
#include "pycompat.h"

/* Threads that somebody else's function is in, and that this was said of; not of more than that. */
#define TAKEN_MAX 64
static struct {
	uint64_t ids[TAKEN_MAX];
	unsigned n;
} taken;
/* A thread whose function is being set, until it has been looked at; its id, or 0. */
static uint64_t being_set;
static const uint64_t *threads_made; /* in the main interpreter */
static uint64_t threads_seen;
static bool installing;

static void look_at_threads(void);

CALL_INLINE void
py_event(enum call_level level, PyFrameObject *object, int what, PyObject *arg)
{
	py_frame frame = py_frame_of(object);
	uint64_t word = call_target_frame(frame);
	if (word & CALL_UNWANTED)
		return;
	bool generator = unlikely(py_code_is_generator(py_frame_code(frame)));
	if (what == PyTrace_CALL) {
		bool resumes = generator && py_frame_resumes(frame);
		call_happens(level, word, resumes ? CALL_PY_RESUME : CALL_PY_START);
	} else {
		bool unwinds = py_frame_unwinds(frame, arg);
		bool yields = generator && !unwinds && py_frame_is_yielding(frame);
		call_happens(level, word, unwinds  ? CALL_PY_UNWIND
					  : yields ? CALL_PY_YIELD
						   : CALL_PY_RETURN);
	}
}

CALL_INLINE void
c_event(enum call_level level, PyFrameObject *object, int what, PyObject *function)
{
	bool unwanted = call_plan.filtered &&
			(call_target_frame(py_frame_of(object)) & CALL_UNWANTED) != 0;
	bool wanted = call_plan.c_calls && PyCFunction_Check(function) && !unwanted;
	if (unlikely(function == hush_setprofile) && what == PyTrace_C_CALL)
		hush_called(wanted);
	if (!wanted)
		return;
	uint64_t word = call_target_cfunction((PyCFunctionObject *)function);
	if (word & CALL_UNWANTED)
		return;
	call_happens(level, word, what == PyTrace_C_CALL     ? CALL_C_CALL
			    : what == PyTrace_C_RETURN ? CALL_C_RETURN
						       : CALL_C_RAISE);
}

CALL_INLINE int
event(enum call_level level, PyFrameObject *object, int what, PyObject *arg)
{
	if (unlikely(*threads_made != threads_seen))
		look_at_threads();
	if (what == PyTrace_CALL || what == PyTrace_RETURN)
		py_event(level, object, what, arg);
	else if (what == PyTrace_C_CALL || what == PyTrace_C_RETURN || what == PyTrace_C_EXCEPTION)
		c_event(level, object, what, arg);
	return 0;
}

#define FUNCTION(name, level) \
	static __attribute__((noinline)) int \
	name(PyObject *self, PyFrameObject *object, int what, PyObject *arg) \
	{ \
		(void)self; \
		return event(CALL_LEVEL_##level, object, what, arg); \
	}
FUNCTION(COUNT, COUNT)
FUNCTION(stats_at_length, STATS)
FUNCTION(record_at_length, RECORD)
#undef FUNCTION

/* Each fifth. */
static __attribute__((noinline)) int
record_next(uint64_t word, enum call_event event, PyFrameObject *object, int what, PyObject *arg)
{
	return likely(call_record_next(word, event)) ? 0 : record_at_length(NULL, object, what, arg);
}

/* Most events of Python functions at levels stats and record. */
CALL_INLINE int
short_way(enum call_level level, Py_tracefunc at_length, PyFrameObject *object, int what,
	  PyObject *arg)
{
	uint64_t word;
	py_frame frame = py_frame_of(object);
	PyCodeObject *code = py_frame_code(frame);
	bool calls = what == PyTrace_CALL;
	if (unlikely(*threads_made != threads_seen) || unlikely(!calls && what != PyTrace_RETURN) ||
	    unlikely(!call_target_cached(code, &word)) || unlikely(py_code_is_generator(code)))
		return at_length(NULL, object, what, arg);
	if (word & CALL_UNWANTED)
		return 0;
	enum call_event event = calls ? CALL_PY_START
				: py_frame_unwinds(frame, arg) ? CALL_PY_UNWIND : CALL_PY_RETURN;
	if (likely(call_fast(level, word, event)))
		return 0;
	return level == CALL_LEVEL_RECORD ? record_next(word, event, object, what, arg)
					  : at_length(NULL, object, what, arg);
}

/* They call others as the last thing they do, so that the compiler saves no registers. */
#define FUNCTION(level, at_length) \
	static int level(PyObject *self, PyFrameObject *object, int what, PyObject *arg) \
	{ \
		(void)self; \
		return short_way(CALL_LEVEL_##level, at_length, object, what, arg); \
	}
FUNCTION(STATS, stats_at_length)
FUNCTION(RECORD, record_at_length)
#undef FUNCTION

static const Py_tracefunc functions[] = {
	[CALL_LEVEL_COUNT] = COUNT,
	[CALL_LEVEL_STATS] = STATS,
	[CALL_LEVEL_RECORD] = RECORD,
};

static bool
is_ours(Py_tracefunc function)
{
	return function == COUNT || function == STATS || function == RECORD;
}

/* ---- threads ---- */

/* Returns whether the thread was in the list; then it is there no more. */
static bool
forget_taken(uint64_t id)
{
	for (unsigned i = 0; i < taken.n; i++) {
		if (taken.ids[i] == id) {
			taken.ids[i] = taken.ids[--taken.n];
			return true;
		}
	}
	return false;
}

static bool
is_there(uint64_t id)
{
	PyThreadState *tstate = PyInterpreterState_ThreadHead(py_main_interpreter());
	while (tstate != NULL && tstate->id != id)
		tstate = PyThreadState_Next(tstate);
	return tstate != NULL;
}

/* Threads end with another's function, too. */
static void
forget_ended(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < taken.n; i++)
		if (is_there(taken.ids[i]))
			taken.ids[n++] = taken.ids[i];
	taken.n = n;
}

static void
remember_taken(uint64_t id, const char *what, const char *how)
{
	char detail[160];
	for (unsigned i = 0; i < taken.n; i++)
		if (taken.ids[i] == id)
			return;
	if (taken.n == TAKEN_MAX)
		forget_ended();
	if (taken.n == TAKEN_MAX)
		return;
	taken.ids[taken.n++] = id;
	snprintf(detail, sizeof detail,
		 "another tool %s the profile function of a thread: its calls are not seen until "
		 "it is given back", how);
	notice(what, detail);
}

/* Whether ours is to be put in. */
static bool
is_free(PyThreadState *tstate, bool starting)
{
	if (tstate->id == being_set)
		being_set = 0;
	if (tstate->c_profilefunc == NULL || is_ours(tstate->c_profilefunc))
		return true;
	remember_taken(tstate->id, starting ? "occupied" : "evicted", starting ? "has" : "took");
	return false;
}

static void
tell_returned(uint64_t id)
{
	if (!forget_taken(id))
		return;
	call_emit_renew_thread(id); /* what was open when it was taken may have ended unseen */
	notice("returned", "the profile function of a thread was given back: its calls are seen "
			   "again");
}

/* The calling thread comes last: with it, audit hooks run. -1: one of them refused. */
static int
look_at_all(bool starting)
{
	PyInterpreterState *interp = py_main_interpreter();
	PyThreadState *own = py_thread_state();
	Py_tracefunc ours = functions[call_plan.level];
	bool own_is_free = false;
	int err = 0;
	installing = true;
	threads_made = py_threads_made(interp);
	threads_seen = *threads_made; /* first: who comes from now on is looked for again */
	PyThreadState *tstate = PyInterpreterState_ThreadHead(interp);
	for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
		bool free = is_free(tstate, starting);
		own_is_free |= free && tstate == own;
		if (!free || tstate == own || tstate->c_profilefunc == ours)
			continue;
		py_set_profile(tstate, ours);
		tell_returned(tstate->id);
	}
	if (own_is_free && own->c_profilefunc != ours) {
		err = py_set_own_profile(own, ours);
		if (err == 0)
			tell_returned(own->id);
	}
	installing = false;
	if (being_set != 0)
		notice("evicted", "another tool took the profile function of a thread that has "
				  "ended: its last calls were not seen");
	being_set = 0;
	return err;
}

static __attribute__((noinline)) void
look_at_threads(void)
{
	if (!installing && call_plan.level != CALL_LEVEL_OFF)
		look_at_all(false);
}

/* ---- the back end ---- */

static void
stop(void)
{
	PyThreadState *own = py_thread_state();
	PyThreadState *tstate = PyInterpreterState_ThreadHead(py_main_interpreter());
	installing = true;
	for (; tstate != NULL; tstate = PyThreadState_Next(tstate))
		if (tstate != own && is_ours(tstate->c_profilefunc))
			py_set_profile(tstate, NULL);
	if (is_ours(own->c_profilefunc) || own->c_profilefunc == NULL)
		py_set_own_profile(own, NULL);
	if (is_ours(own->c_profilefunc)) /* an audit hook refused even that */
		py_set_profile(own, NULL);
	installing = false;
	taken.n = 0;
}

static int
start(const char **why)
{
	hush_init();
	if (look_at_all(true) == 0)
		return 0;
	stop();
	*why = "an audit hook of the program refuses profile functions";
	return -EPERM;
}

static void
is_set(PyThreadState *tstate)
{
	if (!installing && is_ours(tstate->c_profilefunc))
		being_set = tstate->id;
}

static void
look(void)
{
	look_at_all(false);
}

/* Of the threads there is one left. */
static void
say_again(void)
{
	const PyThreadState *own = py_thread_state();
	bool is_taken = own != NULL && forget_taken(own->id);
	taken.n = 0;
	if (is_taken)
		remember_taken(own->id, "evicted", "took");
}

static void
forget(void)
{
	taken.n = 0;
}

const struct call_source source_profile = {
	.backend = CALL_BACKEND_PROFILE,
	.start = start,
	.stop = stop,
	.is_set = is_set,
	.look = look,
	.say_again = say_again,
	.forget = forget,
};
