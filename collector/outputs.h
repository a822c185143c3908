/* SPDX-License-Identifier: MIT */
/*
 * Where the lines go: the sinks that were asked for, each fed by one channel (the same lines
 * as JSON or as text). A sink that fails is told on stderr and given up; the others go on.
 */
#ifndef COLLECTOR_OUTPUTS_H
#define COLLECTOR_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

enum channel {
	CHANNEL_JSON,
	CHANNEL_TEXT,
	N_CHANNELS
};

struct outputs;

/*
 * Open the sinks of the options; with none, stdout, or stderr when there is a command; with
 * --summary-only none at all. 0 or -errno with `why` a sentence.
 */
int outputs_open(struct outputs **outputs, const struct options *options, char *why,
		 size_t why_bytes);

/* Some sink takes this channel. */
bool outputs_wants(const struct outputs *outputs, enum channel channel);

/* Whole lines, written at once, behind what outputs_collect() holds. */
void outputs_write(struct outputs *outputs, enum channel channel, const char *lines, size_t n);

/* A line that may wait for outputs_flush(), or for 64 KiB of its kind. */
void outputs_collect(struct outputs *outputs, enum channel channel, const char *line, size_t n);
void outputs_flush(struct outputs *outputs);

/* SIGHUP. False: there is nothing to be opened again, all are descriptors that we were given. */
bool outputs_reopen(struct outputs *outputs);

/* Sinks were asked for, and none is left. */
bool outputs_gone(const struct outputs *outputs);

/* A sink failed. The reader of our stdout leaving, as `head` does, is no failure. */
bool outputs_failed(const struct outputs *outputs);

/* Some sink took all that there was so far, or none was asked for: it need not be read again. */
bool outputs_through(const struct outputs *outputs);

/* Flush, close, wait for programs. Both are final then, outputs_free() remains. */
void outputs_close(struct outputs *outputs);
void outputs_free(struct outputs *outputs);

#endif
