/* SPDX-License-Identifier: MIT */
/* --post-mortem: what programs left that were killed, or whose interpreter was. */
#ifndef COLLECTOR_POST_MORTEM_H
#define COLLECTOR_POST_MORTEM_H

#include "options.h"
#include "roster.h"

/*
 * Attach to the segments of dead processes that were asked for: by process id, by name without a
 * slash, or "all". 0, or what to exit with, told on stderr.
 */
int post_mortem_begin(struct roster *roster, const struct string_list *what);

#endif
