/* SPDX-License-Identifier: MIT */
#include "condemned.h"

static size_t
number(const struct condemned *condemned)
{
	return condemned->n < CONDEMNED_MAX ? condemned->n : CONDEMNED_MAX;
}

void
condemned_add(struct condemned *condemned, const struct segment_found *found, uint32_t pid)
{
	size_t i = condemned->n++ % CONDEMNED_MAX;
	condemned->items[i].dev = found->dev;
	condemned->items[i].ino = found->ino;
	condemned->items[i].pid = pid;
}

bool
condemned_has(const struct condemned *condemned, const struct segment_found *found)
{
	for (size_t i = 0; i < number(condemned); i++)
		if (condemned->items[i].dev == found->dev && condemned->items[i].ino == found->ino)
			return true;
	return false;
}

bool
condemned_has_pid(const struct condemned *condemned, uint32_t pid)
{
	for (size_t i = 0; i < number(condemned); i++)
		if (condemned->items[i].pid == pid)
			return true;
	return false;
}
