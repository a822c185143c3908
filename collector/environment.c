/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include <stddef.h>
#include <string.h>
#include <sys/types.h>

#include "proc.h"

static char texts[128 << 10]; /* each ends with NUL */
static size_t n_bytes;

void
environment_read(int proc)
{
	ssize_t n = proc_read(proc, "environ", texts, sizeof texts);
	n_bytes = n > 0 ? (size_t)n : 0;
}

const char *
environment_get(const char *begins)
{
	size_t len = strlen(begins);
	for (const char *at = texts; at < texts + n_bytes; at += strlen(at) + 1)
		if (strncmp(at, begins, len) == 0)
			return at + len;
	return NULL;
}
