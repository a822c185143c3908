/* SPDX-License-Identifier: MIT */
#include "outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line.h"
#include "log.h"
#include "sink.h"

#define BATCH_BYTES (64u << 10)

struct output {
	struct sink sink;
	enum channel channel;
	bool open, failed;
};

struct outputs {
	struct output *items;
	size_t n, n_open;
	bool failed;
	struct line batches[N_CHANNELS];
};

static enum channel
channel_for(enum output_format format, int fd)
{
	if (format == FORMAT_AUTO)
		return isatty(fd) ? CHANNEL_TEXT : CHANNEL_JSON;
	return format == FORMAT_TEXT ? CHANNEL_TEXT : CHANNEL_JSON;
}

static int
open_one(struct outputs *outputs, const char *spec, const struct options *options, char *why,
	 size_t why_bytes)
{
	struct output *output = &outputs->items[outputs->n];
	int err = sink_open(&output->sink, spec, options->append, why, why_bytes);
	if (err < 0)
		return err;
	output->channel = channel_for(options->format, output->sink.fd);
	output->open = true;
	outputs->n++;
	outputs->n_open++;
	return 0;
}

/* The streams, or the others. */
static int
open_all(struct outputs *outputs, bool streams, const struct options *options, char *why,
	 size_t why_bytes)
{
	int err = 0;
	for (size_t i = 0; i < options->outputs.n && err == 0; i++) {
		const char *spec = options->outputs.items[i];
		if (sink_is_stream(spec) == streams)
			err = open_one(outputs, spec, options, why, why_bytes);
	}
	return err;
}

int
outputs_open(struct outputs **result, const struct options *options, char *why, size_t why_bytes)
{
	const char *fallback = options->command != NULL ? SINK_STDERR : SINK_STDOUT;
	size_t n = options->outputs.n;
	struct outputs *outputs = calloc(1, sizeof *outputs);
	if (outputs != NULL)
		outputs->items = calloc(n + 1, sizeof *outputs->items);
	if (outputs == NULL || outputs->items == NULL) {
		free(outputs);
		return -ENOMEM;
	}
	int err = open_all(outputs, true, options, why, why_bytes);
	if (err == 0)
		err = open_all(outputs, false, options, why, why_bytes);
	if (n == 0 && !options->summary_only)
		err = open_one(outputs, fallback, options, why, why_bytes);
	if (err < 0) {
		outputs_close(outputs);
		outputs_free(outputs);
		return err;
	}
	*result = outputs;
	return 0;
}

bool
outputs_wants(const struct outputs *outputs, enum channel channel)
{
	for (size_t i = 0; i < outputs->n; i++)
		if (outputs->items[i].open && outputs->items[i].channel == channel)
			return true;
	return false;
}

static void
give_up(struct outputs *outputs, struct output *output, int err, size_t n_lost)
{
	char why[64];
	output->open = false;
	outputs->n_open--;
	if (err == -EPIPE && output->sink.kind == &sink_stream && output->sink.fd == STDOUT_FILENO)
		return; /* as any filter: its reader has seen enough */
	outputs->failed = output->failed = true;
	log_error("output %s: %s; %zu line%s of this batch, and all that follow, are not written",
		  output->sink.spec,
		  err == -EPIPE || err == -ECONNRESET ? "its reader is gone"
		  : err == -ETIMEDOUT                 ? "its reader takes nothing, or too slowly"
						      : strerror(-err),
		  n_lost, n_lost == 1 ? "" : "s");
	output->sink.failed = true;
	sink_close(&output->sink, why, sizeof why);
}

static void
write_to_all(struct outputs *outputs, enum channel channel, const char *lines, size_t n)
{
	for (size_t i = 0; i < outputs->n; i++) {
		struct output *output = &outputs->items[i];
		size_t n_lost;
		if (!output->open || output->channel != channel)
			continue;
		int err = sink_write(&output->sink, lines, n, &n_lost);
		if (err < 0)
			give_up(outputs, output, err, n_lost);
	}
}

static void
flush_channel(struct outputs *outputs, enum channel channel)
{
	struct line *batch = &outputs->batches[channel];
	if (batch->len > 0)
		write_to_all(outputs, channel, batch->text, batch->len);
	line_cut(batch, 0);
}

void
outputs_write(struct outputs *outputs, enum channel channel, const char *lines, size_t n)
{
	flush_channel(outputs, channel);
	if (n > 0)
		write_to_all(outputs, channel, lines, n);
}

void
outputs_collect(struct outputs *outputs, enum channel channel, const char *line, size_t n)
{
	struct line *batch = &outputs->batches[channel];
	if (!line_reserve(batch, n)) {
		outputs_write(outputs, channel, line, n);
		return;
	}
	line_bytes(batch, line, n);
	if (batch->len >= BATCH_BYTES)
		flush_channel(outputs, channel);
}

void
outputs_flush(struct outputs *outputs)
{
	for (enum channel channel = 0; channel < N_CHANNELS; channel++)
		flush_channel(outputs, channel);
}

bool
outputs_reopen(struct outputs *outputs)
{
	char why[400];
	bool any = false;
	outputs_flush(outputs);
	for (size_t i = 0; i < outputs->n; i++) {
		struct output *output = &outputs->items[i];
		any |= output->sink.kind != &sink_stream;
		if (output->open && sink_reopen(&output->sink, why, sizeof why) < 0)
			log_error("%s; going on with the old file", why);
	}
	return any;
}

bool
outputs_gone(const struct outputs *outputs)
{
	return outputs->n > 0 && outputs->n_open == 0;
}

bool
outputs_failed(const struct outputs *outputs)
{
	return outputs->failed;
}

bool
outputs_through(const struct outputs *outputs)
{
	for (size_t i = 0; i < outputs->n; i++)
		if (!outputs->items[i].failed)
			return true;
	return outputs->n == 0;
}

void
outputs_close(struct outputs *outputs)
{
	char why[400];
	outputs_flush(outputs);
	for (size_t i = 0; i < outputs->n; i++) {
		struct output *output = &outputs->items[i];
		if (output->open && sink_close(&output->sink, why, sizeof why) < 0) {
			log_error("output %s: %s", output->sink.spec, why);
			outputs->failed = output->failed = true;
		}
		output->open = false;
	}
}

void
outputs_free(struct outputs *outputs)
{
	if (outputs == NULL)
		return;
	for (enum channel channel = 0; channel < N_CHANNELS; channel++)
		line_fini(&outputs->batches[channel]);
	free(outputs->items);
	free(outputs);
}
