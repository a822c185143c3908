/* SPDX-License-Identifier: MIT */
#include "path.h"

#include <string.h>

bool
path_resolve(char *to, size_t room, const char *path, size_t n, const char *cwd)
{
	size_t len = 0;
	bool rooted = false;
	for (int part = n > 0 && path[0] == '/' ? 1 : 0; part < 2; part++) {
		const char *from = part == 0 ? (cwd != NULL ? cwd : "") : path;
		const char *end = from + (part == 0 ? strlen(from) : n);
		if (len == 0 && from < end && *from == '/')
			rooted = true;
		while (from < end) {
			const char *slash = memchr(from, '/', (size_t)(end - from));
			size_t step = (size_t)((slash != NULL ? slash : end) - from);
			bool parent = step == 2 && from[0] == '.' && from[1] == '.';
			if (parent && (rooted || len > 0)) {
				while (len > 0 && to[--len] != '/')
					;
			} else if (step > 0 && !(step == 1 && from[0] == '.')) {
				if (len + step + 2 > room)
					return false;
				if (len > 0 || rooted)
					to[len++] = '/';
				memcpy(to + len, from, step);
				len += step;
			}
			from += step + (slash != NULL);
		}
	}
	if (len == 0)
		to[len++] = rooted ? '/' : '.';
	to[len] = '\0';
	return true;
}
