/* SPDX-License-Identifier: MIT */
#include "sink.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "pulse.h"
#include "signals.h"

/* While we want to leave, for one write; and for all, unless we are told so again. */
#define PATIENCE_NS 1000000000u
#define PATIENCE_ALL_NS 20000000000u

/* The first whose prefix fits; the last one takes the rest. */
static const struct sink_kind *const kinds[] = {
	&sink_unix, &sink_program, &sink_stream, &sink_file,
};

/* *target: what stands behind the prefix. */
static const struct sink_kind *
kind_of(const char *spec, const char **target)
{
	size_t i = 0, n = strlen(kinds[0]->prefix);
	while (strncmp(spec, kinds[i]->prefix, n) != 0)
		n = strlen(kinds[++i]->prefix);
	*target = spec + n;
	return kinds[i];
}

bool
sink_is_stream(const char *spec)
{
	const char *target;
	return strcmp(spec, SINK_STDOUT) == 0 || kind_of(spec, &target) == &sink_stream;
}

int
sink_open(struct sink *sink, const char *spec, bool append, char *why, size_t why_bytes)
{
	if (strcmp(spec, SINK_STDOUT) == 0)
		spec = "fd:1";
	*sink = (struct sink){.spec = spec, .fd = -1};
	sink->kind = kind_of(spec, &sink->target);
	return sink->kind->open(sink, append, why, why_bytes);
}

/* Bytes at the end of a text that belong to no whole line. */
static size_t
unfinished(const char *text, size_t n)
{
	const char *newline = memrchr(text, '\n', n);
	return newline != NULL ? n - (size_t)(newline + 1 - text) : n;
}

/* Take back the half line that a full disk left, when nobody wrote behind it. */
static void
cut_back(int fd, size_t extra)
{
	struct stat st;
	off_t end = lseek(fd, 0, SEEK_CUR);
	if (extra == 0 || end < (off_t)extra || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size != end)
		return;
	if (ftruncate(fd, end - (off_t)extra) == 0)
		lseek(fd, end - (off_t)extra, SEEK_SET);
}

static size_t
count_lines(const char *text, size_t n)
{
	size_t lines = 0;
	for (const char *end = text + n; (text = memchr(text, '\n', (size_t)(end - text))); text++)
		lines++;
	return lines;
}

/* How much to write next; 0 when we are leaving and the reader does not read, or too slowly. */
static size_t
portion(struct sink *sink, size_t left)
{
	struct pollfd poller = {.fd = sink->fd, .events = POLLOUT};
	if (!signals_stopping())
		return left;
	uint64_t began_ns = clock_ns(CLOCK_MONOTONIC), here_ns, all_ns;
	bool ready, patient;
	do {
		ready = poll(&poller, 1, 100) > 0; /* the pulse interrupts it */
		here_ns = clock_ns(CLOCK_MONOTONIC) - began_ns;
		all_ns = sink->waited_ns + here_ns;
		patient = all_ns < (signals_stopping_now() ? PATIENCE_NS : PATIENCE_ALL_NS);
	} while (!ready && patient && here_ns < PATIENCE_NS);
	sink->waited_ns = all_ns;
	if (!ready || !patient)
		return 0;
	/* A pipe that polls as writable takes this much without blocking. */
	return left < 4096 ? left : 4096;
}

int
sink_write(struct sink *sink, const char *lines, size_t n, size_t *n_lost)
{
	size_t done = 0;
	int err = 0;
	*n_lost = 0;
	pulse_begin();
	while (done < n) {
		size_t next = portion(sink, n - done);
		ssize_t wrote = next > 0 ? write(sink->fd, lines + done, next) : -1;
		if (wrote >= 0) {
			done += (size_t)wrote;
		} else if (next == 0) {
			err = -ETIMEDOUT;
			break;
		} else if (errno == EAGAIN) { /* somebody made our stdout non-blocking */
			struct pollfd poller = {.fd = sink->fd, .events = POLLOUT};
			poll(&poller, 1, 1000);
		} else if (errno != EINTR) {
			err = -errno;
			break;
		}
		pulse_beat(true);
	}
	pulse_end();
	if (err == 0)
		return 0;
	size_t extra = unfinished(lines, done);
	cut_back(sink->fd, extra);
	*n_lost = count_lines(lines + done - extra, n - done + extra);
	return err;
}

int
sink_reopen(struct sink *sink, char *why, size_t why_bytes)
{
	return sink->kind->reopen != NULL ? sink->kind->reopen(sink, why, why_bytes) : 0;
}

int
sink_close(struct sink *sink, char *why, size_t why_bytes)
{
	int err = sink->kind->close != NULL ? sink->kind->close(sink, why, why_bytes) : 0;
	sink->fd = -1;
	return err;
}
