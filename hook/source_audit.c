/* SPDX-License-Identifier: MIT */
/*
 * From PySys_Audit to a record:
 *
 *	name -> id -> level:  off is out here, whoever we are
 *	thread state -> lane: the main interpreter's, or the thread's own
 *	counter + 1           level count is done here
 *	sites, arguments -> slots -> commit
 *
 * Nothing here runs Python code, allocates Python memory, blocks, or fails visibly.
 */
#include "source_audit.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "args.h"
#include "calls.h"
#include "code_info.h"
#include "define.h"
#include "intern.h"
#include "pycompat.h"
#include "session.h"
#include "settings.h"
#include "sites.h"
#include "thread_lane.h"

#if PY_TSTATE_IS_GLOBAL
/* Its address tells threads apart, without the call that pthread_self() is. */
static __thread char here __attribute__((tls_model("initial-exec")));
#endif
static bool installed;
static uint64_t installing; /* in this session: a fork child is none the wiser for its parent's */
static bool seen_own_event;
static const char own_event[] = "pyauditd.installed";
static const char last_event[] = "cpython._PySys_ClearAuditHooks";

/* Another thread, or another interpreter on this one, than at the last event. */
static bool
change_thread(struct producer *producer, PyThreadState *tstate)
{
#if PY_TSTATE_IS_GLOBAL
	/* PySys_Audit may be called without the GIL; then tstate is somebody else's. */
	if (!PyGILState_Check()) {
		session_lost(LOST_NO_GIL);
		return false;
	}
	producer->thread = &here;
#endif
	lane_call_close(&producer->lane); /* it is the other thread's */
	producer->tstate = tstate;
	producer->tstate_id = tstate->id;
	producer->interp = tstate->interp;
	producer->tid = (uint32_t)syscall(SYS_gettid);
	return true;
}

static inline bool
same_thread(const struct producer *producer, PyThreadState *tstate)
{
#if PY_TSTATE_IS_GLOBAL
	if (producer->thread != &here)
		return false;
#endif
	return producer->tstate == tstate && producer->tstate_id == tstate->id &&
	       producer->interp == tstate->interp; /* whose numbers begin with 1 each */
}

/* The lane for this thread state; NULL: counted, leave. */
static inline struct producer *
find_producer(PyThreadState *tstate, bool *main_interpreter)
{
#if !PY_HAS_GIL
	struct producer *producer = thread_lane_find();
	*main_interpreter = tstate->interp == py_main_interpreter();
	if (producer == NULL || likely(same_thread(producer, tstate)))
		return producer;
#else
	struct producer *producer = &session.producers[0];
	*main_interpreter = true;
	if (likely(same_thread(producer, tstate)))
		return producer;
	if (tstate->interp != py_main_interpreter()) {
		*main_interpreter = false;
		producer = thread_lane_get();
		if (producer == NULL || same_thread(producer, tstate))
			return producer;
	}
#endif
	return change_thread(producer, tstate) ? producer : NULL;
}

static inline void
commit(struct producer *producer, struct lane_writer *w, uint32_t id)
{
	/* The clock last: read earlier, it holds up all that follows it (2-6 ns). */
	uint64_t ticks = clock_ticks(session.clock_kind);
	lane_commit(w, ticks, producer->tid, id);
	if (unlikely(ticks >= load_relaxed(&session.calls_next_look)))
		calls_time_passed(ticks);
}

static __attribute__((noinline)) void
record(struct producer *producer, const struct event_name *name, const char *text, PyObject *args,
       const struct sites *sites)
{
	struct lane_writer w;
	struct lane *lane = &producer->lane;
	if (unlikely(!lane_begin(lane, &w, RECORD_AUDIT))) {
		lane_drop(lane, lane_full_reason(lane));
		settings_check_lease();
		return;
	}
	/* Slot 0 has room for the head: it is filled in when the rest is known. */
	struct audit_head *head = (struct audit_head *)w.at;
	uint8_t flags = 0, n_args;
	bool truncated = false;
	w.at += sizeof *head;
	uint32_t id = name != NULL ? name->id : 0;
	struct event_name nameless;
	if (unlikely(name == NULL)) {
		flags |= AUDIT_NAME_INLINE;
		args_encode_text(&w, text, strlen(text));
		intern_nameless(&nameless, text);
		name = &nameless;
	}
	if (unlikely(sites->n_stack > 0))
		lane_put(&w, sites->stack, sites->n_stack * sizeof sites->stack[0]);
	n_args = (uint8_t)args_encode(&w, args, name, &truncated);
	if (unlikely(truncated))
		flags |= AUDIT_TRUNCATED;
	head->site = sites->at;
	head->caller = sites->caller;
	head->n_args = n_args;
	head->n_stack = (uint8_t)sites->n_stack;
	head->flags = flags;
	head->spare = 0;
	commit(producer, &w, id);
}

/* The same for one whose arguments are ints, in fewer instructions; false: nothing was done. */
static inline __attribute__((always_inline)) bool
record_ints(struct producer *producer, const struct event_name *name, PyObject *args,
	    const struct sites *sites)
{
	struct lane_writer w;
	struct lane *lane = &producer->lane;
	if (!args_begin_with_int(args) || unlikely(name == NULL) || unlikely(sites->n_stack > 0) ||
	    unlikely(load_relaxed(&name->secrets) != 0) || unlikely(lane_at_limit(lane, lane->head)) ||
	    unlikely(!lane_begin(lane, &w, RECORD_AUDIT)))
		return false;
	struct audit_head *head = (struct audit_head *)w.at;
	w.at += sizeof *head;
	if (unlikely(!args_encode_ints(&w, args)))
		return false;
	*head = (struct audit_head){
		.site = sites->at,
		.caller = sites->caller,
		.n_args = (uint8_t)PyTuple_GET_SIZE(args),
	};
	commit(producer, &w, name->id);
	return true;
}

/* In a producer of ours, not re-entered: count, and record when the level says so. */
static inline __attribute__((always_inline)) void
deliver(struct producer *producer, PyThreadState *tstate, bool main_interpreter,
	const struct event_name *name, const char *text, uint8_t level, PyObject *args)
{
	struct sites sites;
	uint32_t id = name != NULL ? name->id : 0;
	if (unlikely(id >= producer->n_counters) && !session_reserve_counter(producer, id)) {
		session_lost(LOST_NO_MEMORY);
		return;
	}
	bump(&producer->counters[id]);
	if (level == LEVEL_COUNT)
		return;
	if (unlikely(settings_changed()))
		settings_refresh();
	uint32_t stack = load_relaxed(&session.stack), lane = producer->index;
	if (likely(stack > 0))
		sites_find(tstate, main_interpreter, lane, stack, &sites);
	else
		sites_none(&sites);
	if (unlikely(level != LEVEL_RECORD)) {
		bool importlib = stack > 0 ? sites.importlib
					   : sites_importlib(tstate, main_interpreter, lane);
		if (importlib == (level == LEVEL_APP))
			return;
	}
	if (!record_ints(producer, name, args, &sites))
		record(producer, name, text, args, &sites);
}

/* What says what to do: off, or one of LEVEL_COUNT to LEVEL_IMPORT. */
static __attribute__((noinline)) uint8_t
find_level(const char *text, const struct event_name *name, uint8_t level, PyObject *args)
{
	if (name == NULL) /* there was no room to define it */
		return (uint8_t)settings_level_now(text);
	if (level == LEVEL_UNDEFINED)
		level = load_relaxed(&session.levels[name->id]);
	if (level == LEVEL_ASK)
		level = (uint8_t)settings_ask(name);
	if (level == LEVEL_WATCH) {
		calls_hear(name->text, args);
		level = (uint8_t)settings_level_now(name->text);
	}
	return level;
}

/* An event that is not off. `level` is 0 when `name` must be looked up or defined first. */
static __attribute__((noinline)) int
audit_event(const char *text, const struct event_name *name, uint8_t level, PyObject *args)
{
	PyThreadState *tstate = py_thread_state();
	bool main_interpreter;
	if (unlikely(tstate == NULL)) {
		session_lost(LOST_NO_GIL);
		return 0;
	}
	struct producer *producer = find_producer(tstate, &main_interpreter);
	if (unlikely(producer == NULL))
		return 0;
	if (unlikely(producer->busy)) {
		session_lost(LOST_REENTRANT);
		return 0;
	}
	producer->busy = true;
	if (unlikely(level < LEVEL_COUNT) || unlikely(level > LEVEL_IMPORT)) {
		if (level == LEVEL_UNDEFINED)
			name = intern_slow(text, main_interpreter);
		level = find_level(text, name, level, args);
	}
	if (likely(level != LEVEL_OFF))
		deliver(producer, tstate, main_interpreter, name, text, level, args);
	producer->busy = false;
	return 0;
}

/* Anybody may raise an event of that name. */
static bool
is_last(const char *event)
{
	return strcmp(event, last_event) == 0 && py_is_finalizing();
}

/* The list of hooks is cleared, and with it ours: the last we hear of this interpreter. */
static void
the_end(void)
{
	installed = false;
	calls_fini();
	sites_fini();
	code_info_fini();
	session_stop(2);
}

/* In a fork child, what its parent has defined may have no level: there is no memory for it. */
static inline uint8_t
level_of(const struct event_name *name)
{
	return likely(name->id < load_relaxed(&session.n_levels))
		       ? load_relaxed(&session.levels[name->id])
		       : LEVEL_UNDEFINED;
}

/*
 * An event whose name was not found by its address, as the two below never are, or lies at the end
 * of its page.
 */
static __attribute__((noinline)) int
unknown_event(const char *event, PyObject *args)
{
	if (event == own_event) {
		seen_own_event = true;
		return 0;
	}
	const struct event_name *name = intern_cached_anywhere(event);
	uint8_t level = name != NULL ? level_of(name) : LEVEL_UNDEFINED;
	if (level != LEVEL_OFF)
		audit_event(event, name, level, args);
	if (unlikely(is_last(event))) {
		intern_forget(event);
		the_end();
	}
	return 0;
}

/* There is a segment. */
static inline __attribute__((always_inline)) int
running(const char *event, PyObject *args)
{
	const struct event_name *name = intern_cached(event);
	if (unlikely(name == NULL))
		return unknown_event(event, args);
	uint8_t level = level_of(name);
	return level != LEVEL_OFF ? audit_event(event, name, level, args) : 0;
}

/* No segment, or none yet. */
static __attribute__((noinline, cold)) int
wake_up(const char *event, PyObject *args)
{
	if (event == own_event)
		seen_own_event = true;
	bool ended = session.state == SESSION_STOPPED || session.state == SESSION_FAILED ||
		     !session_options.enabled;
	if (ended && is_last(event))
		the_end();
	if (session.state != SESSION_STOPPED && session_ensure())
		return running(event, args);
	if (session.state == SESSION_FAILED && session_options.enabled &&
	    settings_level_now(event) != LEVEL_OFF)
		session_missed();
	return 0;
}

/* It calls others as the last thing it does, so that the compiler saves no registers. */
static int
hook(const char *event, PyObject *args, void *data)
{
	(void)data;
	/* Acquire: another thread may have made the session just now. */
	if (unlikely(load_acquire(&session.state) != SESSION_RUNNING))
		return wake_up(event, args);
	return running(event, args);
}

/*
 * 0 from PySys_AddAuditHook() does not mean installed: an earlier hook may have refused by
 * raising RuntimeError, which CPython swallows. So raise one private event, and believe only
 * what the callback saw.
 */
static int
install(void)
{
	if (PySys_AddAuditHook(hook, NULL) < 0) {
		PyErr_Clear();
		return -EPERM;
	}
	seen_own_event = false;
	if (PySys_Audit(own_event, NULL) < 0)
		PyErr_Clear();
	installed = seen_own_event;
	return installed ? 0 : -EPERM;
}

/* Other hooks run meanwhile, and may let another thread come here: it is told what is not so yet. */
int
source_audit_start(void)
{
	if (installed || installing == session.generation)
		return 0;
	installing = session.generation;
	int err = install();
	installing = 0;
	return err;
}

bool
source_audit_is_installed(void)
{
	return installed;
}
