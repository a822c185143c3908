/* SPDX-License-Identifier: MIT */
#include "lease.h"

#include <stdio.h>
#include <unistd.h>

#include "barrier.h"
#include "clock.h"

/* Never one that was there before: the hook may remember a lease that ran out by its number. */
static uint64_t
new_version(void)
{
	return (clock_ns(CLOCK_REALTIME) | 1) + 1;
}

static void
publish_calls(struct segment_control *control, const struct segment_header *header,
	      const struct call_settings *calls)
{
	if (calls == NULL)
		calls = &header->calls;
	store_relaxed(&control->calls.level, calls->level);
	store_relaxed(&control->calls.backend, calls->backend);
	store_relaxed(&control->calls.no_c, calls->no_c);
	store_relaxed(&control->calls.max_depth, calls->max_depth);
	snprintf(control->calls.match, sizeof control->calls.match, "%s", calls->match);
	snprintf(control->calls.files, sizeof control->calls.files, "%s", calls->files);
}

/* Parts that are not given stay the program's own. */
static bool
publish(struct segment_control *control, const struct segment_header *header,
	const struct settings *settings)
{
	uint32_t given = settings_given(settings);
	if (given == 0) {
		bool was_given = load_relaxed(&control->version) != 0;
		store_release(&control->version, 0);
		return was_given;
	}
	const char *events = given & SETTING_EVENTS ? settings->events : header->events;
	const char *reveal = given & SETTING_REVEAL ? settings->reveal : header->reveal;
	uint64_t version = new_version();
	store_relaxed(&control->version, version - 1); /* odd: being written */
	fence_release();
	snprintf(control->events, sizeof control->events, "%s", events);
	snprintf(control->reveal, sizeof control->reveal, "%s", reveal);
	store_relaxed(&control->stack,
		      given & SETTING_STACK ? (uint32_t)settings->stack : header->stack);
	publish_calls(control, header, settings->calls);
	store_relaxed(&control->own, SETTING_ALL & ~given);
	store_release(&control->version, version);
	return true;
}

bool
lease_begin(struct segment_control *control, const struct segment_header *header,
	    const struct settings *settings)
{
	store_relaxed(&control->reader_pid, (uint32_t)getpid());
	store_relaxed(&control->gives_way, 0);
	store_relaxed(&control->asked, 0);
	bool changed = publish(control, header, settings);
	lease_renew(control, false);
	return changed;
}

bool
lease_change(struct segment_control *control, const struct segment_header *header,
	     const struct settings *settings)
{
	return publish(control, header, settings);
}

bool
lease_renew(struct segment_control *control, bool late)
{
	uint64_t next = load_relaxed(&control->heartbeat) + 1;
	store_release(&control->heartbeat, next != 0 ? next : 1);
	if (!late || load_relaxed(&control->version) == 0)
		return false;
	store_release(&control->version, new_version()); /* the same settings, a new lease */
	return true;
}

bool
lease_end(struct segment_control *control)
{
	bool was_given = load_relaxed(&control->version) != 0;
	store_release(&control->version, 0);
	store_relaxed(&control->reader_pid, 0);
	store_relaxed(&control->was_read, 1);
	store_release(&control->heartbeat, 0);
	return was_given;
}

void
lease_mark(uint8_t *levels, struct symbols *symbols)
{
	fence_full(); /* what is defined after this has seen the new version */
	symbols_refresh(symbols);
	for (uint32_t id = 0; id < symbols_end(symbols); id++)
		if (symbols_event(symbols, id) != NULL)
			store_relaxed(&levels[id], LEVEL_ASK);
}
