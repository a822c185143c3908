/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.h"

#define TRIES 10
#define WATCHERS_MAX 64

static void
name_it(char name[64])
{
	snprintf(name, 64, SEGMENT_WATCH_PREFIX "%u", (unsigned)geteuid());
}

static bool
is_ours(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
}

/* Another collector may have removed the name between our open and our lock. */
static bool
has_name(int dir, const char *name, int fd)
{
	struct stat here, there;
	return fstat(fd, &here) == 0 && fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino;
}

/* A byte that no other collector of our user has. */
static bool
lock_one(int fd)
{
	for (int i = 0; i < WATCHERS_MAX; i++) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1};
		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			return true;
	}
	return false;
}

/* Nobody else can open it for reading before it is locked. */
static int
make(int dir, const char *name)
{
	return openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

int
watch_begin(int dir)
{
	char name[64];
	name_it(name);
	for (int i = 0; i < TRIES; i++) {
		int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			fd = make(dir, name);
		bool usable = fd >= 0 && is_ours(fd) && lock_one(fd) && fchmod(fd, 0644) == 0;
		if (usable && has_name(dir, name, fd))
			return fd;
		if (fd >= 0)
			close(fd);
		/* It is another user's, or one holds locks on it that keep us out. */
		if (!usable && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return -EAGAIN;
}

static bool
others_watch(int fd)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}

void
watch_end(int dir, int fd)
{
	char name[64];
	if (fd < 0)
		return;
	name_it(name);
	if (!others_watch(fd) && has_name(dir, name, fd))
		unlinkat(dir, name, 0);
	close(fd);
}
