/* SPDX-License-Identifier: MIT */
/* Processes, each a row, and the header: all of them together. */
#include <errno.h>
#include <stdlib.h>

#include "report_parts.h"

static struct figure
lost_figure(const struct watched *watched)
{
	return figure(watched, tally_lost(&watched->now.tally), tally_lost(&watched->before.tally),
		      tally_lost(&watched->base.tally));
}

static struct process_row
process_row(const struct watched *watched)
{
	struct process_row row = {
		.watched = watched,
		.events = FIGURE(watched, events),
		.calls = FIGURE(watched, calls),
		.call_events = FIGURE(watched, call_events),
		.recorded = FIGURE(watched, recorded),
		.lost = lost_figure(watched),
		.unread = FIGURE(watched, lost[LOST_NO_READER]),
		.slots = FIGURE(watched, slots),
	};
	for (unsigned i = 0; i < N_CATEGORIES; i++)
		row.recent_by_category[i] = FIGURE(watched, by_category[i]).recent;
	return row;
}

static void
add_to_header(struct header_figures *header, const struct process_row *row)
{
	if (row->watched->ended_ns == 0)
		header->n_alive++;
	else
		header->n_ended++;
	add_figure(&header->events, row->events);
	add_figure(&header->calls, row->calls);
	add_figure(&header->call_events, row->call_events);
	add_figure(&header->recorded, row->recorded);
	add_figure(&header->lost, row->lost);
	add_figure(&header->unread, row->unread);
	add_figure(&header->slots, row->slots);
}

static int
by_activity(const void *a, const void *b)
{
	const struct process_row *left = a, *right = b;
	int order = more(left->events.recent + left->calls.recent + left->call_events.recent,
			 right->events.recent + right->calls.recent + right->call_events.recent);
	if (order == 0)
		order = more(left->events.total, right->events.total);
	return order != 0 ? order : (left->watched->found.name_pid > right->watched->found.name_pid) -
					    (left->watched->found.name_pid < right->watched->found.name_pid);
}

int
report_make_processes(struct report *report, bool wanted)
{
	if (wanted) {
		report->processes = calloc(report->n_watched + 1, sizeof *report->processes);
		if (report->processes == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < report->n_watched; i++) {
		struct process_row row = process_row(report->watched[i]);
		add_to_header(&report->header, &row);
		if (wanted)
			report->processes[report->n_processes++] = row;
	}
	if (wanted)
		qsort(report->processes, report->n_processes, sizeof *report->processes, by_activity);
	return 0;
}

/* ---- the tree ---- */

struct family {
	struct process_row *rows; /* in the order that they had */
	size_t n;
	bool *placed;
	struct process_row *to;
	size_t n_to;
};

static uint32_t
pid_of(const struct process_row *row)
{
	return row->watched->found.identity.pid;
}

static bool
is_child(const struct process_row *row, const struct process_row *parent)
{
	return row->watched->found.identity.ppid == pid_of(parent) && pid_of(parent) != 0;
}

static void
place(struct family *family, size_t i, unsigned depth)
{
	if (family->placed[i])
		return;
	family->placed[i] = true;
	family->rows[i].depth = depth;
	family->to[family->n_to++] = family->rows[i];
	for (size_t k = 0; k < family->n; k++)
		if (is_child(&family->rows[k], &family->rows[i]))
			place(family, k, depth + 1);
}

static bool
has_parent(const struct family *family, size_t i)
{
	for (size_t k = 0; k < family->n; k++)
		if (k != i && is_child(&family->rows[i], &family->rows[k]))
			return true;
	return false;
}

int
report_make_tree(struct report *report)
{
	struct family family = {.rows = report->processes, .n = report->n_processes};
	family.placed = calloc(family.n + 1, sizeof *family.placed);
	family.to = calloc(family.n + 1, sizeof *family.to);
	if (family.placed == NULL || family.to == NULL) {
		free(family.placed);
		free(family.to);
		return -ENOMEM;
	}
	for (size_t i = 0; i < family.n; i++)
		if (!has_parent(&family, i))
			place(&family, i, 0);
	for (size_t i = 0; i < family.n; i++)
		place(&family, i, 0); /* pids that were used again may make a circle */
	free(family.placed);
	free(report->processes);
	report->processes = family.to;
	return 0;
}
