/* SPDX-License-Identifier: MIT */
#include "wishes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event_table.h"
#include "line.h"

void
wishes_fini(struct wishes *wishes)
{
	for (size_t i = 0; i < wishes->n; i++)
		free(wishes->items[i].event);
}

static size_t
find(const struct wishes *wishes, const char *event)
{
	size_t i = 0;
	while (i < wishes->n && strcmp(wishes->items[i].event, event) != 0)
		i++;
	return i;
}

int
wishes_add(struct wishes *wishes, const char *event, enum level level)
{
	size_t i = find(wishes, event);
	if (strpbrk(event, ",=") != NULL)
		return -EINVAL;
	if (i == WISHES_MOST)
		return -E2BIG;
	if (i == wishes->n) {
		char *name = strdup(event);
		if (name == NULL)
			return -ENOMEM;
		wishes->items[wishes->n++].event = name;
	}
	wishes->items[i].level = level;
	return 0;
}

enum level
wishes_level(const struct wishes *wishes, const char *event)
{
	size_t i = find(wishes, event);
	return i < wishes->n ? wishes->items[i].level : LEVEL_UNDEFINED;
}

/* ---- as -e has it ---- */

static const char *
level_word(enum level level)
{
	return level == LEVEL_OFF ? "off" : level == LEVEL_COUNT ? "count" : "record";
}

/* A name, and not a pattern. */
static void
put_name(struct line *list, const char *event)
{
	if (event_info_find(event) == NULL)
		line_literal(list, "custom:");
	for (; *event != '\0'; event++) {
		if (strchr("*?[\\", *event) != NULL)
			line_char(list, '\\');
		line_char(list, *event);
	}
}

/* What the program has itself, and then what is wished: the last word decides. */
static void
put_list(struct line *list, const struct wishes *wishes, const struct watched *watched)
{
	const char *own = watched->header.events;
	line_bytes(list, own, strnlen(own, sizeof watched->header.events));
	for (size_t i = 0; i < wishes->n; i++) {
		if (list->len > 0)
			line_char(list, ',');
		put_name(list, wishes->items[i].event);
		line_char(list, '=');
		line_string(list, level_word(wishes->items[i].level));
	}
	line_char(list, '\0');
}

bool
wishes_tell(const struct wishes *wishes, struct watched *watched)
{
	struct line list = {0};
	if (watched->tracee == NULL || wishes->n == 0)
		return false;
	put_list(&list, wishes, watched);
	bool fits = !list.failed && list.len <= LEVELS_TEXT_BYTES;
	if (fits) {
		const struct settings settings = {.events = list.text, .stack = -1};
		tracee_ask(watched->tracee, &settings);
	}
	line_fini(&list);
	return fits;
}
