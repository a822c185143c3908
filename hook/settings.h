/* SPDX-License-Identifier: MIT */
/*
 * Which settings are in force: the program's own (start(), environment), or those that a
 * collector wrote into the control region. The latter are a lease: they end when the
 * collector takes them back, or when it is found gone.
 */
#ifndef HOOK_SETTINGS_H
#define HOOK_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "event_table.h"
#include "intern.h"
#include "session.h"

/* Has the collector changed its mind? One load; then call settings_refresh(). */
static inline bool
settings_changed(void)
{
	uint64_t version = load_acquire(&session.control->version);
	return version != load_relaxed(&session.settings_version) &&
	       version != load_relaxed(&session.void_version);
}

/* Put into force what the control region says now. */
void settings_refresh(void);

/*
 * The same, if anything is new: also that what a fork child inherited ends, of which
 * settings_changed(), which each event asks, knows nothing.
 */
void settings_catch_up(void);

/* The collector has marked the level of this event: what it is now. */
enum level settings_ask(const struct event_name *name);

/* Back to the program's own settings when the collector is gone; from time to time. */
void settings_check_lease(void);

/* The program's own settings, into force. */
void settings_use_own(void);

/* They are others now: into force but for what a collector has said. */
void settings_renew(void);

/* What is to stand in the segment for an event: its level, or that it is watched. With the lock. */
enum level settings_stored_level(const char *event);
/* What the settings say of it; takes the lock. */
enum level settings_level_now(const char *event);
/* Bit i: its argument i is held back. */
uint32_t settings_secrets(const char *event, const struct event_info *info);

#endif
