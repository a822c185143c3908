/* SPDX-License-Identifier: MIT */
/* Looks, keys and the picture. When all processes have ended, the last picture stays. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "print.h"
#include "screen.h"
#include "top.h"

struct interactive {
	struct top *top;
	struct browse browse;
	struct history history;
	struct report report; /* what is seen */
	uint64_t n_looks;
};

static void
draw(struct interactive *now)
{
	struct selection selection = browse_selection(&now->browse);
	report_fini(&now->report);
	records_choose(&now->top->fleet.records, &selection);
	int err = report_make(&now->report, &now->top->fleet, &selection,
			      browse_parts(&now->browse));
	if (err == 0)
		err = browse_arrange(&now->browse, &now->report, screen_rows());
	if (err == 0)
		screen_draw(&now->browse, &now->report, &now->history);
	now->top->failed |= err < 0;
}

/* What is seen, sorted and chosen as it is seen, into a file of this folder. */
static void
write_snapshot(struct interactive *now)
{
	struct browse *browse = &now->browse;
	struct json json;
	char name[64];
	json_init(&json, true);
	snprintf(name, sizeof name, "auditd-top-%" PRIu64 ".json",
		 clock_ns(CLOCK_REALTIME) / 1000000);
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool written = fd >= 0 && print_json(&json, &now->report, 0, browse_parts(browse)) == 0 &&
		       write(fd, json.out.text, json.out.len) == (ssize_t)json.out.len;
	if (written)
		snprintf(browse->said, sizeof browse->said, "written: %s", name);
	else
		snprintf(browse->said, sizeof browse->said, "not written: %s: %s", name,
			 strerror(errno));
	if (fd >= 0)
		close(fd);
	json_fini(&json);
}

/* The selected event: off, count, record, off. In programs that we read; until we leave. */
static void
change_level(struct interactive *now)
{
	struct browse *browse = &now->browse;
	struct fleet *fleet = &now->top->fleet;
	const struct event_row *row =
		&now->report.events[browse->views[VIEW_EVENTS].selected];
	/* A program that has not raised it since is still to take up what was asked for. */
	enum level level = wishes_level(&fleet->records.wishes, row->name);
	if (level == LEVEL_UNDEFINED)
		level = (enum level)row->level;
	enum level next = level == LEVEL_OFF	 ? LEVEL_COUNT
			  : level == LEVEL_COUNT ? LEVEL_RECORD
						 : LEVEL_OFF;
	int err = wishes_add(&fleet->records.wishes, row->name, next);
	if (err < 0) {
		snprintf(browse->said, sizeof browse->said, "not changed: %s",
			 err == -EINVAL  ? "a name with , or = has no place in a list of events"
			 : err == -E2BIG ? "too many were"
					 : strerror(-err));
		return;
	}
	size_t told = 0;
	for (size_t i = 0; i < fleet->n; i++)
		told += wishes_tell(&fleet->records.wishes, fleet->items[i]);
	snprintf(browse->said, sizeof browse->said, "%.60s: %s, in %zu processes; %zu have a collector",
		 row->name, next == LEVEL_OFF ? "off" : next == LEVEL_COUNT ? "count" : "record", told,
		 fleet->records.n_others);
}

/* What a key means depends on what is seen: each is drawn before the next one is taken. */
static void
take_keys(struct interactive *now, bool *quit)
{
	int key;
	while (!*quit && (key = screen_key()) >= 0) {
		switch (browse_key(&now->browse, key, &now->report, screen_rows())) {
		case BROWSE_QUIT:
			*quit = true;
			break;
		case BROWSE_RESET:
			fleet_reset(&now->top->fleet);
			break;
		case BROWSE_SNAPSHOT:
			write_snapshot(now);
			break;
		case BROWSE_LEVEL:
			change_level(now);
			break;
		case BROWSE_DRAW:
		case BROWSE_NOTHING: /* or the size of the terminal has changed */
			break;
		}
		draw(now);
	}
}

/* Reading costs: only what is seen is read for. */
static bool
shows_records(const struct browse *browse)
{
	return browse->view == VIEW_EVENTS || (browse_parts(browse) & REPORT_RECORDS) != 0;
}

static void
look_and_draw(struct interactive *now)
{
	top_look(now->top);
	draw(now);
	now->n_looks++;
	history_add(&now->history, now->top->fleet.now_ns,
		    report_rate(&now->report, now->report.header.events.recent));
}

/* As many as were asked for. */
static bool
has_enough(const struct interactive *now)
{
	uint64_t most = now->top->options.iterations;
	return most != 0 && now->n_looks >= most;
}

static void
begin(struct interactive *now)
{
	const struct top_options *options = &now->top->options;
	struct browse *browse = &now->browse;
	browse_init(browse, options->interval_ns);
	for (int i = N_VIEWS - 1; i >= 0; i--)
		if (options->view_given[i])
			browse->view = (enum view_id)i;
	if (options->sort != NULL)
		browse->views[browse->view].sort =
			(unsigned)view_column(view_get(browse->view), options->sort);
	browse->views[browse->view].invert = options->invert;
}

/* A log_fn: stderr is where the picture is. */
static void
show_message(void *context, const char *line)
{
	struct interactive *now = context;
	snprintf(now->browse.said, sizeof now->browse.said, "%s", line);
}

void
top_interactive(struct top *top)
{
	struct interactive now = {.top = top};
	uint64_t next_ns = 0;
	bool quit = false;
	begin(&now);
	log_divert(show_message, &now);
	while (!quit && !top->failed && !top_is_stopped(top)) {
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		top_look_at_signals(top);
		if (next_ns > now_ns + now.browse.interval_ns)
			next_ns = now_ns; /* it was made shorter */
		if (now_ns >= next_ns && !now.browse.paused) {
			if (has_enough(&now))
				break; /* the last one was seen as long as the others */
			look_and_draw(&now);
			next_ns = now_ns + now.browse.interval_ns;
		}
		struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
				       {.fd = top->fleet.places.inotify, .events = POLLIN}};
		poll(fds, 2, candidates_waiting(&top->fleet.candidates) ? 2 : 50);
		if ((fds[0].revents & (POLLHUP | POLLERR)) != 0)
			break; /* the terminal is gone */
		top->reads = shows_records(&now.browse) || top->fleet.records.wishes.n > 0;
		top_find(top);
		take_keys(&now, &quit);
	}
	log_divert(NULL, NULL);
	report_fini(&now.report);
}
