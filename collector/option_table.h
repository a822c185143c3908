/* SPDX-License-Identifier: MIT */
/* Options as a table: it is parsed by, and it is the help. */
#ifndef COLLECTOR_OPTION_TABLE_H
#define COLLECTOR_OPTION_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "options.h"

/* What an option does with its argument: 0, an outcome, -EINVAL with `why`, or -ENOMEM. */
typedef int (*option_fn)(struct options *options, const char *value, char *why, size_t size);

struct option_row {
	const char *group;    /* not NULL: a heading of the help stands before this row */
	char letter;          /* 0: none */
	const char *name;
	const char *argument; /* NULL: takes none; "[=...": may be left out */
	option_fn apply;
	const char *help;
};

struct option_table {
	const struct option_row *rows;
	size_t n; /* at most OPTION_TABLE_ROWS */
};
#define OPTION_TABLE_ROWS 64

void option_table_print(const struct option_table *table, FILE *file);

/*
 * Apply argv[1..] up to the first word that is no option: optind is where. What some row's
 * `apply` returned, if not 0, or -EINVAL with `why` a sentence.
 */
int option_table_parse(const struct option_table *table, struct options *options, int argc,
		       char **argv, char *why, size_t why_bytes);

#endif
