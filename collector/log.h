/* SPDX-License-Identifier: MIT */
/* What the collector says on stderr: one line per problem, `auditd-collect: ...`. */
#ifndef COLLECTOR_LOG_H
#define COLLECTOR_LOG_H

enum log_level {
	LOG_QUIET,   /* failures only */
	LOG_NORMAL,
	LOG_VERBOSE,
};

void log_set_level(enum log_level level);

/* Hand lines, without their beginning, to `take` instead; NULL: to stderr again. */
typedef void (*log_fn)(void *context, const char *line);
void log_divert(log_fn take, void *context);

/*
 * Each writes one whole line with one write(2). Control characters, also of C1, bytes that are
 * no UTF-8 and marks that turn the direction of text may come from a traced program's name:
 * they are shown as '?'. errno is left as it was.
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));    /* not with -q */
void log_verbose(const char *format, ...) __attribute__((format(printf, 1, 2))); /* with -v */

#endif
