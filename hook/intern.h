/* SPDX-License-Identifier: MIT */
/*
 * Event names to ids. A name is found by its address first, but believed only when the text
 * is the same: names made at run time reuse addresses all the time.
 */
#ifndef HOOK_INTERN_H
#define HOOK_INTERN_H

#include <stdint.h>
#include <string.h>

#include "event_table.h"

struct event_name {
	char *text;
	const struct event_info *info; /* NULL: a program's own event */
	uint32_t id;
	uint32_t len;
	uint32_t secrets;              /* bit i: argument i is held back */
};

#define INTERN_CACHE 256

struct intern_cache_line {
	const char *address;
	const struct event_name *name;
};

/*
 * The entry of a name, defined in the present segment; NULL when there is no room for more
 * names. Safe from any thread.
 */
const struct event_name *intern_slow(struct intern_cache_line *line, const char *text);

extern struct intern_cache_line intern_cache[INTERN_CACHE];

/* The same for the main interpreter, whose lookups are cached by address. The caller checks
 * that the id has a level in this segment, and calls intern_slow() otherwise. */
static inline const struct event_name *
intern_event(const char *text)
{
	uintptr_t address = (uintptr_t)text;
	struct intern_cache_line *line =
		&intern_cache[(address ^ address >> 8) / 2 % INTERN_CACHE];
	if (line->address == text && strcmp(line->name->text, text) == 0)
		return line->name;
	return intern_slow(line, text);
}

/* Settings changed: levels and secrets of all names anew. */
void intern_apply_settings(void);

#endif
