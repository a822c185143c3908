/* SPDX-License-Identifier: MIT */
/*
 * A sink takes whole lines, many at a time, and writes them at once: the caller collects
 * them (outputs.h). A new kind is one file and one line in the list of sink.c.
 */
#ifndef COLLECTOR_SINK_H
#define COLLECTOR_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sink;

/* All return 0 or -errno with `why` a sentence. reopen and close may be NULL. */
struct sink_kind {
	const char *prefix; /* of the SINK argument; "": any other */
	int (*open)(struct sink *sink, bool append, char *why, size_t why_bytes);
	int (*reopen)(struct sink *sink, char *why, size_t why_bytes);
	/* After the last write. The descriptor, when it is ours, is closed by it. */
	int (*close)(struct sink *sink, char *why, size_t why_bytes);
};

struct sink {
	const struct sink_kind *kind;
	const char *spec;   /* as it was given */
	const char *target; /* what stands behind the prefix */
	int fd;
	pid_t program;      /* sink_program: to be waited for, unless: */
	bool failed;        /* what it has not taken, it will not get */
	uint64_t waited_ns; /* for it, since we were told to leave */
};

extern const struct sink_kind sink_stream, sink_file, sink_unix, sink_program;

#define SINK_STDOUT "-"
#define SINK_STDERR "fd:2"

/* Is it one that somebody else opened? They are to be opened first: others get numbers. */
bool sink_is_stream(const char *spec);

/* `spec` must outlive the sink. On failure there is nothing to close. */
int sink_open(struct sink *sink, const char *spec, bool append, char *why, size_t why_bytes);

/*
 * Write lines[0..n), whole lines. A regular file that fills the disk is cut back to its last whole
 * line. 0, or -errno: -EPIPE when the reader is gone, -ETIMEDOUT when we were told to leave and the
 * reader took nothing for a second, or had us wait for 20, or we were told so twice. Then *n_lost
 * lines were not written.
 */
int sink_write(struct sink *sink, const char *lines, size_t n, size_t *n_lost);

int sink_reopen(struct sink *sink, char *why, size_t why_bytes);
int sink_close(struct sink *sink, char *why, size_t why_bytes);

#endif
