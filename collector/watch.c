/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.h"

#define TRIES 10

static void
name_it(char name[64])
{
	snprintf(name, 64, SEGMENT_WATCH_PREFIX "%u", (unsigned)geteuid());
}

/* Another collector may have removed the name between our open and our lock. */
static bool
has_name(int dir, const char *name, int fd)
{
	struct stat here, there;
	return fstat(fd, &here) == 0 && fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino && here.st_uid == geteuid();
}

int
watch_begin(int dir)
{
	char name[64];
	name_it(name);
	for (int i = 0; i < TRIES; i++) {
		int fd = openat(dir, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				0644);
		if (fd < 0)
			return -errno;
		/* Hooks hold the other kind of lock, for an instant. */
		if (flock(fd, LOCK_SH) == 0 && has_name(dir, name, fd) && fchmod(fd, 0644) == 0)
			return fd;
		close(fd);
	}
	return -EAGAIN;
}

void
watch_end(int dir, int fd)
{
	char name[64];
	if (fd < 0)
		return;
	name_it(name);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && has_name(dir, name, fd))
		unlinkat(dir, name, 0);
	close(fd);
}
