/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <string.h>

#include "calls.h"
#include "intern.h"

#define FOLLOW_UPS 4

static struct level_rules rules;
static char reveal[512];
/* In force are a collector's, or those of the parent's collector in a fork child. */
static bool leased;

static enum level
level_of(const char *event)
{
	return level_rules_apply(&rules, event);
}

enum level
settings_stored_level(const char *event)
{
	return calls_watch(event) ? LEVEL_WATCH : level_of(event);
}

/* Is EVENT.ARG in the comma-separated list? */
static bool
revealed(const char *event, const char *arg)
{
	size_t event_len = strlen(event), arg_len = strlen(arg);
	for (const char *at = reveal; *at != '\0';) {
		size_t len = strcspn(at, ",");
		if (len == event_len + 1 + arg_len && memcmp(at, event, event_len) == 0 &&
		    at[event_len] == '.' && memcmp(at + event_len + 1, arg, arg_len) == 0)
			return true;
		at += len + (at[len] == ',');
	}
	return false;
}

uint32_t
settings_secrets(const char *event, const struct event_info *info)
{
	uint32_t secrets = 0;
	for (unsigned i = 0; info != NULL && i < info->n_args && i < 32; i++)
		if (info->args[i].secret && !revealed(event, info->args[i].name))
			secrets |= 1u << i;
	return secrets;
}

static void
apply(const char *events, const char *reveal_list, uint32_t stack,
      const struct call_settings *calls)
{
	level_rules_parse(&rules, events, true, NULL, 0);
	memcpy(reveal, reveal_list, sizeof reveal);
	store_relaxed(&session.stack, stack);
	intern_apply_settings();
	calls_want(calls);
}

void
settings_use_own(void)
{
	store_relaxed(&leased, false);
	apply(session_options.events, session_options.reveal, session_options.stack,
	      &session_options.calls);
}

/* With the lock: what the control region says now is put into force. */
static void
take_over(void)
{
	static char events[LEVELS_TEXT_BYTES], reveal_list[512];
	static struct call_settings calls;
	const struct segment_control *control = session.control;
	uint64_t version = load_acquire(&control->version);
	/* A collector was killed while it wrote. */
	if (version % 2 != 0 && !session_reader_alive())
		store_relaxed(&session.void_version, version);
	if (version == 0) {
		store_relaxed(&session.settings_version, 0);
		settings_use_own();
	} else if (version % 2 == 0) {
		memcpy(events, control->events, sizeof events);
		memcpy(reveal_list, control->reveal, sizeof reveal_list);
		memcpy(&calls, &control->calls, sizeof calls);
		uint32_t stack = load_relaxed(&control->stack);
		uint32_t own = load_relaxed(&control->own);
		fence_acquire();
		/* Torn: the next event comes back for it. */
		if (load_relaxed(&control->version) == version) {
			events[sizeof events - 1] = reveal_list[sizeof reveal_list - 1] = '\0';
			calls.match[sizeof calls.match - 1] = '\0';
			calls.files[sizeof calls.files - 1] = '\0';
			store_relaxed(&session.settings_version, version);
			store_relaxed(&leased, true);
			apply(own & SETTING_EVENTS ? session_options.events : events,
			      own & SETTING_REVEAL ? session_options.reveal : reveal_list,
			      own & SETTING_STACK ? session_options.stack
			      : stack < 64        ? stack
						  : 64,
			      own & SETTING_CALLS ? &session_options.calls : &calls);
		}
	}
}

/*
 * Levels that were just stored may stand over marks of a newer version (lease_mark()), and nothing
 * else would ask for that.
 */
static void
follow_up(void)
{
	for (int i = 0; i < FOLLOW_UPS; i++) {
		fence_full();
		if (!settings_changed())
			break;
		take_over();
	}
}

void
settings_refresh(void)
{
	session_lock();
	take_over();
	follow_up();
	session_unlock();
	calls_settle();
}

/*
 * In a fork child, what its parent's collector wanted ends with the first reader of its own, who may
 * want nothing: then no version tells.
 */
static bool
inheritance_ends(void)
{
	return load_relaxed(&leased) && load_relaxed(&session.settings_version) == 0 &&
	       load_relaxed(&session.control->version) == 0 &&
	       load_relaxed(&session.control->heartbeat) != 0;
}

void
settings_catch_up(void)
{
	if (settings_changed() || inheritance_ends())
		settings_refresh();
}

void
settings_renew(void)
{
	if (session.settings_version != 0 || settings_changed()) {
		settings_refresh();
		return;
	}
	session_lock();
	settings_use_own();
	follow_up();
	session_unlock();
}

enum level
settings_level_now(const char *event)
{
	session_lock();
	enum level level = level_of(event);
	session_unlock();
	return level;
}

enum level
settings_ask(const struct event_name *name)
{
	settings_refresh();
	enum level level = load_relaxed(&session.levels[name->id]);
	return level != LEVEL_ASK ? level : settings_level_now(name->text); /* torn: ask again */
}

/* A child of a traced process may not have been found yet. */
static bool
reader_may_come(void)
{
	return load_relaxed(&session.settings_version) == 0 &&
	       clock_ns(CLOCK_MONOTONIC_COARSE) - session.opened_ns < LEASE_NS;
}

void
settings_check_lease(void)
{
	calls_look_again();
	if (!load_relaxed(&leased) || session_reader_alive() || reader_may_come())
		return;
	session_lock();
	if (leased) { /* another thread may have been here */
		store_relaxed(&session.void_version, session.settings_version);
		store_relaxed(&session.settings_version, 0);
		settings_use_own();
		follow_up();
	}
	session_unlock();
	calls_settle();
}
