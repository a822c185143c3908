/* SPDX-License-Identifier: MIT */
/* unix:PATH connects to a listening stream socket; unix:@NAME to an abstract one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sink.h"

static int
unix_open(struct sink *sink, bool append, char *why, size_t why_bytes)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(sink->target);
	(void)append;
	if (n >= sizeof address.sun_path) {
		snprintf(why, why_bytes, "the socket path is longer than %zu bytes",
			 sizeof address.sun_path - 1);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, sink->target, n);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	sink->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (sink->fd >= 0 && connect(sink->fd, (struct sockaddr *)&address, length) == 0)
		return 0;
	int err = -errno;
	snprintf(why, why_bytes, "cannot connect to %.200s: %s", sink->spec, strerror(-err));
	if (sink->fd >= 0)
		close(sink->fd);
	return err;
}

static int
unix_close(struct sink *sink, char *why, size_t why_bytes)
{
	(void)why, (void)why_bytes;
	close(sink->fd);
	return 0;
}

const struct sink_kind sink_unix = {
	.prefix = "unix:", .open = unix_open, .close = unix_close,
};
