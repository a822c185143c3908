/* SPDX-License-Identifier: MIT */
/* Events, a row for each name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report_parts.h"

static int
by_name(const void *a, const void *b)
{
	const struct event_row *left = a, *right = b;
	return strcmp(left->name, right->name);
}

static int
by_count(const void *a, const void *b)
{
	const struct event_row *left = a, *right = b;
	int order = more(left->n.recent, right->n.recent);
	if (order == 0)
		order = more(left->n.total, right->n.total);
	return order != 0 ? order : by_name(a, b);
}

static size_t
add_events(const struct watched *watched, struct event_row *rows)
{
	size_t n = 0;
	for (uint32_t id = 0; id < watched->now.n_ids; id++) {
		const struct symbol_event *event = symbols_event(watched->symbols, id);
		uint64_t count = watched->now.counts[id];
		if (count == 0 || (event == NULL && id != 0))
			continue;
		rows[n++] = (struct event_row){
			.name = event != NULL ? event->name : "?",
			.category = event != NULL && event->info != NULL
					    ? (enum category)event->info->category
					    : CATEGORY_CUSTOM,
			.level = watched->levels[id],
			.n = figure(watched, count, moment_count(&watched->before, id),
				    moment_count(&watched->base, id)),
		};
	}
	return n;
}

static size_t
merge_events(struct event_row *rows, size_t n)
{
	size_t kept = 0;
	qsort(rows, n, sizeof *rows, by_name);
	for (size_t i = 0; i < n; i++) {
		struct event_row *last = kept > 0 ? &rows[kept - 1] : NULL;
		if (last == NULL || strcmp(last->name, rows[i].name) != 0) {
			rows[kept++] = rows[i];
			continue;
		}
		add_figure(&last->n, rows[i].n);
		if (last->level != rows[i].level)
			last->level = LEVEL_UNDEFINED;
	}
	return kept;
}

int
report_make_events(struct report *report, const struct selection *selection)
{
	size_t room = 1;
	for (size_t i = 0; i < report->n_watched; i++)
		for (uint32_t id = 0; id < report->watched[i]->now.n_ids; id++)
			room += report->watched[i]->now.counts[id] != 0;
	report->events = malloc(room * sizeof *report->events);
	if (report->events == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < report->n_watched; i++)
		report->n_events += add_events(report->watched[i], report->events + report->n_events);
	report->n_events = merge_events(report->events, report->n_events);
	for (size_t i = 0; i < report->n_events; i++) {
		const struct records_last *last =
			records_last(&report->fleet->records, report->events[i].name);
		if (last != NULL && selection_has(selection, last->key, last->uid)) {
			report->events[i].last = report_keep(report, last->text);
			report->events[i].last_time_ns = last->time_ns;
		}
	}
	qsort(report->events, report->n_events, sizeof *report->events, by_count);
	return 0;
}

const char *
event_row_level(const struct event_row *row)
{
	switch ((enum level)row->level) {
	case LEVEL_OFF:
		return "off";
	case LEVEL_COUNT:
		return "count";
	case LEVEL_RECORD:
		return "record";
	case LEVEL_APP:
	case LEVEL_IMPORT:
		return "both";
	case LEVEL_UNDEFINED:
		return "mixed";
	case LEVEL_ASK: /* the program takes up another one at the next such event */
	case LEVEL_WATCH:
		break;
	}
	return "-";
}
