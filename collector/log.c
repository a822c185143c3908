/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"
#include "safe.h"

static enum log_level wanted = LOG_NORMAL;

void
log_set_level(enum log_level level)
{
	wanted = level;
}

/* A '?' for each byte of what could move the cursor, turn the text, or is no text. */
static void
make_safe(uint8_t *text, size_t n)
{
	for (size_t i = 0, step; i < n; i += step) {
		step = utf8_length(text + i, n - i);
		bool control = text[i] < 0x20 || text[i] == 0x7f ||
			       (step == 2 && text[i] == 0xc2 && text[i + 1] < 0xa0);
		if (step > 0 && !control && safe_mark(text + i, n - i) == 0)
			continue;
		step = step > 0 ? step : 1;
		memset(text + i, '?', step);
	}
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
	make_safe((uint8_t *)line + prefix, length - prefix);
	line[length++] = '\n';
	/* Nowhere to report that stderr is gone. */
	if (write(STDERR_FILENO, line, length) < 0) {
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
