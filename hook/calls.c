/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call_emit.h"
#include "call_source.h"
#include "call_target.h"
#include "entry.h"
#include "hush.h"
#include "intern.h"
#include "notice.h"
#include "pycompat.h"
#include "session.h"

/*
 * Without a GIL, the one that comes and goes while the world is stopped: the others write into
 * states of threads that run.
 */
static const struct call_source *const sources[] = {
#if PY_HAS_MONITORING
	&source_monitoring, /* first: what `auto` takes */
#endif
#if PY_HAS_GIL
	&source_profile,
#if PY_HAS_EVAL_FRAME
	&source_eval,
#endif
#endif
};
#define N_SOURCES (sizeof sources / sizeof sources[0])

static struct call_settings wanted; /* under the lock */
static uint32_t wanted_version, applied_version;
static const struct call_source *installed;
static bool ready;        /* the caches are */
static bool coming;       /* settle() has been asked for */
static bool disturbed;    /* somebody else set what is ours */
static bool glance_due;   /* it is time to see whether somebody did so untold */
static bool missed;       /* settle() was to run while somebody was in (entry.h) */
static uint64_t next_look_ns; /* CLOCK_MONOTONIC_COARSE */
#define LOOK_NS 300000000u
static unsigned looks_due; /* after somebody else set what is ours; and not before next_look_ns */
static uint64_t generation; /* of the session that all this is of */
static uint64_t told_of_others; /* other interpreters: the session that it was said in; 0: none */
#if PY_HAS_GIL
static bool applying;     /* what is set just now is set by us */
#else
static __thread bool applying __attribute__((tls_model("initial-exec"))); /* by this thread */
#endif

static const struct call_source *
find_source(uint32_t backend)
{
	if (backend == CALL_BACKEND_AUTO)
		return sources[0];
	for (size_t i = 0; i < N_SOURCES; i++)
		if (sources[i]->backend == backend)
			return sources[i];
	return NULL;
}

int
calls_check(const struct call_settings *settings, char *why, size_t why_bytes)
{
	struct call_rules rules;
	if (settings->level > CALL_LEVEL_RECORD) { /* tables are indexed by it */
		snprintf(why, why_bytes, "there is no level %u of calls", settings->level);
		return -ENOTSUP;
	}
	if (find_source(settings->backend) == NULL) {
		snprintf(why, why_bytes, "Python 3.%d%s has no back end '%s': use %s", PY_BUILT_MINOR,
			 PY_HAS_GIL ? "" : "t", call_backend_name(settings->backend),
			 call_backend_name(CALL_BACKEND_AUTO));
		return -ENOTSUP;
	}
	return call_rules_parse(&rules, settings->match, settings->files, why, why_bytes);
}

void
calls_want(const struct call_settings *settings)
{
	if (memcmp(&wanted, settings, sizeof wanted) == 0)
		return;
	wanted = *settings;
	wanted_version++;
}

/* What is installed is so in the main interpreter alone. Said once, by whichever thread finds out. */
static void
tell_of_others(void)
{
	uint64_t now = session.generation;
	if (load_relaxed(&told_of_others) != now && exchange_relaxed(&told_of_others, now) != now)
		notice("calls", "those of sub-interpreters are not traced, and this program has some");
}

static void settle_soon(void);

/* ---- into force ---- */

static void
set_plan(const struct call_settings *settings, const struct call_source *source)
{
	call_emit_renew();
	call_plan.level = source != NULL ? settings->level : CALL_LEVEL_OFF;
	call_plan.c_calls = !settings->no_c;
	call_plan.filtered = settings->match[0] != '\0' || settings->files[0] != '\0';
	call_plan.max_depth = settings->max_depth > 0 ? settings->max_depth : UINT32_MAX;
	call_plan.ends = settings->level > CALL_LEVEL_COUNT || settings->max_depth > 0;
	uint32_t backend = source != NULL ? source->backend : CALL_BACKEND_AUTO;
	session_options.calls_backend = backend;
	session_options.calls_level = call_plan.level;
}

/* For who looks at it: what is in force. */
static void
tell_plan(void)
{
	store_relaxed(&session.header->calls_backend, session_options.calls_backend);
	store_relaxed(&session.header->calls_level, session_options.calls_level);
}

/* The events that are watched are so as long as a back end is there. */
static void
set_installed(const struct call_source *source)
{
	bool changes = (installed == NULL) != (source == NULL);
	store_relaxed(&installed, source);
	store_relaxed(&session.calls_next_look, 0);
	if (!changes || load_relaxed(&session.state) != SESSION_RUNNING)
		return;
	session_lock();
	intern_apply_settings();
	session_unlock();
}

static int
start(const struct call_settings *settings, const struct call_source *source, const char **why)
{
	struct call_rules rules;
	static char lacking[120];
	if (calls_check(settings, lacking, sizeof lacking) == -ENOTSUP) {
		*why = lacking;
		return -ENOTSUP;
	}
	if (call_rules_parse(&rules, settings->match, settings->files, NULL, 0) < 0) {
		*why = "the list of functions or files makes no sense";
		return -EINVAL;
	}
	if (!ready && call_target_init() < 0) {
		*why = "MADV_WIPEONFORK is not to be had (Linux 4.14)";
		return -ENOSYS;
	}
	ready = true;
	if (call_greenlets_imported())
		call_emit_ask_greenlets();
	call_target_set_rules(&rules);
	set_plan(settings, source);
	applying = true;
	int err = source->start(why);
	applying = false;
	if (err < 0)
		set_plan(settings, NULL);
	tell_plan();
	set_installed(err == 0 ? source : NULL);
	store_relaxed(&told_of_others, 0);
	if (err == 0 && PyInterpreterState_Head() != py_main_interpreter()) /* the main one is the last */
		tell_of_others();
	return err;
}

static void
take_out(void)
{
	if (installed == NULL)
		return;
	applying = true;
	installed->stop();
	applying = false;
	set_installed(NULL);
	if (session.header != NULL) {
		set_plan(&wanted, NULL);
		tell_plan();
	}
}

/*
 * A fork child has what its parent's threads were about. What another one had not brought to its
 * end is done again.
 */
static void
begin_in_child(void)
{
	if (generation == session.generation || session.generation == 0)
		return;
	if (generation != 0 && entry_is_torn()) {
		installed = NULL;
		applied_version = 0;
		applying = false;
	}
#if !PY_HAS_GIL
	if (generation != 0) {
		coming = disturbed = glance_due = missed = false;
		py_pending_after_fork();
	}
#endif
	if (generation != 0 && installed != NULL)
		installed->say_again();
	generation = session.generation;
}

/*
 * What is installed is so in the main interpreter alone, and sys.monitoring is that of whichever
 * runs: what start() and stop() want in another one is done in the main one, soon.
 */
static bool
is_put_off(void)
{
	if (!PY_HAS_MONITORING || py_in_main_interpreter())
		return false;
	if (!coming)
		settle_soon();
	return true;
}

void
calls_stop(void)
{
	if (is_put_off())
		return;
	begin_in_child();
	take_out();
	applied_version = 0;
}

int
calls_apply(const char **why)
{
	struct call_settings settings;
	if (is_put_off() || py_is_finalizing()) /* what is left of the program then is not worth a risk */
		return 0;
	begin_in_child();
	session_lock();
	settings = wanted;
	uint32_t version = wanted_version;
	session_unlock();
	if (version == applied_version || session.header == NULL)
		return 0;
	applied_version = version;
	const struct call_source *source =
		settings.level == CALL_LEVEL_OFF ? NULL : find_source(settings.backend);
	/*
	 * Without a GIL, callbacks run meanwhile unless they are taken out: rules have one writer.
	 */
	if (installed != NULL && (installed != source || !PY_HAS_GIL))
		take_out();
	if (settings.level == CALL_LEVEL_OFF)
		return 0;
	return start(&settings, source, why);
}

static void
put_right(void)
{
	const char *why = "";
	if (calls_apply(&why) < 0)
		notice("calls", why);
	if (installed == NULL)
		return;
	applying = true;
	if (disturbed)
		installed->look();
	else if (glance_due && installed->glance != NULL)
		installed->glance();
	applying = false;
}

/*
 * With the GIL, in the main interpreter. Who is in is not waited for: he may wait for a lock of the
 * program that this thread holds.
 */
static int
settle(void *unused)
{
	(void)unused;
	coming = false;
	store_relaxed(&missed, true);
	fence_full(); /* pairs with calls_leave(): one of us sees the other */
	if (!entry_try())
		return 0;
	store_relaxed(&missed, false);
	/* Asked for before a fork, it comes in the child, maybe before any event. */
	if (load_relaxed(&session.state) == SESSION_NONE)
		session_ensure();
	if (load_relaxed(&session.state) == SESSION_RUNNING)
		put_right();
	else
		calls_stop();
	disturbed = glance_due = false;
	calls_leave(true);
	return 0;
}

static void
settle_soon(void)
{
	coming = true;
	if (py_run_soon(settle) < 0)
		coming = false; /* the queue is full: another time */
}

void
calls_settle(void)
{
	begin_in_child();
	if (load_relaxed(&wanted_version) != applied_version && !coming)
		settle_soon();
}

/* Who came meanwhile and did not enter has stopped, or wants something else. */
static void
see_to_others(void)
{
	uint32_t state = load_relaxed(&session.state);
	bool changed = load_relaxed(&wanted_version) != applied_version;
	if (state == SESSION_STOPPED)
		calls_stop();
	else if (state == SESSION_RUNNING && changed && !coming && !py_is_finalizing())
		coming = py_run_later(settle) == 0;
}

void
calls_leave(bool entered)
{
	if (entered)
		see_to_others();
	entry_leave(entered);
	fence_full();
	if (entered && load_relaxed(&missed)) {
		store_relaxed(&missed, false);
		settle_soon();
	}
}

/* Names as CPython raises them. */
static const char setprofile[] = "sys.setprofile";
static const char setprofile_all[] = "sys._setprofileallthreads";
static const char register_callback[] = "sys.monitoring.register_callback";
static const char import[] = "import";

bool
calls_watch(const char *event)
{
	return installed != NULL &&
	       (strcmp(event, setprofile) == 0 || strcmp(event, setprofile_all) == 0 ||
		strcmp(event, register_callback) == 0 || strcmp(event, import) == 0);
}

static void
look_soon(void)
{
	if (disturbed)
		return;
	disturbed = true;
	if (py_run_later(settle) < 0)
		disturbed = false;
}

void
calls_hear(const char *event, PyObject *args)
{
	if (!py_in_main_interpreter()) { /* maybe under a GIL of its own */
		if (load_relaxed(&installed) != NULL)
			tell_of_others();
		return;
	}
	begin_in_child();
	if (installed == NULL || applying)
		return;
	if (strcmp(event, import) == 0) {
		if (call_greenlets_import(args)) {
			call_greenlets_note_threads();
			call_emit_ask_greenlets();
		}
		return;
	}
	if (strcmp(event, setprofile) == 0) {
		hush_begin();
		if (installed->is_set != NULL)
			installed->is_set(py_thread_state());
	}
#if !PY_HAS_GIL
	store_relaxed(&next_look_ns, clock_ns(CLOCK_MONOTONIC_COARSE) + LOOK_NS);
	store_relaxed(&looks_due, 3);
#endif
	look_soon();
}

/* With a GIL, who has raised his event goes on before anybody looks; without, he may be slow. */
void
calls_look_again(void)
{
	const struct call_source *source = load_relaxed(&installed);
	if (source == NULL)
		return;
	uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
	if (now < load_relaxed(&next_look_ns))
		return;
	store_relaxed(&next_look_ns, now + LOOK_NS);
	unsigned due = load_relaxed(&looks_due);
	if (due > 0) {
		store_relaxed(&looks_due, due - 1);
		look_soon();
	} else if (source->glance != NULL && !coming) {
		glance_due = true;
		settle_soon();
	}
}

void
calls_time_passed(uint64_t ticks)
{
	if (load_relaxed(&installed) == NULL) {
		store_relaxed(&session.calls_next_look, UINT64_MAX);
		return;
	}
	store_relaxed(&session.calls_next_look, ticks + CALL_LOOK_TICKS);
	settings_check_lease();
}

void
calls_fini(void)
{
	if (installed != NULL)
		installed->forget();
	installed = NULL;
	coming = disturbed = glance_due = missed = false;
	hush_fini();
	entry_forget();
	applied_version = 0;
	call_plan.level = CALL_LEVEL_OFF;
	session_renew_calls();
	if (ready)
		call_target_fini();
}
