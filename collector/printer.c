/* SPDX-License-Identifier: MIT */
#include "printer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

#define BLOCK_BYTES (64u << 10)

static void
leave_merge(void *context, unsigned channel, const char *line, size_t n)
{
	struct printer *printer = context;
	outputs_collect(printer->outputs, (enum channel)channel, line, n);
}

int
printer_init(struct printer *printer, struct outputs *outputs, struct filter *filter, bool redact)
{
	memset(printer, 0, sizeof *printer);
	printer->outputs = outputs;
	printer->filter = filter;
	json_init(&printer->json, redact);
	text_init(&printer->text, redact);
	printer->merge = merge_new(MERGE_WINDOW_NS, MERGE_MAX_BYTES, leave_merge, printer);
	if (printer->merge == NULL)
		return -ENOMEM;
	if (outputs_wants(outputs, CHANNEL_TEXT))
		text_header(&printer->text);
	return 0;
}

void
printer_fini(struct printer *printer)
{
	merge_free(printer->merge);
	json_fini(&printer->json);
	text_fini(&printer->text);
}

int
printer_source_init(struct printer_source *source, const char *key, uint32_t pid,
		    uint32_t python_hex)
{
	memset(source, 0, sizeof *source);
	source->pid = pid;
	source->lanes = calloc(2, sizeof *source->lanes);
	source->n_lanes = 2;
	return source->lanes != NULL ? json_source_init(&source->json, key, pid, python_hex)
				     : -ENOMEM;
}

void
printer_source_fini(struct printer_source *source)
{
	json_source_fini(&source->json);
	free(source->lanes);
	source->lanes = NULL;
}

/* Lanes come up one by one; without memory for a new one, it shares the last. */
static struct merge_source *
lane_of(struct printer_source *source, uint32_t lane)
{
	uint32_t i = lane == EVENT_NO_LANE ? 0 : lane + 1;
	if (i >= source->n_lanes) {
		struct merge_source *lanes = realloc(source->lanes, (i + 1) * sizeof *lanes);
		if (lanes == NULL)
			return &source->lanes[source->n_lanes - 1];
		memset(lanes + source->n_lanes, 0, (i + 1 - source->n_lanes) * sizeof *lanes);
		source->lanes = lanes;
		source->n_lanes = i + 1;
	}
	return &source->lanes[i];
}

/* ---- one line on its way ---- */

static struct line *
block_of(struct printer *printer, enum channel channel)
{
	return channel == CHANNEL_JSON ? &printer->json.out : &printer->text.out;
}

static void
write_block(struct printer *printer, enum channel channel)
{
	struct line *block = block_of(printer, channel);
	if (block->len > 0)
		outputs_write(printer->outputs, channel, block->text, block->len);
	line_cut(block, 0);
}

/*
 * A line was encoded at block[from..). Either it stays there, to be written with the block,
 * or it joins those that wait. Blocks are empty whenever something waits, for a line that is
 * older than the waiting ones stands in front of them all.
 */
static void
encoded(struct printer *printer, enum channel channel, size_t from, struct merge_source *lane,
	uint64_t time_ns)
{
	struct line *block = block_of(printer, channel);
	printer->n_bytes += block->len - from;
	if (!printer->hold && merge_idle(printer->merge)) {
		if (time_ns > lane->last_ns)
			lane->last_ns = time_ns;
		if (block->len >= BLOCK_BYTES)
			write_block(printer, channel);
		return;
	}
	merge_add(printer->merge, lane, time_ns, channel, block->text + from, block->len - from);
	line_cut(block, from);
	write_block(printer, channel);
}

/* Its event counts as emitted; so the whole run has failed. */
static void
missing(struct printer *printer)
{
	if (!printer->failed)
		log_error("no memory for a line: not all are written");
	printer->failed = true;
}

/* Encode by `call` for one channel, when somebody reads that. */
#define ENCODE(printer, channel, lane, time_ns, call) \
	do { \
		if (outputs_wants((printer)->outputs, (channel))) { \
			size_t from_ = block_of((printer), (channel))->len; \
			int err_ = (call); \
			if (err_ < 0) \
				missing(printer); \
			else if (block_of((printer), (channel))->len > from_) \
				encoded((printer), (channel), from_, (lane), (time_ns)); \
		} \
	} while (0)

bool
printer_event(struct printer *printer, struct printer_source *source, const struct event *event)
{
	struct merge_source *lane = lane_of(source, event->lane);
	if (printer->filter != NULL && event->type == EVENT_AUDIT &&
	    !filter_match(printer->filter, event, source->cwd))
		return false;
	ENCODE(printer, CHANNEL_JSON, lane, event->time_ns,
	       json_event(&printer->json, &source->json, event));
	ENCODE(printer, CHANNEL_TEXT, lane, event->time_ns,
	       text_event(&printer->text, source->pid, event));
	return true;
}

/* ---- lines about processes ---- */

void
printer_start(struct printer *printer, struct printer_source *source, uint64_t time_ns,
	      const struct tracee *tracee)
{
	const struct identity *identity = tracee_identity(tracee);
	const struct segment_header *header = tracee_header(tracee);
	struct merge_source *lane = lane_of(source, EVENT_NO_LANE);
	ENCODE(printer, CHANNEL_JSON, lane, time_ns,
	       json_start(&printer->json, &source->json, time_ns, identity, header,
			  tracee_parent(tracee)));
	ENCODE(printer, CHANNEL_TEXT, lane, time_ns,
	       text_start(&printer->text, time_ns, identity, header->coverage));
}

void
printer_untraced(struct printer *printer, uint64_t time_ns, const struct identity *identity)
{
	struct merge_source none = {0};
	ENCODE(printer, CHANNEL_JSON, &none, time_ns,
	       json_start_untraced(&printer->json, time_ns, identity));
	ENCODE(printer, CHANNEL_TEXT, &none, time_ns,
	       text_start(&printer->text, time_ns, identity, COVERAGE_NONE));
}

static int
encode_counts(struct printer *printer, struct printer_source *source, uint64_t time_ns,
	      struct tracee *tracee)
{
	json_counts_begin(&printer->json, &source->json, time_ns);
	tracee_counts(tracee, json_count, &printer->json);
	return json_counts_end(&printer->json);
}

/*
 * Behind every line of the source so far; 0: the time of the last one. One that is far ahead is of
 * before the clock was set back.
 */
static uint64_t
after_all(const struct printer_source *source, uint64_t time_ns)
{
	uint64_t most = time_ns != 0 ? time_ns + MERGE_WINDOW_NS : UINT64_MAX;
	for (uint32_t i = 0; i < source->n_lanes; i++)
		if (source->lanes[i].last_ns > time_ns && source->lanes[i].last_ns <= most)
			time_ns = source->lanes[i].last_ns;
	return time_ns;
}

/* What put_function() needs. */
struct functions {
	struct printer *printer;
	struct printer_source *source;
	uint64_t time_ns;
};

static void
put_function(void *context, const struct function *function, const struct function_sums *sums)
{
	struct functions *to = context;
	struct printer *printer = to->printer;
	struct merge_source *lane = lane_of(to->source, EVENT_NO_LANE);
	ENCODE(printer, CHANNEL_JSON, lane, to->time_ns,
	       json_function(&printer->json, &to->source->json, to->time_ns, function, sums));
	ENCODE(printer, CHANNEL_TEXT, lane, to->time_ns,
	       text_function(&printer->text, to->source->pid, to->time_ns, function, sums));
}

void
printer_functions(struct printer *printer, struct printer_source *source, uint64_t time_ns,
		  struct tracee *tracee, enum which_functions which)
{
	struct functions to = {printer, source, after_all(source, time_ns)};
	tracee_functions(tracee, which, put_function, &to);
}

void
printer_stats(struct printer *printer, struct printer_source *source, uint64_t time_ns,
	      struct tracee *tracee)
{
	struct merge_source *lane = lane_of(source, EVENT_NO_LANE);
	struct account account;
	uint64_t at = after_all(source, time_ns);
	tracee_account(tracee, &account);
	ENCODE(printer, CHANNEL_JSON, lane, at, encode_counts(printer, source, at, tracee));
	ENCODE(printer, CHANNEL_JSON, lane, at,
	       json_stats(&printer->json, &source->json, at, &account));
}

void
printer_exit(struct printer *printer, struct printer_source *source, uint64_t time_ns,
	     const char *how, int status, const struct account *account)
{
	struct merge_source *lane = lane_of(source, EVENT_NO_LANE);
	uint64_t at = after_all(source, time_ns);
	ENCODE(printer, CHANNEL_JSON, lane, at,
	       json_exit(&printer->json, &source->json, at, how, status, account));
	ENCODE(printer, CHANNEL_TEXT, lane, at,
	       text_exit(&printer->text, source->pid, at, how, status, account));
}

void
printer_notice(struct printer *printer, struct printer_source *source, const char *what,
	       const char *detail)
{
	struct merge_source none = {0};
	struct merge_source *lane = source != NULL ? lane_of(source, EVENT_NO_LANE) : &none;
	uint64_t now = clock_ns(CLOCK_REALTIME);
	ENCODE(printer, CHANNEL_JSON, lane, now,
	       json_notice(&printer->json, source != NULL ? &source->json : NULL, now, what,
			   detail));
	ENCODE(printer, CHANNEL_TEXT, lane, now,
	       text_notice(&printer->text, source != NULL ? source->pid : 0, now, what, detail));
}

void
printer_flush(struct printer *printer, bool all)
{
	write_block(printer, CHANNEL_JSON);
	write_block(printer, CHANNEL_TEXT);
	if (all)
		merge_flush(printer->merge);
	else
		merge_release(printer->merge, clock_ns(CLOCK_REALTIME), clock_ns(CLOCK_MONOTONIC));
	outputs_flush(printer->outputs);
}

struct merge_mark
printer_mark(const struct printer *printer)
{
	return merge_mark(printer->merge);
}

bool
printer_is_past(const struct printer *printer, const struct merge_mark *mark)
{
	return merge_is_past(printer->merge, mark);
}

bool
printer_idle(const struct printer *printer)
{
	return merge_idle(printer->merge);
}
