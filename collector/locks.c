/* SPDX-License-Identifier: MIT */
#include "locks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>

int
locks_each(locks_fn fn, void *context)
{
	FILE *file = fopen("/proc/locks", "re");
	char line[256];
	if (file == NULL)
		return -errno;
	while (fgets(line, sizeof line, file) != NULL) {
		uint32_t pid;
		unsigned major_number, minor_number;
		uint64_t ino;
		/* 1: FLOCK  ADVISORY  WRITE 4711 00:1a:93 0 EOF; those that wait have a ->. */
		if (sscanf(line, "%*d: FLOCK %*s WRITE %" SCNu32 " %x:%x:%" SCNu64, &pid,
			   &major_number, &minor_number, &ino) == 4)
			fn(context, pid, makedev(major_number, minor_number), (ino_t)ino);
	}
	fclose(file);
	return 0;
}
