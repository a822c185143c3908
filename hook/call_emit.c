/* SPDX-License-Identifier: MIT */
#include "call_emit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_adopted.h"
#include "call_target.h"
#include "calls.h"
#include "settings.h"
#include "thread_lane.h"

struct call_plan call_plan;
static bool asks_greenlets;
#define RENEWED_MAX 64
static uint64_t renewed[RENEWED_MAX]; /* ids of threads that have to begin anew */
static unsigned n_renewed;
static pthread_key_t leave_key;
static pthread_once_t leave_once = PTHREAD_ONCE_INIT;
static bool leave_key_made;
__thread struct call_thread call_thread __attribute__((tls_model("initial-exec"))) = {
	.epoch = CALL_NO_EPOCH,
	.here_way = CALL_NO_EPOCH,
	.fast_way = CALL_NO_EPOCH,
};

/*
 * The thread ends, without the GIL. The next one may have its variables at the same address, so
 * it must not be taken for the owner that this was.
 */
static void
leave(void *value)
{
	struct call_thread *me = value;
	clear_if(&session.calls_owner, me);
	clear_if(&session.calls_here, me);
	clear_if(&session.calls_fast, me);
	call_greenlets_forget(&me->greenlets);
	call_times_free(&me->times);
	call_target_leave();
	call_emit_forget_lane();
}

static void
make_leave_key(void)
{
	leave_key_made = pthread_key_create(&leave_key, leave) == 0;
}

static bool
will_leave(struct call_thread *me)
{
	pthread_once(&leave_once, make_leave_key);
	return leave_key_made && pthread_setspecific(leave_key, me) == 0;
}

/* The lane or table that the thread's events go to from now on; false: there is none. */
static bool
take_place(struct call_thread *me)
{
#if PY_HAS_GIL
	(void)me;
	lane_call_close(&session.producers[0].lane); /* it is the other thread's */
#else
	struct producer *producer = thread_lane_try();
	uint32_t i = producer != NULL ? producer->index + 1 : 0;
	struct call_table *table = &session.call_tables[i < session.at.n_call_tables ? i : 0];
	if (me->times.table != table)
		call_times_reset(&me->times);
	me->times.table = table;
	if (producer == NULL && call_plan.level == CALL_LEVEL_RECORD) {
		session_lost(LOST_NO_LANE);
		return false;
	}
	me->lane = producer != NULL ? &producer->lane : NULL;
#endif
	return true;
}

/* What is remembered is of before: the epoch is read first, in case another begins meanwhile. */
static bool
begin_anew(struct call_thread *me)
{
	uint64_t epoch = load_acquire(&session.calls_epoch);
	if (!will_leave(me)) {
		session_lost(LOST_NO_MEMORY);
		return false;
	}
	me->tid = (uint32_t)syscall(SYS_gettid);
	me->stack = calls_stack(me->tid, 0);
	me->depth = 0;
	call_greenlets_forget(&me->greenlets);
	call_times_reset(&me->times);
	me->epoch = epoch;
	return true;
}

/*
 * What is open while the first event of a stack happens has times from now on, but for what begins
 * by it, and start(), which is about to end. An evaluator is not asked for what runs already, and
 * does not hear of its end.
 */
static void
adopt(struct call_thread *me, enum call_event what)
{
	if (call_plan.level != CALL_LEVEL_STATS || session_options.calls_backend == CALL_BACKEND_EVAL)
		return;
	py_frame frame = py_frame_current(py_thread_state());
	if (frame != NULL && !call_ends(what) && what != CALL_C_CALL)
		frame = py_frame_back(frame);
	call_adopt(&me->times, frame);
}

/* The greenlet that the event is of. */
static bool
look_at_greenlets(struct call_thread *me, enum call_event what)
{
	int saved = errno;
	const struct call_moment now = {what, !call_plan.filtered, me->evaluated};
	enum call_greenlet_change found =
		call_greenlets_look(&me->greenlets, &now, &me->depth, &me->times);
	errno = saved;
	if (likely(found == CALL_GREENLET_SAME))
		return true;
	if (call_plan.level == CALL_LEVEL_RECORD)
		lane_call_close(call_lane(me)); /* it is the other greenlet's */
	me->stack = calls_stack(me->tid, call_greenlets_number(&me->greenlets));
	if (found == CALL_GREENLET_NO_MEMORY)
		session_lost(LOST_NO_MEMORY);
	else if (found == CALL_GREENLET_NEW)
		adopt(me, what);
	errno = saved;
	return found != CALL_GREENLET_NO_MEMORY;
}

static bool
is_owner(const struct call_thread *me)
{
#if PY_HAS_GIL
	return session.calls_owner == me;
#else
	return me->epoch == load_relaxed(&session.calls_epoch);
#endif
}

/* It was to begin anew, and does. */
static bool
take_renewed(uint64_t tstate_id)
{
	for (unsigned i = 0; i < n_renewed; i++) {
		if (renewed[i] == tstate_id) {
			renewed[i] = renewed[--n_renewed];
			return true;
		}
	}
	return false;
}

/* Which way the thread's events take while nothing changes. */
static void
choose_way(struct call_thread *me, uint64_t way, bool asks)
{
	bool fast = !asks && call_plan.level > CALL_LEVEL_COUNT &&
		    call_plan.max_depth == UINT32_MAX && clock_is_counter(session.clock_kind);
	me->c_callable = NULL; /* others may have been called meanwhile, or unheard */
	me->here_way = asks ? CALL_NO_EPOCH : way;
	me->fast_way = fast ? way : CALL_NO_EPOCH;
	session.calls_owner = me;
	session.calls_here = asks ? NULL : me;
	session.calls_fast = fast ? me : NULL;
}

bool
call_emit_enter(enum call_event what)
{
	struct call_thread *me = &call_thread;
	uint64_t way = load_acquire(&session.calls_way); /* first, in case another begins meanwhile */
	bool asks = load_relaxed(&asks_greenlets) && call_plan.ends;
	if (likely(asks) && likely(is_owner(me)))
		return look_at_greenlets(me, what);
	int saved = errno;
	if (load_relaxed(&session.state) != SESSION_RUNNING && !session_ensure())
		return false;
	if (settings_changed())
		settings_refresh();
	me->here_way = me->fast_way = CALL_NO_EPOCH;
	bool known = me->epoch == load_relaxed(&session.calls_epoch) &&
		     !(PY_HAS_GIL && unlikely(n_renewed > 0) && take_renewed(py_thread_state()->id));
	if ((!known && !begin_anew(me)) || !take_place(me)) {
		call_emit_forget_lane(); /* or it would be taken for one that has a lane */
		errno = saved;
		return false;
	}
#if !PY_HAS_GIL
	if (!known && me->lane != NULL)
		lane_call_close(me->lane); /* what is open there is of before */
#endif
	choose_way(me, way, asks);
	if (!known && !asks)
		adopt(me, what);
	errno = saved;
	return !asks || look_at_greenlets(me, what);
}

void
call_emit_ask_greenlets(void)
{
	if (load_relaxed(&asks_greenlets))
		return;
	store_relaxed(&asks_greenlets, true);
	session_renew_ways();
}

bool
call_record_next(uint64_t word, enum call_event what)
{
	struct call_thread *me = &call_thread;
	uint32_t depth = me->depth;
	if (unlikely(!call_is_fast(me)) || unlikely(settings_changed()))
		return false;
	uint64_t ticks = clock_counter();
	if (unlikely(ticks >= load_relaxed(&session.calls_next_look)) ||
	    unlikely(!lane_call_next(call_lane(me), word | call_word(what, 0), ticks,
				     calls_w2(me->stack, depth))))
		return false;
	me->depth = call_ends(what) ? depth - (depth > 0) : depth + 1;
	return true;
}

void
call_emit_forget_lane(void)
{
	call_thread.epoch = call_thread.here_way = call_thread.fast_way = CALL_NO_EPOCH;
}

void
call_emit_renew(void)
{
#if PY_HAS_GIL
	lane_call_close(&session.producers[0].lane);
#endif
	session_renew_calls();
}

void
call_emit_renew_thread(uint64_t tstate_id)
{
	if (n_renewed == RENEWED_MAX) { /* most have ended */
		n_renewed = 0;
		call_emit_renew();
		return;
	}
	renewed[n_renewed++] = tstate_id;
	session.calls_owner = session.calls_here = session.calls_fast = NULL;
}

void
call_emit_open(uint64_t word, uint64_t ticks, uint32_t depth)
{
	struct lane *lane = call_lane(&call_thread);
	if (unlikely(settings_changed()))
		settings_refresh();
	if (unlikely(ticks >= load_relaxed(&session.calls_next_look)))
		calls_time_passed(ticks);
	uint64_t w2 = calls_w2(call_thread.stack, depth);
	if (unlikely(!lane_call_open(lane, word, ticks, w2)))
		settings_check_lease();
}

void
call_emit_c_returned(PyCFunctionObject *function)
{
	uint64_t word = call_target_cfunction(function);
	if ((word & CALL_UNWANTED) != 0 || !call_plan.ends || !call_plan.c_calls)
		return;
	call_happens(call_plan.level, word, CALL_C_RETURN);
}
