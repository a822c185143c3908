/* SPDX-License-Identifier: MIT */
/*
 * Every look is printed. Between two looks we wait for new processes, so that one that is gone
 * before the next look was seen all the same.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "head.h"
#include "log.h"
#include "print.h"
#include "sink.h"
#include "top.h"

struct batch {
	struct top *top;
	struct sink sink;
	struct json json;
	bool reader_left;
};

static unsigned
parts_of(const struct top_options *options)
{
	unsigned parts = 0;
	for (int i = 0; i < N_VIEWS; i++)
		parts |= options->view_given[i] ? view_get((enum view_id)i)->part : 0;
	return parts;
}

/* Of the terminal that is printed to; 0: it is none. */
static size_t
width_of(const struct batch *batch)
{
	struct winsize size;
	bool known = isatty(batch->sink.fd) && ioctl(batch->sink.fd, TIOCGWINSZ, &size) == 0;
	return known ? size.ws_col : 0;
}

static void
write_out(struct batch *batch, const struct line *line)
{
	size_t n_lost;
	int err = line->failed ? -ENOMEM : sink_write(&batch->sink, line->text, line->len, &n_lost);
	if (err == -EPIPE)
		batch->reader_left = true;
	else if (err < 0)
		log_error("top: output: %s", strerror(-err));
	batch->top->failed |= err < 0 && err != -EPIPE;
}

/* The first of them is sorted as was asked for. */
static void
print_views(const struct top_options *options, struct report *report, size_t width,
	    struct line *out)
{
	const char *sort = options->sort;
	bool invert = options->invert;
	for (int i = 0; i < N_VIEWS; i++) {
		const struct view *view = view_get((enum view_id)i);
		if (!options->view_given[i])
			continue;
		struct arrangement arrangement = {
			sort != NULL ? (unsigned)view_column(view, sort) : view->sort, invert, NULL};
		view_arrange(view, &arrangement, report);
		line_char(out, '\n');
		view_print(view, report, 0, options->most_rows > 0 ? options->most_rows : SIZE_MAX,
			   width, out);
		sort = NULL;
		invert = false;
	}
}

static void
print_text(struct batch *batch, struct report *report, uint64_t n)
{
	struct line out = {0};
	const struct top_options *options = &batch->top->options;
	size_t width = width_of(batch);
	if (options->line) {
		print_line(report, n % 20 == 0, &out);
	} else {
		if (n > 0)
			line_char(&out, '\n');
		head_figures(report, width > 0 ? width : SIZE_MAX, &out);
		line_char(&out, '\n');
		if ((parts_of(options) & REPORT_RECORDS) != 0) {
			print_share(report, &out);
			line_char(&out, '\n');
		}
		print_views(options, report, width, &out);
	}
	write_out(batch, &out);
	line_fini(&out);
}

/* The lists of an object have the report's own order, but for what was asked for. */
static void
arrange_first(const struct top_options *options, struct report *report)
{
	int i = 0;
	while (!options->view_given[i])
		i++;
	const struct view *view = view_get((enum view_id)i);
	struct arrangement arrangement = {
		options->sort != NULL ? (unsigned)view_column(view, options->sort) : view->sort,
		options->invert, NULL};
	if (options->sort != NULL || options->invert)
		view_arrange(view, &arrangement, report);
}

static void
print_object(struct batch *batch, struct report *report)
{
	const struct top_options *options = &batch->top->options;
	struct json *json = &batch->json;
	arrange_first(options, report);
	line_cut(&json->out, 0);
	if (print_json(json, report, options->most_rows, parts_of(options)) < 0)
		json->out.failed = true;
	write_out(batch, &json->out);
}

static void
print(struct batch *batch, uint64_t n)
{
	struct top *top = batch->top;
	static const struct selection everything;
	struct report report;
	int err = report_make(&report, &top->fleet, &everything, parts_of(&top->options));
	if (err < 0) {
		log_error("top: %s", strerror(-err));
		top->failed = true;
	} else if (top->options.common.format == FORMAT_JSON && !top->options.line) {
		print_object(batch, &report);
	} else {
		print_text(batch, &report, n);
	}
	report_fini(&report);
}

/* Until then, or until there is no need to wait any longer. */
static void
wait_until(struct top *top, uint64_t then_ns)
{
	for (;;) {
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		if (now_ns >= then_ns || top_is_stopped(top) || top_is_over(top))
			return;
		uint64_t ms = (then_ns - now_ns + 999999) / 1000000;
		bool setting_up = candidates_waiting(&top->fleet.candidates);
		struct pollfd fds = {.fd = top->fleet.places.inotify, .events = POLLIN};
		poll(&fds, 1, setting_up ? 2 : ms < 50 ? (int)ms : 50);
		top_look_at_signals(top);
		top_find(top);
	}
}

static void
say_nothing_there(const struct top *top)
{
	if (top->fleet.n_seen == 0 && top->options.common.command == NULL)
		log_note("top: " FLEET_IS_EMPTY);
}

/* The look that comes after the end of all is the last one: it sees all that they did. */
static void
run(struct batch *batch)
{
	struct top *top = batch->top;
	const struct top_options *options = &top->options;
	uint64_t next_ns = clock_ns(CLOCK_MONOTONIC), most = options->iterations;
	bool over = false, command = options->common.command != NULL;
	if (command) { /* which is no Python yet, and has done nothing */
		next_ns += options->interval_ns;
		wait_until(top, next_ns);
	}
	for (uint64_t n = 0; !over && !top->failed && !batch->reader_left && !top_is_stopped(top); n++) {
		top_look_at_signals(top);
		over = top_is_over(top);
		top_look(top);
		if (most == 0 || n < most)
			print(batch, n);
		if (n == 0)
			say_nothing_there(top);
		if (most != 0 && n + 1 >= most) /* with a command we stay until it has ended */
			over |= !command || top->launch.ended;
		next_ns += options->interval_ns;
		if (!over)
			wait_until(top, next_ns);
	}
}

void
top_batch(struct top *top)
{
	char why[200];
	struct batch batch = {.top = top};
	bool command = top->options.common.command != NULL;
	top->reads = (parts_of(&top->options) & REPORT_RECORDS) != 0;
	json_init(&batch.json, true);
	if (sink_open(&batch.sink, command ? SINK_STDERR : SINK_STDOUT, false, why, sizeof why) < 0) {
		log_error("top: %s", why);
		top->failed = true;
	} else {
		run(&batch);
	}
	json_fini(&batch.json);
}
