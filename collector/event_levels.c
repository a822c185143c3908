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

/* A hook watches fewer; a liar's rules and names may take their time. */
#define WATCHED_MAX 16

static void
rules_in_force(int fd, const struct segment_header *header, const struct segment_layout *at,
	       struct level_rules *rules)
{
	struct segment_control control;
	read_at(fd, at->control, &control, sizeof control);
	char *events = control.events;
	if (control.version == 0)
		memcpy(events, header->events, sizeof control.events);
	events[sizeof control.events - 1] = '\0';
	level_rules_parse(rules, events, true, NULL, 0);
}

void
event_levels_read(int fd, const struct segment_header *header, const struct segment_layout *at,
		  const struct symbols *symbols, uint8_t *levels, uint32_t n_ids)
{
	struct level_rules rules;
	unsigned n_watched = 0;
	read_at(fd, at->levels, levels, n_ids);
	for (uint32_t id = 0; id < n_ids && n_watched < WATCHED_MAX; id++) {
		const struct symbol_event *event =
			levels[id] == LEVEL_WATCH ? symbols_event(symbols, id) : NULL;
		if (event == NULL)
			continue;
		if (n_watched++ == 0)
			rules_in_force(fd, header, at, &rules);
		levels[id] = (uint8_t)level_rules_apply(&rules, event->name);
	}
}
