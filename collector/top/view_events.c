/* SPDX-License-Identifier: MIT */
/* A row for each name of an event; and one for each reason of a loss. */
#include "cells.h"
#include "view.h"

static const char *
text_name(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return ((const struct event_row *)at)->name;
}

static void
put_event(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	put_text(&table->text, ((const struct event_row *)at)->name);
}

static const char *
text_category(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return category_name(((const struct event_row *)at)->category);
}

static void
put_category(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_string(&table->text, text_category(at, NULL));
}

static const char *
text_level(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return event_row_level(at);
}

static void
put_level(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_string(&table->text, text_level(at, NULL));
}

static double
number_rate(const void *at)
{
	return (double)((const struct event_row *)at)->n.recent;
}

static void
put_event_rate(struct table *table, const struct report *report, const void *at)
{
	put_rate(&table->text, report_rate(report, ((const struct event_row *)at)->n.recent));
}

static double
number_total(const void *at)
{
	return (double)((const struct event_row *)at)->n.total;
}

static void
put_total(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_u64(&table->text, ((const struct event_row *)at)->n.total);
}

static void
put_share(struct table *table, const struct report *report, const void *at)
{
	put_percent(&table->text, ((const struct event_row *)at)->n.total,
		    report->header.events.total);
}

static const char *
text_last(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	const char *last = ((const struct event_row *)at)->last;
	(void)buffer;
	return last != NULL ? last : "";
}

/* When it was, and what it was about; where the events themselves are read. */
static void
put_last(struct table *table, const struct report *report, const void *at)
{
	const struct event_row *row = at;
	(void)report;
	if (row->last == NULL)
		return;
	struct line_clock clock = {0};
	size_t begin = table->text.len;
	line_time_of_day(&table->text, &clock, row->last_time_ns);
	if (table->text.len >= begin + 8)
		table->text.len = begin + 8; /* 15:00:01 */
	line_literal(&table->text, "  ");
	line_string(&table->text, row->last);
}

static void *
event_rows(struct report *report, size_t **n)
{
	*n = &report->n_events;
	return report->events;
}

static const struct column event_columns[] = {
	{"event", "EVENT", false, 0, put_event, NULL, text_name},
	{"category", "CATEGORY", false, 0, put_category, NULL, text_category},
	{"level", "LEVEL", false, 0, put_level, NULL, text_level},
	{"rate", "/s", true, 0, put_event_rate, number_rate, NULL},
	{"total", "TOTAL", true, 0, put_total, number_total, NULL},
	{"share", "SHARE%", true, 1, put_share, number_total, NULL},
	{"last", "LAST", false, 0, put_last, NULL, text_last},
};

const struct view view_events = {
	.name = "events", .part = REPORT_EVENTS,
	.columns = event_columns, .n_columns = sizeof event_columns / sizeof event_columns[0],
	.sort = 3, .key = 0,
	.row_bytes = sizeof(struct event_row), .rows = event_rows,
};

/* ---- losses ---- */

static const char *
text_reason(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	(void)buffer;
	return lost_reason_name(((const struct loss_row *)at)->reason);
}

static void
put_reason(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_string(&table->text, text_reason(at, NULL));
}

static double
number_loss_rate(const void *at)
{
	return (double)((const struct loss_row *)at)->n.recent;
}

static void
put_loss_rate(struct table *table, const struct report *report, const void *at)
{
	put_rate(&table->text, report_rate(report, ((const struct loss_row *)at)->n.recent));
}

static double
number_loss(const void *at)
{
	return (double)((const struct loss_row *)at)->n.total;
}

static void
put_loss(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_u64(&table->text, ((const struct loss_row *)at)->n.total);
}

static void *
loss_rows(struct report *report, size_t **n)
{
	*n = &report->n_losses;
	return report->losses;
}

static const struct column loss_columns[] = {
	{"reason", "LOST", false, 0, put_reason, NULL, text_reason},
	{"rate", "/s", true, 0, put_loss_rate, number_loss_rate, NULL},
	{"total", "TOTAL", true, 0, put_loss, number_loss, NULL},
};

const struct view view_losses = {
	.name = "losses", .part = REPORT_LOSSES,
	.columns = loss_columns, .n_columns = sizeof loss_columns / sizeof loss_columns[0],
	.sort = 2, .key = 0,
	.row_bytes = sizeof(struct loss_row), .rows = loss_rows,
};
