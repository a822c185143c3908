/* SPDX-License-Identifier: MIT */
/* Paths as text. */
#ifndef COLLECTOR_PATH_H
#define COLLECTOR_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Join `path` of n bytes to `cwd` (may be NULL) and resolve "." and ".." and doubled slashes, as text:
 * the file system of the process is not ours, and what it was then is gone. False: too long.
 */
bool path_resolve(char *to, size_t room, const char *path, size_t n, const char *cwd);

#endif
