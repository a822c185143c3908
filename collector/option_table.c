/* SPDX-License-Identifier: MIT */
#include "option_table.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

void
option_table_print(const struct option_table *table, FILE *file)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct option_row *row = &table->rows[i];
		char left[64], letter[8] = "    ";
		if (row->group != NULL)
			fprintf(file, "\n%s:\n", row->group);
		if (row->letter != 0)
			snprintf(letter, sizeof letter, "-%c, ", row->letter);
		snprintf(left, sizeof left, "%s--%s%s%s", letter, row->name,
			 row->argument != NULL && row->argument[0] != '[' ? " " : "",
			 row->argument != NULL ? row->argument : "");
		const char *line = row->help;
		for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
			fprintf(file, "  %-26s %.*s\n", left, (int)(end - line), line);
			left[0] = '\0';
		}
		fprintf(file, "  %-26s %s\n", left, line);
	}
}

static void
build_getopt(const struct option_table *table, struct option *longs, char *shorts)
{
	/* '+': stop at the command; ':': tell a missing argument from an unknown option. */
	*shorts++ = '+';
	*shorts++ = ':';
	for (size_t i = 0; i < table->n; i++) {
		const struct option_row *row = &table->rows[i];
		bool has = row->argument != NULL, may = has && row->argument[0] == '[';
		longs[i] = (struct option){row->name,
					   may   ? optional_argument
					   : has ? required_argument
						 : no_argument,
					   NULL, 256 + (int)i};
		if (row->letter != 0) {
			*shorts++ = row->letter;
			if (has)
				*shorts++ = ':';
		}
	}
	*shorts = '\0';
}

static const struct option_row *
row_of(const struct option_table *table, int code)
{
	if (code >= 256)
		return &table->rows[code - 256];
	for (size_t i = 0; i < table->n; i++)
		if (table->rows[i].letter == code)
			return &table->rows[i];
	return NULL;
}

static int
refuse(const struct option_table *table, int code, char **argv, char *why, size_t size)
{
	const struct option_row *row = optopt != 0 ? row_of(table, optopt) : NULL;
	if (code == ':' && row != NULL)
		snprintf(why, size, "--%s needs an argument (%s)", row->name, row->argument);
	else if (row != NULL)
		snprintf(why, size, "--%s takes no argument", row->name);
	else if (optopt != 0)
		snprintf(why, size, "unknown option -%c (see --help)", optopt);
	else
		snprintf(why, size, "unknown option %s (see --help)", argv[optind - 1]);
	return -EINVAL;
}

int
option_table_parse(const struct option_table *table, struct options *options, int argc,
		   char **argv, char *why, size_t why_bytes)
{
	struct option longs[OPTION_TABLE_ROWS + 1] = {{0}};
	char shorts[2 * OPTION_TABLE_ROWS + 3];
	int code;
	assert(table->n <= OPTION_TABLE_ROWS);
	build_getopt(table, longs, shorts);
	optind = 0; /* start over: glibc and musl both take 0 for that */
	opterr = 0;
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = row_of(table, code);
		if (row == NULL)
			return refuse(table, code, argv, why, why_bytes);
		int err = row->apply(options, optarg, why, why_bytes);
		if (err != 0)
			return err;
	}
	return 0;
}
