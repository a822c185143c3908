/* SPDX-License-Identifier: MIT */
#include "intern.h"

#include <stdlib.h>

#include "define.h"
#include "session.h"
#include "settings.h"

#define TABLE_SIZE 8192           /* open addressing; at most half full */
#define NAMES_MAX (TABLE_SIZE / 2) /* of a program's own; CPython's always find room */
#define NAME_MAX_BYTES 1024       /* longer ones are not worth an id */

struct intern_cache_line intern_cache[INTERN_CACHE];
static struct event_name *table[TABLE_SIZE];
static unsigned n_names;

static uint64_t
hash_text(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

/* The place of a name in the table: its entry, or the empty one where it belongs. */
static struct event_name **
find(const char *text, size_t len)
{
	for (uint64_t at = hash_text(text, len);; at++) {
		struct event_name **place = &table[at % TABLE_SIZE];
		struct event_name *name = load_acquire(place);
		if (name == NULL || (name->len == len && memcmp(name->text, text, len) == 0))
			return place;
	}
}

static struct event_name *
new_name(const char *text, size_t len)
{
	const struct event_info *info = event_info_find(text);
	if (n_names >= NAMES_MAX && info == NULL)
		return NULL;
	struct event_name *name = calloc(1, sizeof *name + len + 1 + 8);
	uint32_t id = name != NULL ? define_new_id() : 0;
	if (id == 0) {
		free(name);
		return NULL;
	}
	name->id = id;
	name->len = (uint32_t)len;
	name->text = memcpy(name + 1, text, len + 1);
	name->info = info;
	name->secrets = settings_secrets(name->text, name->info);
	n_names++;
	return name;
}

void
intern_nameless(struct event_name *name, const char *text)
{
	*name = (struct event_name){.info = event_info_find(text)};
	session_lock();
	name->secrets = settings_secrets(text, name->info);
	session_unlock();
}

const struct event_name *
intern_slow(const char *text, bool cache)
{
	size_t len = strlen(text);
	if (len > NAME_MAX_BYTES)
		return NULL;
	struct event_name *name = load_acquire(find(text, len));
	if (name == NULL || !define_done(name->id)) {
		/* Its level must be what the collector wants now, not when it last asked. */
		settings_catch_up();
		session_lock();
		struct event_name **place = find(text, len);
		if (*place == NULL)
			store_release(place, new_name(text, len));
		name = *place;
		if (name != NULL && !define_done(name->id)) {
			struct def_part part = {name->text, name->len};
			if (!define_locked(name->id, DEF_EVENT, &part, 1,
					   settings_stored_level(name->text)))
				name = NULL;
		}
		session_unlock();
		/*
		 * Or the collector, which marks the levels of the names it finds, finds this one.
		 */
		fence_full();
		settings_catch_up();
	}
	if (name != NULL && cache) {
		struct intern_cache_line *line = intern_line(text);
		store_relaxed(&line->name, name);
		store_release(&line->address, text); /* pairs with A: an address has a name */
	}
	return name;
}

void
intern_forget(const char *text)
{
	store_relaxed(&intern_line(text)->address, NULL);
}

void
intern_apply_settings(void)
{
	for (unsigned i = 0; i < TABLE_SIZE; i++) {
		struct event_name *name = load_acquire(&table[i]);
		if (name == NULL)
			continue;
		store_relaxed(&name->secrets, settings_secrets(name->text, name->info));
		if (define_done(name->id))
			store_release(&session.levels[name->id],
				      (uint8_t)settings_stored_level(name->text));
	}
}
