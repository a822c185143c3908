/* SPDX-License-Identifier: MIT */
#include "event_levels.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "levels.h"

/* What cannot be read is zero: a truncated object gives no more. */
static void
read_at(int fd, uint64_t offset, void *to, size_t n)
{
	ssize_t got = pread(fd, to, n, (off_t)offset);
	size_t filled = got > 0 ? (size_t)got : 0;
	memset((uint8_t *)to + filled, 0, n - filled);
}

/* A hook watches fewer, and programs raise fewer; a liar's rules and names may take their time. */
#define WATCHED_MAX 16
#define ASKED_MAX 512

/* The list in force, and whether it is the program's own though a collector has set it. */
static bool
rules_in_force(int fd, const struct segment_header *header, const struct segment_layout *at,
	       struct level_rules *rules)
{
	struct segment_control control;
	read_at(fd, at->control, &control, sizeof control);
	char *events = control.events;
	bool same = control.version != 0 &&
		    strncmp(events, header->events, sizeof control.events) == 0;
	if (control.version == 0)
		memcpy(events, header->events, sizeof control.events);
	events[sizeof control.events - 1] = '\0';
	level_rules_parse(rules, events, true, NULL, 0);
	return same;
}

void
event_levels_read(int fd, const struct segment_header *header, const struct segment_layout *at,
		  const struct symbols *symbols, uint8_t *levels, uint32_t n_ids)
{
	struct level_rules rules;
	unsigned n_watched = 0, n_asked = 0;
	bool same = rules_in_force(fd, header, at, &rules);
	read_at(fd, at->levels, levels, n_ids);
	for (uint32_t id = 0; id < n_ids; id++) {
		bool watched = levels[id] == LEVEL_WATCH && n_watched < WATCHED_MAX;
		bool asked = levels[id] == LEVEL_ASK && same && n_asked < ASKED_MAX;
		const struct symbol_event *event = watched || asked ? symbols_event(symbols, id) : NULL;
		if (event == NULL)
			continue;
		n_watched += watched;
		n_asked += asked;
		levels[id] = (uint8_t)level_rules_apply(&rules, event->name);
	}
}
