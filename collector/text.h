/* SPDX-License-Identifier: MIT */
/*
 * Lines for people, in opensnoop's columns:
 *
 *	TIME            PID/TID          EVENT             DETAILS  AT
 *	15:00:01.123456 1234/1236        open              /etc/passwd mode="r"  load app.py:32
 *	15:00:01.123460 1234/1236        call                fetch app.py:7
 *	15:00:01.123999 1234/1236        return              fetch 539.2 us
 *
 * Calls that are open stand to the left of those that they made.
 *
 * Nothing here can move the cursor of a terminal: control characters (also of C1, and those
 * that turn the direction of text) are shown escaped. Ownership of `out` as in json.h.
 */
#ifndef COLLECTOR_TEXT_H
#define COLLECTOR_TEXT_H

#include "encode.h"
#include "event.h"
#include "line.h"
#include "tracee.h"

struct text {
	struct line out;
	struct line plain; /* one value, on its way */
	struct encoder encoder;
	struct line_clock clock;
	bool redact;
};

void text_init(struct text *text, bool redact);
void text_fini(struct text *text);

/* The line above all others. */
int text_header(struct text *text);

/* 0 or -ENOMEM; so do all below. */
int text_event(struct text *text, uint32_t pid, const struct event *event);
int text_function(struct text *text, uint32_t pid, uint64_t time_ns,
		  const struct function *function, const struct function_sums *sums);
int text_start(struct text *text, uint64_t time_ns, const struct identity *identity,
	       unsigned coverage);
/* `status` as of waitpid, -1: not known. */
int text_exit(struct text *text, uint32_t pid, uint64_t time_ns, const char *how, int status,
	      const struct account *account);
int text_notice(struct text *text, uint32_t pid, uint64_t time_ns, const char *what,
		const char *detail);

#endif
