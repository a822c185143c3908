/* SPDX-License-Identifier: MIT */
/*
 * The three lines above a view: what all processes do together, the last minute, and where somebody
 * is. Of each there is a short form for a terminal that is too narrow: what was chosen is always
 * seen.
 */
#ifndef COLLECTOR_TOP_HEAD_H
#define COLLECTOR_TOP_HEAD_H

#include <stdbool.h>

#include "browse.h"
#include "history.h"

/* Each appends a line without its end; what does not fit `width` characters all the same is cut. */
void head_figures(const struct report *report, size_t width, struct line *out);
void head_history(const struct browse *browse, const struct report *report,
		  const struct history *history, bool utf8, size_t width, struct line *out);
void head_place(const struct browse *browse, size_t width, struct line *out);

#endif
