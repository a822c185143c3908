/* SPDX-License-Identifier: MIT */
/*
 * A file. Created readable by its owner only: what it holds (command lines, paths) need not
 * be everybody's. Always written at its end, so that logrotate may truncate or move it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink.h"

static int
open_path(const char *path, int flags, int *fd, char *why, size_t why_bytes)
{
	*fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0600);
	if (*fd >= 0)
		return 0;
	int err = -errno;
	snprintf(why, why_bytes, "cannot write to %.300s: %s", path, strerror(-err));
	return err;
}

/* A line that was cut, when the machine went down maybe, is not to spoil our first one. */
static void
end_line(int fd)
{
	char path[40], last = '\n';
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int reading = open(path, O_RDONLY | O_CLOEXEC);
	if (reading < 0)
		return;
	if (pread(reading, &last, 1, st.st_size - 1) == 1 && last != '\n' && write(fd, "\n", 1) < 0) {
		/* Then so does the next write, which tells. */
	}
	close(reading);
}

static int
file_open(struct sink *sink, bool append, char *why, size_t why_bytes)
{
	int err = open_path(sink->target, append ? 0 : O_TRUNC, &sink->fd, why, why_bytes);
	if (err == 0 && append)
		end_line(sink->fd);
	return err;
}

/*
 * After logrotate: the old file, if it still has the name, is gone on with. No FIFO is waited for.
 */
static int
file_reopen(struct sink *sink, char *why, size_t why_bytes)
{
	int fd;
	int err = open_path(sink->target, O_NONBLOCK, &fd, why, why_bytes);
	if (err < 0)
		return err; /* keep the one we have */
	fcntl(fd, F_SETFL, O_APPEND);
	close(sink->fd);
	sink->fd = fd;
	return 0;
}

static int
file_close(struct sink *sink, char *why, size_t why_bytes)
{
	if (close(sink->fd) == 0 || errno == EINTR)
		return 0;
	int err = -errno; /* NFS and quotas tell only now */
	snprintf(why, why_bytes, "writing to %.300s: %s", sink->target, strerror(-err));
	return err;
}

const struct sink_kind sink_file = {
	.prefix = "",
	.open = file_open,
	.reopen = file_reopen,
	.close = file_close,
};
