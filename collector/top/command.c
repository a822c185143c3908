/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>


static int
start(struct top *top, char *why, size_t why_bytes)
{
	const struct options *options = &top->options.common;
	bool reads = !top->options.batch || top->options.view_given[VIEW_TARGETS] ||
		     top->options.view_given[VIEW_TAIL];
	const struct settings settings = {
		.events = options->events[0] != '\0' || reads ? options->events : "all=count",
		.reveal = options->reveal,
		.stack = -1,
		.calls = options->calls_wanted ? &options->calls : NULL,
	};
	return launch_start(&top->launch, options->command, &settings, why, why_bytes);
}

/* Which of its three descriptors are a terminal: those are others meanwhile. */
static void
divert(int output, int saved[3])
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int instead[3] = {null, output, output};
	for (int i = 0; i < 3; i++)
		if (isatty(i) && instead[i] >= 0) {
			saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
			dup2(instead[i], i);
		}
	if (null >= 0)
		close(null);
}

int
command_start(struct top *top, char *why, size_t why_bytes)
{
	int saved[3] = {-1, -1, -1};
	FILE *file = top->options.batch ? NULL : tmpfile();
	if (file != NULL) {
		top->output = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
		fclose(file);
		divert(top->output, saved);
	}
	int status = start(top, why, why_bytes);
	for (int i = 0; i < 3; i++)
		if (saved[i] >= 0) {
			dup2(saved[i], i);
			close(saved[i]);
		}
	return status;
}

/* Its descriptor shares the place in the file with ours: read without moving it. */
static void
show_output(const struct top *top, off_t *shown)
{
	char bytes[65536];
	ssize_t n;
	while (top->output >= 0 && (n = pread(top->output, bytes, sizeof bytes, *shown)) > 0) {
		*shown += n;
		if (write(STDOUT_FILENO, bytes, (size_t)n) < n)
			return;
	}
}

void
command_wait(struct top *top)
{
	off_t shown = 0;
	show_output(top, &shown);
	while (!top->launch.ended && !top_is_stopped(top)) {
		poll(NULL, 0, 50);
		top_look_at_signals(top);
		top_find(top);
		show_output(top, &shown);
	}
	top_look(top); /* their segments are ours to remove */
	if (top->output >= 0)
		close(top->output);
	top->output = -1;
}
