/* SPDX-License-Identifier: MIT */
#include "table.h"

void
table_fini(struct table *table)
{
	line_fini(&table->text);
	line_fini(&table->ends);
}

void
table_cell(struct table *table)
{
	size_t end = table->text.len;
	line_bytes(&table->ends, &end, sizeof end);
}

void
table_string(struct table *table, const char *text)
{
	line_string(&table->text, text);
	table_cell(table);
}

/* In characters; the text is UTF-8. */
static size_t
width(const char *text, size_t n)
{
	size_t characters = 0;
	for (size_t i = 0; i < n; i++)
		characters += ((uint8_t)text[i] & 0xc0) != 0x80;
	return characters;
}

static void
pad(struct line *out, size_t n)
{
	while (n-- > 0)
		line_char(out, ' ');
}

void
table_print(const struct table *table, struct line *out)
{
	size_t widest[TABLE_COLUMNS] = {0}, owed = 0;
	const size_t *ends = (const size_t *)(const void *)table->ends.text;
	size_t n_cells = table->ends.len / sizeof *ends;
	if (table->text.failed || table->ends.failed) {
		out->failed = true;
		return;
	}
	for (size_t i = 0, from = 0; i < n_cells; from = ends[i++]) {
		size_t own = width(table->text.text + from, ends[i] - from);
		size_t *column = &widest[i % table->n_columns];
		*column = own > *column ? own : *column;
	}
	for (size_t i = 0, from = 0; i < n_cells; from = ends[i++]) {
		unsigned column = (unsigned)(i % table->n_columns);
		const char *cell = table->text.text + from;
		size_t n = ends[i] - from, gap = widest[column] - width(cell, n);
		bool right = table->right >> column & 1;
		/* The gap before a cell is written with it: no line ends in blanks. */
		owed = column == 0 ? 0 : owed + 2;
		if (n > 0) {
			pad(out, owed + (right ? gap : 0));
			line_bytes(out, cell, n);
			owed = right ? 0 : gap;
		} else {
			owed += gap;
		}
		if (column == table->n_columns - 1)
			line_char(out, '\n');
	}
}
