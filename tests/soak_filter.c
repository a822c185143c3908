/* SPDX-License-Identifier: MIT */
/*
 * Between the collector and tests/soak, which is too slow to read a million lines a second: lines
 * of the flood are left out, but for the first; before each other line stands how many they were
 * and how many bytes, {"type":"flooded","n":N,"bytes":N}.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char flood[] = "\"event\":\"soak.flood\"";
static char buffer[1 << 20];

static bool
write_all(const char *at, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDOUT_FILENO, at, n);
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static unsigned long flooded, flooded_bytes; /* since the last line that was passed on */

static bool
pass(const char *line, size_t n)
{
	char said[100];
	int len = snprintf(said, sizeof said, "{\"type\":\"flooded\",\"n\":%lu,\"bytes\":%lu}\n", flooded,
			   flooded_bytes);
	if (flooded > 0 && !write_all(said, (size_t)len))
		return false;
	flooded = flooded_bytes = 0;
	return write_all(line, n);
}

int
main(void)
{
	size_t held = 0;
	ssize_t got;
	bool first = true;
	while ((got = read(STDIN_FILENO, buffer + held, sizeof buffer - held)) > 0) {
		char *at = buffer, *end = buffer + held + got, *newline;
		while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
			size_t n = (size_t)(newline + 1 - at);
			bool of_flood = memmem(at, n, flood, sizeof flood - 1) != NULL;
			if (of_flood && !first) {
				flooded++;
				flooded_bytes += n;
			} else if (!pass(at, n)) {
				return 1;
			}
			first = first && !of_flood;
			at = newline + 1;
		}
		held = (size_t)(end - at);
		memmove(buffer, at, held);
	}
	return held > 0 && !write_all(buffer, held); /* a line that is cut is noticed there */
}
