/* SPDX-License-Identifier: MIT */
/*
 * A view is a kind of rows of a report (report.h) and the columns that people see of them. Views of
 * the same rows share a file, view_*.c.
 */
#ifndef COLLECTOR_TOP_VIEW_H
#define COLLECTOR_TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "report.h"
#include "table.h"

#define VIEW_TEXT_BYTES 512

struct column {
	const char *name;  /* for --sort */
	const char *title;
	bool right;
	unsigned char rank; /* where not all have room, those of higher ranks are left out first */
	/* Append the text of a cell to table->text; the caller ends the cell. */
	void (*put)(struct table *table, const struct report *report, const void *row);
	/* What rows are sorted by: one of the two. */
	double (*number)(const void *row);
	const char *(*text)(const void *row, char buffer[VIEW_TEXT_BYTES]);
};

struct view {
	const char *name;
	unsigned part;             /* enum report_part: what it needs */
	const struct column *columns;
	unsigned n_columns;        /* at most TABLE_COLUMNS */
	unsigned sort;             /* column, when none is chosen */
	unsigned key;              /* column that is searched and filtered by: has text() */
	/* What no other row has, however they are sorted; NULL: the text of its key. */
	const char *(*unique)(const void *row, char buffer[VIEW_TEXT_BYTES]);
	size_t row_bytes;
	void *(*rows)(struct report *report, size_t **n);
};

enum view_id {
	VIEW_PROCESSES,
	VIEW_EVENTS,
	VIEW_FUNCTIONS,
	VIEW_LOSSES,
	VIEW_RINGS,
	VIEW_TARGETS,
	VIEW_TAIL,
	N_VIEWS
};
extern const struct view view_processes, view_events, view_functions, view_losses, view_rings,
	view_targets, view_tail;

const struct view *view_get(enum view_id id);

/* -1: no view, or no column, of that name. */
int view_find(const char *name);
int view_column(const struct view *view, const char *name);

/* How rows are chosen and put in order. */
struct arrangement {
	unsigned sort;      /* column: numbers begin with the most, text with A */
	bool invert;
	const char *filter; /* NULL or "": all; else those whose key has it, whatever its case */
};

/* Leave out what the filter does not want, and sort the rest: in the report itself. */
void view_arrange(const struct view *view, const struct arrangement *arrangement,
		  struct report *report);

/*
 * The titles, then rows [first, first + n), as lines of text. Columns of a rank above 0 are left
 * out when `width` characters are not enough; 0: no limit. The last column may go beyond.
 */
void view_print(const struct view *view, struct report *report, size_t first, size_t n,
		size_t width, struct line *out);

/* Text of the key column of a row. */
const char *view_key(const struct view *view, struct report *report, size_t row,
		     char buffer[VIEW_TEXT_BYTES]);

/* The same of what no other row has. */
const char *view_unique(const struct view *view, struct report *report, size_t row,
			char buffer[VIEW_TEXT_BYTES]);

/* ---- for view_*.c ---- */

void put_rate(struct line *out, double rate); /* 0, 0.3, 12, 4321, 87k, 1.2M */
void put_percent(struct line *out, uint64_t part, uint64_t whole);

#endif
