/* SPDX-License-Identifier: MIT */
/* A row for each process; and what its rings do. */
#include <string.h>

#include "cells.h"
#include "identity.h"
#include "python_version.h"
#include "view.h"

/* A column of the rate of a figure or of a category, and what it is sorted by. */
#define RATE(name, expression) \
	static double number_##name(const void *at) \
	{ \
		const struct process_row *row = at; \
		return (double)(expression); \
	} \
	static void put_##name(struct table *table, const struct report *report, const void *at) \
	{ \
		const struct process_row *row = at; \
		put_rate(&table->text, report_rate(report, expression)); \
	}
#define NUMBER(name, expression) \
	static double number_##name(const void *at) \
	{ \
		const struct process_row *row = at; \
		return (double)(expression); \
	} \
	static void put_##name(struct table *table, const struct report *report, const void *at) \
	{ \
		const struct process_row *row = at; \
		(void)report; \
		line_u64(&table->text, expression); \
	}
#define PERCENT(name, part, whole) \
	static double number_##name(const void *at) \
	{ \
		const struct watched *w = ((const struct process_row *)at)->watched; \
		return (whole) > 0 ? (double)(part) / (double)(whole) : 0; \
	} \
	static void put_##name(struct table *table, const struct report *report, const void *at) \
	{ \
		const struct watched *w = ((const struct process_row *)at)->watched; \
		(void)report; \
		put_percent(&table->text, part, whole); \
	}

/* Of the categories that have no column. */
static uint64_t
rest_of(const struct process_row *row)
{
	static const enum category shown[] = {CATEGORY_FILE, CATEGORY_NET, CATEGORY_PROC,
					      CATEGORY_IMPORT};
	uint64_t others = 0;
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
		others += row->recent_by_category[shown[i]];
	return row->events.recent > others ? row->events.recent - others : 0;
}

NUMBER(pid, watched_pid(row->watched))
RATE(events, row->events.recent)
RATE(calls, row->calls.recent + row->call_events.recent)
RATE(file, row->recent_by_category[CATEGORY_FILE])
RATE(net, row->recent_by_category[CATEGORY_NET])
RATE(proc, row->recent_by_category[CATEGORY_PROC])
RATE(import, row->recent_by_category[CATEGORY_IMPORT])
RATE(rest, rest_of(row))
NUMBER(lost, row->lost.total)
RATE(lost_rate, row->lost.recent)
NUMBER(no_reader, row->unread.total)
NUMBER(lanes, row->watched->n_lanes)
PERCENT(ring, w->unread_slots, w->ring_slots)
PERCENT(most, w->high_water_slots, w->ring_slots)

static const char *
text_user(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	struct table cell = {0};
	const struct process_row *row = at;
	put_user(&cell.text, row->watched->found.identity.uid);
	size_t n = cell.text.len < VIEW_TEXT_BYTES ? cell.text.len : VIEW_TEXT_BYTES - 1;
	memcpy(buffer, cell.text.text, n);
	buffer[n] = '\0';
	table_fini(&cell);
	return buffer;
}

static void
put_user_cell(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	put_user(&table->text, ((const struct process_row *)at)->watched->found.identity.uid);
}

static double
number_python(const void *at)
{
	return ((const struct process_row *)at)->watched->header.python_hex;
}

static void
put_python(struct table *table, const struct report *report, const void *at)
{
	char text[PYTHON_VERSION_BYTES];
	(void)report;
	python_version(text, ((const struct process_row *)at)->watched->header.python_hex);
	line_string(&table->text, text);
}

static const char *
text_coverage(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return coverage_name(((const struct process_row *)at)->watched->header.coverage);
}

static void
put_coverage(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_string(&table->text, text_coverage(at, NULL));
}

static double
number_threads(const void *at)
{
	return ((const struct process_row *)at)->watched->n_threads;
}

static void
put_threads(struct table *table, const struct report *report, const void *at)
{
	const struct watched *watched = ((const struct process_row *)at)->watched;
	(void)report;
	if (watched->ended_ns != 0)
		line_literal(&table->text, "end");
	else
		line_u64(&table->text, watched->n_threads);
}

/* The youngest began last. */
static double
number_age(const void *at)
{
	return -(double)((const struct process_row *)at)->watched->header.start_realtime_ns;
}

static void
put_age_cell(struct table *table, const struct report *report, const void *at)
{
	const struct watched *watched = ((const struct process_row *)at)->watched;
	put_age(&table->text, report->fleet->realtime_ns, watched->header.start_realtime_ns);
}

static const char *
text_command(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	const struct process_row *row = at;
	return identity_command(&row->watched->found.identity, buffer, VIEW_TEXT_BYTES);
}

static const char *
unique_process(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return ((const struct process_row *)at)->watched->key;
}

static void
put_command_cell(struct table *table, const struct report *report, const void *at)
{
	const struct process_row *row = at;
	(void)report;
	for (unsigned i = 0; i < row->depth; i++)
		line_literal(&table->text, "  ");
	put_command(&table->text, &row->watched->found.identity, false);
}

static void
put_ring_size(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	put_size(&table->text, ((const struct process_row *)at)->watched->ring_slots * SLOT_BYTES);
}

static double
number_ring_size(const void *at)
{
	return (double)((const struct process_row *)at)->watched->ring_slots;
}

static void *
rows(struct report *report, size_t **n)
{
	*n = &report->n_processes;
	return report->processes;
}

#define NUMBERS(name, title, rank) {#name, title, true, rank, put_##name, number_##name, NULL}

static const struct column process_columns[] = {
	NUMBERS(pid, "PID", 0),
	{"user", "USER", false, 2, put_user_cell, NULL, text_user},
	{"python", "PYTHON", false, 6, put_python, number_python, NULL},
	{"coverage", "COVERAGE", false, 9, put_coverage, NULL, text_coverage},
	NUMBERS(threads, "THR", 4),
	NUMBERS(events, "EV/s", 0),
	NUMBERS(calls, "CALL/s", 0),
	NUMBERS(file, "FILE/s", 0),
	NUMBERS(net, "NET/s", 2),
	NUMBERS(proc, "PROC/s", 3),
	NUMBERS(import, "IMP/s", 5),
	NUMBERS(rest, "REST/s", 8),
	NUMBERS(lost, "LOST", 0),
	NUMBERS(ring, "RING%", 1),
	{"age", "AGE", true, 7, put_age_cell, number_age, NULL},
	{"command", "COMMAND", false, 0, put_command_cell, NULL, text_command},
};
_Static_assert(sizeof process_columns / sizeof process_columns[0] <= TABLE_COLUMNS, "they fit");

const struct view view_processes = {
	.name = "processes", .part = REPORT_PROCESSES,
	.columns = process_columns,
	.n_columns = sizeof process_columns / sizeof process_columns[0],
	.sort = 5, .key = 15,
	.unique = unique_process,
	.row_bytes = sizeof(struct process_row), .rows = rows,
};

static const struct column ring_columns[] = {
	NUMBERS(pid, "PID", 0),
	NUMBERS(lanes, "LANES", 0),
	{"size", "RING", true, 0, put_ring_size, number_ring_size, NULL},
	NUMBERS(ring, "RING%", 1),
	NUMBERS(most, "MOST%", 0),
	NUMBERS(lost_rate, "LOST/s", 0),
	NUMBERS(lost, "LOST", 0),
	NUMBERS(no_reader, "NO READER", 0),
	{"command", "COMMAND", false, 0, put_command_cell, NULL, text_command},
};

const struct view view_rings = {
	.name = "rings", .part = REPORT_PROCESSES,
	.columns = ring_columns, .n_columns = sizeof ring_columns / sizeof ring_columns[0],
	.sort = 6, .key = 8,
	.unique = unique_process,
	.row_bytes = sizeof(struct process_row), .rows = rows,
};
