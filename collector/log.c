/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"
#include "safe.h"

#define PATIENCE_MS 200 /* with who reads our standard error, until he has missed something */

static enum log_level wanted = LOG_NORMAL;
static unsigned n_unsaid;

static log_fn take;
static void *take_context;

void
log_divert(log_fn fn, void *context)
{
	take = fn;
	take_context = context;
}

void
log_set_level(enum log_level level)
{
	wanted = level;
}

/* A paused pager must not stop us. */
static bool
takes_more(void)
{
	struct pollfd poller = {.fd = STDERR_FILENO, .events = POLLOUT};
	int n = poll(&poller, 1, n_unsaid == 0 ? PATIENCE_MS : 0);
	return n > 0 || (n < 0 && errno != EINTR);
}

/* Nowhere to report that stderr is gone. */
static void
put(const char *line, size_t n)
{
	if (write(STDERR_FILENO, line, n) < 0) {
	}
}

static void
put_unsaid(void)
{
	char line[80];
	int n = snprintf(line, sizeof line, "auditd-collect: (%u lines were left out here)\n", n_unsaid);
	if (n_unsaid > 0)
		put(line, (size_t)n);
	n_unsaid = 0;
}

static void
say(const char *format, va_list arguments)
{
	int kept = errno;
	char line[2048] = "auditd-collect: ";
	size_t prefix = strlen(line);
	size_t room = sizeof line - prefix - 1;
	int n = vsnprintf(line + prefix, room, format, arguments);
	size_t length = prefix + (n < 0 ? 0 : (size_t)n >= room ? room - 1 : (size_t)n);
	safe_text((uint8_t *)line + prefix, length - prefix);
	if (take != NULL) {
		line[length] = '\0';
		take(take_context, line + prefix);
		errno = kept;
		return;
	}
	line[length++] = '\n';
	if (takes_more()) {
		put_unsaid();
		put(line, length);
	} else {
		n_unsaid++;
	}
	errno = kept;
}

#define SAY(level) \
	do { \
		if (wanted < (level)) \
			return; \
		va_list arguments; \
		va_start(arguments, format); \
		say(format, arguments); \
		va_end(arguments); \
	} while (0)

void
log_error(const char *format, ...)
{
	SAY(LOG_QUIET);
}

void
log_note(const char *format, ...)
{
	SAY(LOG_NORMAL);
}

void
log_verbose(const char *format, ...)
{
	SAY(LOG_VERBOSE);
}
