/* SPDX-License-Identifier: MIT */
/*
 * A file. Created readable by its owner only: what it holds (command lines, paths) need not
 * be everybody's. Always written at its end, so that logrotate may truncate or move it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

static int
file_open(struct sink *sink, bool append, char *why, size_t why_bytes)
{
	return open_path(sink->target, append ? 0 : O_TRUNC, &sink->fd, why, why_bytes);
}

/* After logrotate: the old file, if it still has the name, is gone on with. */
static int
file_reopen(struct sink *sink, char *why, size_t why_bytes)
{
	int fd;
	int err = open_path(sink->target, 0, &fd, why, why_bytes);
	if (err < 0)
		return err; /* keep the one we have */
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
