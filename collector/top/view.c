/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAST_COLUMN 16 /* characters that it should have behind its title */

static const struct view *const views[N_VIEWS] = {
	[VIEW_PROCESSES] = &view_processes, [VIEW_EVENTS] = &view_events,
	[VIEW_FUNCTIONS] = &view_functions, [VIEW_LOSSES] = &view_losses,
	[VIEW_RINGS] = &view_rings,         [VIEW_TARGETS] = &view_targets,
	[VIEW_TAIL] = &view_tail,
};

const struct view *
view_get(enum view_id id)
{
	return views[id];
}

int
view_find(const char *name)
{
	for (int i = 0; i < N_VIEWS; i++)
		if (strcmp(views[i]->name, name) == 0)
			return i;
	return -1;
}

int
view_column(const struct view *view, const char *name)
{
	for (unsigned i = 0; i < view->n_columns; i++)
		if (strcmp(view->columns[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* ---- order ---- */

struct order {
	const struct column *column;
	bool invert;
};

static int
compare(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	char left[VIEW_TEXT_BYTES], right[VIEW_TEXT_BYTES];
	int result;
	if (order->column->number != NULL) {
		double x = order->column->number(a), y = order->column->number(b);
		result = (x < y) - (x > y);
	} else {
		result = strcmp(order->column->text(a, left), order->column->text(b, right));
	}
	return order->invert ? -result : result;
}

static void *
row_at(const struct view *view, void *rows, size_t i)
{
	return (char *)rows + i * view->row_bytes;
}

const char *
view_key(const struct view *view, struct report *report, size_t row, char buffer[VIEW_TEXT_BYTES])
{
	size_t *n;
	void *rows = view->rows(report, &n);
	return row < *n ? view->columns[view->key].text(row_at(view, rows, row), buffer) : "";
}

const char *
view_unique(const struct view *view, struct report *report, size_t row,
	    char buffer[VIEW_TEXT_BYTES])
{
	size_t *n;
	void *rows = view->rows(report, &n);
	if (view->unique == NULL || row >= *n)
		return view_key(view, report, row, buffer);
	return view->unique(row_at(view, rows, row), buffer);
}

void
view_arrange(const struct view *view, const struct arrangement *arrangement, struct report *report)
{
	size_t *n, kept = 0;
	char buffer[VIEW_TEXT_BYTES];
	void *rows = view->rows(report, &n);
	bool all = arrangement->filter == NULL || arrangement->filter[0] == '\0';
	for (size_t i = 0; !all && i < *n; i++)
		if (strcasestr(view_key(view, report, i, buffer), arrangement->filter) != NULL)
			memmove(row_at(view, rows, kept++), row_at(view, rows, i), view->row_bytes);
	if (!all)
		*n = kept;
	struct order order = {&view->columns[arrangement->sort], arrangement->invert};
	/* The report's own order decides between equals: the sort must be stable, and qsort_r(3) of
	 * glibc is one while there is memory. */
	if (*n > 1)
		qsort_r(rows, *n, view->row_bytes, compare, &order);
}

/* ---- text ---- */

/* With the columns up to a rank. */
static void
print_ranks(const struct view *view, struct report *report, size_t first, size_t most,
	    unsigned rank, struct line *out)
{
	struct table table = {0};
	size_t *n;
	void *rows = view->rows(report, &n);
	for (unsigned i = 0; i < view->n_columns; i++) {
		if (view->columns[i].rank > rank)
			continue;
		table.right |= (uint32_t)view->columns[i].right << table.n_columns++;
		table_string(&table, view->columns[i].title);
	}
	for (size_t i = first; i < *n && i - first < most; i++)
		for (unsigned k = 0; k < view->n_columns; k++) {
			if (view->columns[k].rank > rank)
				continue;
			view->columns[k].put(&table, report, row_at(view, rows, i));
			table_cell(&table);
		}
	table_print(&table, out);
	table_fini(&table);
}

/* The title of the last column ends within the width, and with some room behind it. */
static bool
fits(const struct line *text, size_t width)
{
	const char *end = text->len > 0 ? memchr(text->text, '\n', text->len) : NULL;
	return end == NULL || (size_t)(end - text->text) + LAST_COLUMN < width;
}

void
view_print(const struct view *view, struct report *report, size_t first, size_t most,
	   size_t width, struct line *out)
{
	size_t begin = out->len;
	unsigned rank = 0;
	for (unsigned i = 0; i < view->n_columns; i++)
		rank = view->columns[i].rank > rank ? view->columns[i].rank : rank;
	print_ranks(view, report, first, most, rank, out);
	for (; width > 0 && rank > 0; rank--) {
		const struct line text = {.text = out->text + begin, .len = out->len - begin};
		if (fits(&text, width))
			return;
		out->len = begin;
		print_ranks(view, report, first, most, rank - 1, out);
	}
}

void
put_rate(struct line *out, double rate)
{
	static const char units[] = "kMGTP";
	char text[32];
	unsigned unit = 0;
	if (rate > 0 && rate < 9.95) {
		snprintf(text, sizeof text, "%.1f", rate);
	} else if (rate < 9999.5) {
		snprintf(text, sizeof text, "%.0f", rate);
	} else {
		for (rate /= 1000; rate >= 999.5 && unit < 4; unit++)
			rate /= 1000;
		snprintf(text, sizeof text, rate < 9.95 ? "%.1f%c" : "%.0f%c", rate, units[unit]);
	}
	line_string(out, text);
}

void
put_percent(struct line *out, uint64_t part, uint64_t whole)
{
	char text[16] = "-";
	if (whole > 0)
		snprintf(text, sizeof text, "%.1f", 100.0 * (double)part / (double)whole);
	line_string(out, text);
}
