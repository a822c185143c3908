/* SPDX-License-Identifier: MIT */
#include "event_table.h"

#include <string.h>

#include "event_table.inc" /* generated into the build directory */

static const char *const category_names[N_CATEGORIES] = {
#define X(name, text) [CATEGORY_##name] = text,
	CATEGORIES(X)
#undef X
};

const struct event_info *
event_info_all(size_t *n)
{
	*n = sizeof events / sizeof events[0];
	return events;
}

const struct event_info *
event_info_find(const char *name)
{
	size_t low = 0, high = sizeof events / sizeof events[0];
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(name, events[mid].name);
		if (order == 0)
			return &events[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const char *
event_alias_find(const char *documented)
{
	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
		if (strcmp(documented, aliases[i].documented) == 0)
			return aliases[i].raised;
	return NULL;
}

const struct event_alias *
event_alias_all(size_t *n)
{
	*n = sizeof aliases / sizeof aliases[0];
	return aliases;
}

const char *
category_name(enum category category)
{
	return (unsigned)category < N_CATEGORIES ? category_names[category] : "custom";
}

int
category_find(const char *name, size_t len)
{
	for (int i = 0; i < N_CATEGORIES; i++)
		if (strlen(category_names[i]) == len && memcmp(category_names[i], name, len) == 0)
			return i;
	return -1;
}
