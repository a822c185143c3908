/* SPDX-License-Identifier: MIT */
/* A row for each function whose calls are summed up. */
#include <inttypes.h>
#include <stdio.h>

#include "cells.h"
#include "view.h"

static const struct function *
function_of(const void *at)
{
	return ((const struct function_row *)at)->function;
}

static const char *
text_whole_name(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	const struct function *function = function_of(at);
	snprintf(buffer, VIEW_TEXT_BYTES, "%s%s%s", function->module,
		 function->module[0] != '\0' ? "." : "", function->func);
	return buffer;
}

static void
put_function(struct table *table, const struct report *report, const void *at)
{
	char text[VIEW_TEXT_BYTES];
	(void)report;
	put_text(&table->text, text_whole_name(at, text));
}

static const char *
text_place(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	const struct function *function = function_of(at);
	buffer[0] = '\0';
	if (function->file[0] != '\0')
		snprintf(buffer, VIEW_TEXT_BYTES, "%s:%u", function->file, function->line);
	return buffer;
}

static void
put_place(struct table *table, const struct report *report, const void *at)
{
	char text[VIEW_TEXT_BYTES];
	(void)report;
	put_text(&table->text, text_place(at, text));
}

static double
number_rate(const void *at)
{
	return (double)((const struct function_row *)at)->calls.recent;
}

static void
put_call_rate(struct table *table, const struct report *report, const void *at)
{
	put_rate(&table->text, report_rate(report, ((const struct function_row *)at)->calls.recent));
}

static double
number_calls(const void *at)
{
	return (double)((const struct function_row *)at)->calls.total;
}

static void
put_calls(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	line_u64(&table->text, ((const struct function_row *)at)->calls.total);
}

/* At level count no times are known. */
static void
put_time(struct table *table, const void *at, double value, const char *format)
{
	char text[40];
	snprintf(text, sizeof text, format, value);
	line_string(&table->text, ((const struct function_row *)at)->has_times ? text : "-");
}

static double
number_own(const void *at)
{
	return (double)((const struct function_row *)at)->own_ns;
}

static void
put_own(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	put_time(table, at, number_own(at) / 1e9, "%.6f");
}

static double
number_cum(const void *at)
{
	return (double)((const struct function_row *)at)->cum_ns;
}

static void
put_cum(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	put_time(table, at, number_cum(at) / 1e9, "%.6f");
}

static double
number_per_call(const void *at)
{
	return number_calls(at) > 0 ? number_own(at) / number_calls(at) : 0;
}

static void
put_per_call(struct table *table, const struct report *report, const void *at)
{
	(void)report;
	put_time(table, at, number_per_call(at) / 1e3, "%.3f");
}

static void *
rows(struct report *report, size_t **n)
{
	*n = &report->n_functions;
	return report->functions;
}

static const char *
unique_function(const void *at, char buffer[VIEW_TEXT_BYTES])
{
	const struct function *function = ((const struct function_row *)at)->function;
	snprintf(buffer, VIEW_TEXT_BYTES, "%" PRIu32 " %.200s %.200s", function->line, function->func,
		 function->file);
	return buffer;
}

static const struct column columns[] = {
	{"rate", "CALL/s", true, 0, put_call_rate, number_rate, NULL},
	{"calls", "CALLS", true, 0, put_calls, number_calls, NULL},
	{"own", "OWN s", true, 0, put_own, number_own, NULL},
	{"cum", "CUM s", true, 0, put_cum, number_cum, NULL},
	{"percall", "OWN us/call", true, 2, put_per_call, number_per_call, NULL},
	{"function", "FUNCTION", false, 0, put_function, NULL, text_whole_name},
	{"file", "FILE:LINE", false, 1, put_place, NULL, text_place},
};

const struct view view_functions = {
	.name = "functions", .part = REPORT_FUNCTIONS,
	.columns = columns, .n_columns = sizeof columns / sizeof columns[0],
	.sort = 2, .key = 5,
	.unique = unique_function,
	.row_bytes = sizeof(struct function_row), .rows = rows,
};
