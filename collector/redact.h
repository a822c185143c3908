/* SPDX-License-Identifier: MIT */
/*
 * Passwords in command lines and URLs, replaced by [redacted]:
 *
 *	--password=X   --api-key X   PGPASSWORD=X   ?token=X&   "client_secret": "X"
 *	Authorization: Bearer X      https://user:X@host/      user:X@host
 *
 * A name is secret when it ends in one of the words of redact.c, letters compared without
 * case, '-' like '_'. The value ends where the syntax around it says so: a whole argv element
 * is value to its end; inside other text it ends with its quotes, or at a blank, a quote, & or ;
 * and that of a header of several words (Authorization, Cookie) with the line. Where that is not
 * clear, rather more is replaced. This finds what is written as name and value; a secret without a
 * name looks like any text.
 */
#ifndef COLLECTOR_REDACT_H
#define COLLECTOR_REDACT_H

#include "line.h"

#define REDACTED "[redacted]"

/*
 * Write text with its secrets replaced to `out` (emptied first); false, and out not to be
 * used, when there is none. `element`: the text is one element of a list, as of an argv.
 */
bool redact_text(struct line *out, const uint8_t *text, size_t n, bool element);

/* An option that takes its secret as the next element of argv: "--password". */
bool redact_wants_next(const uint8_t *text, size_t n);

/* The name of a secret: "password", "API_KEY"; a key of a dict. */
bool redact_is_name(const uint8_t *text, size_t n);

#endif
