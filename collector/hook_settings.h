/* SPDX-License-Identifier: MIT */
/* What a collector wants of the hook. Parts that are not given stay as the program has them. */
#ifndef COLLECTOR_HOOK_SETTINGS_H
#define COLLECTOR_HOOK_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segment.h"

/* "", NULL and -1: not given. */
struct settings {
	const char *events;   /* -e, checked already */
	const char *reveal;   /* "EVENT.ARG,EVENT.ARG" */
	int stack;            /* frames */
	const struct call_settings *calls;
	bool gives_way;       /* to whoever else comes; one that does so is not asked to leave */
};

/* Of enum setting_part. */
static inline uint32_t
settings_given(const struct settings *settings)
{
	uint32_t given = 0;
	if (settings->events != NULL && settings->events[0] != '\0')
		given |= SETTING_EVENTS;
	if (settings->reveal != NULL && settings->reveal[0] != '\0')
		given |= SETTING_REVEAL;
	if (settings->stack >= 0)
		given |= SETTING_STACK;
	if (settings->calls != NULL)
		given |= SETTING_CALLS;
	return given;
}

#endif
