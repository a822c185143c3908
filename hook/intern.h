/* SPDX-License-Identifier: MIT */
/*
 * Event names to ids. A name is found by its address first, but believed only when the text
 * is the same: names made at run time reuse addresses all the time.
 */
#ifndef HOOK_INTERN_H
#define HOOK_INTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "barrier.h"
#include "event_table.h"
#include "same_text.h"

struct event_name {
	char *text;                    /* NUL-terminated, readable 8 bytes further */
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
 * names. Safe from any thread; only those of the main interpreter may `cache` what they found.
 */
const struct event_name *intern_slow(const char *text, bool cache);

/* Let the address be looked up again next time. */
void intern_forget(const char *text);

extern struct intern_cache_line intern_cache[INTERN_CACHE];

static inline struct intern_cache_line *
intern_line(const char *text)
{
	uintptr_t address = (uintptr_t)text;
	return &intern_cache[(address ^ address >> 8) / 2 % INTERN_CACHE];
}

/*
 * The same by its address alone; NULL: ask intern_slow(), also for a text at the end of its page.
 * Safe from any thread, and without the GIL: name and address may be of different moments, but
 * entries live for ever, and the text is compared. The caller checks that the id has a level in
 * this segment. It calls nothing.
 */
static inline const struct event_name *
intern_cached(const char *text)
{
	const struct intern_cache_line *line = intern_line(text);
	if (unlikely(load_acquire(&line->address) != text)) /* (A) */
		return NULL;
	const struct event_name *name = load_relaxed(&line->name);
	bool same = text_in_page(text, name->len) &&
		    likely(same_text_in_page(name->text, name->len, text));
	return same ? name : NULL;
}

/* Wherever it lies. */
static inline const struct event_name *
intern_cached_anywhere(const char *text)
{
	const struct intern_cache_line *line = intern_line(text);
	const struct event_name *name =
		load_acquire(&line->address) == text ? load_relaxed(&line->name) : NULL;
	return name != NULL && strcmp(name->text, text) == 0 ? name : NULL;
}

/* For an event without an entry: what CPython's own table says of it, secrets above all. */
void intern_nameless(struct event_name *name, const char *text);

/* Settings changed: levels and secrets of all names anew. */
void intern_apply_settings(void);

#endif
