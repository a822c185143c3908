/* SPDX-License-Identifier: MIT */
/* A row for each thing that events touch; and the last lines of the stream. */
#include <stdio.h>

#include "cells.h"
#include "view.h"

static const char *
text_target(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return ((const struct target_row *)at)->text;
}

static void
put_target(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_string(&table->text, text_target(at, NULL));
}

static const char *
text_kind(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return target_is_name(((const struct target_row *)at)->is);
}

static void
put_kind(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_string(&table->text, text_kind(at, NULL));
}

static double
number_rate(const void *at)
{
	return (double)((const struct target_row *)at)->recent;
}

static void
put_target_rate(struct table *table, const struct report *report, const void *at)
{
	put_rate(&table->text, report_rate(report, ((const struct target_row *)at)->recent));
}

static double
number_total(const void *at)
{
	return (double)((const struct target_row *)at)->total;
}

static void
put_total(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_u64(&table->text, ((const struct target_row *)at)->total);
}

static double
number_error(const void *at)
{
	return (double)((const struct target_row *)at)->error;
}

static void
put_error(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_u64(&table->text, ((const struct target_row *)at)->error);
}

static const char *
unique_target(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	const struct target_row *row = at;
	snprintf(buffer, VIEW_TEXT_BYTES, "%u %s", row->is, row->text);
	return buffer;
}

static void *
target_rows(struct report *report, size_t **n)
{
	*n = &report->n_targets;
	return report->targets;
}

static const struct column target_columns[] = {
	{"rate", "/s", true, 0, put_target_rate, number_rate, NULL},
	{"total", "TOTAL", true, 0, put_total, number_total, NULL},
	{"error", "ERROR", true, 1, put_error, number_error, NULL},
	{"kind", "KIND", false, 0, put_kind, NULL, text_kind},
	{"target", "TARGET", false, 0, put_target, NULL, text_target},
};

const struct view view_targets = {
	.name = "targets", .part = REPORT_TARGETS,
	.columns = target_columns, .n_columns = sizeof target_columns / sizeof target_columns[0],
	.sort = 1, .key = 4,
	.unique = unique_target,
	.row_bytes = sizeof(struct target_row), .rows = target_rows,
};

/* ---- tail ---- */

static const char *
text_line(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return ((const struct tail_row *)at)->line;
}

static void
put_line(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_string(&table->text, text_line(at, NULL));
}

/* They keep their order: the newest first. */
static double
number_same(const void *at)
{
	(void)at;
	return 0;
}

static void *
tail_rows(struct report *report, size_t **n)
{
	*n = &report->n_tail;
	return report->tail;
}

static const struct column tail_columns[] = {
	{"time", "TIME            PID/TID          EVENT               DETAILS  AT", false, 0, put_line,
	 number_same, text_line},
};

const struct view view_tail = {
	.name = "tail", .part = REPORT_TAIL,
	.columns = tail_columns, .n_columns = sizeof tail_columns / sizeof tail_columns[0],
	.sort = 0, .key = 0,
	.row_bytes = sizeof(struct tail_row), .rows = tail_rows,
};
