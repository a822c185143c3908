/* SPDX-License-Identifier: MIT */
/* Descriptors that were open when we came: fd:N; `-` (stdout) is one. Never closed by us. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sink.h"

static int
stream_open(struct sink *sink, bool append, char *why, size_t why_bytes)
{
	(void)append;
	const char *number = sink->target;
	char *end;
	long fd = strtol(number, &end, 10);
	if (end == number || *end != '\0' || fd < 0 || fd > 1 << 20) {
		snprintf(why, why_bytes, "fd:%s is no file descriptor", number);
		return -EINVAL;
	}
	int flags = fcntl((int)fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
		snprintf(why, why_bytes, "file descriptor %ld is not open for writing", fd);
		return -EBADF;
	}
	sink->fd = (int)fd;
	return 0;
}

const struct sink_kind sink_stream = {.prefix = "fd:", .open = stream_open};
