/* SPDX-License-Identifier: MIT */
/*
 * Columns for people, as wide as their widest entry. A cell is whatever was appended to
 * `text` since the last one; it must be harmless already (safe.h). Rows are filled cell by
 * cell; the last column is not padded.
 *
 *	struct table table = {.n_columns = 2, .right = 1 << 0};
 *	line_u64(&table.text, pid);      table_cell(&table);
 *	line_string(&table.text, name);  table_cell(&table);
 *	table_print(&table, &out);
 */
#ifndef COLLECTOR_TABLE_H
#define COLLECTOR_TABLE_H

#include "line.h"

#define TABLE_COLUMNS 16

struct table {
	unsigned n_columns; /* at most TABLE_COLUMNS */
	uint32_t right;     /* bit i: column i is aligned to the right */
	struct line text;
	struct line ends;   /* size_t of each cell: where it ends in text */
};

void table_fini(struct table *table);

void table_cell(struct table *table);
/* A cell with this text. */
void table_string(struct table *table, const char *text);

/* Append the rows; without memory out->failed is set. */
void table_print(const struct table *table, struct line *out);

#endif
