/* SPDX-License-Identifier: MIT */
/* The command line of `auditd-collect top`. The table in top_options.c is also the help. */
#ifndef COLLECTOR_TOP_TOP_OPTIONS_H
#define COLLECTOR_TOP_TOP_OPTIONS_H

#include "options.h"
#include "view.h"

struct top_options {
	struct options common; /* whom, -e, --calls, --format, -q: parsed by their functions */
	bool view_given[N_VIEWS];
	const char *sort;      /* column, of the first view; NULL: the view's own */
	bool invert;
	uint64_t interval_ns;
	uint64_t iterations;   /* 0: until we are told to leave */
	uint64_t most_rows;    /* of each view; 0: all */
	bool batch;            /* print, and draw nothing */
	bool line;             /* one line for each interval */
};

/* 0, OPTIONS_HELP, or -EINVAL with `why` a sentence, or -ENOMEM. Then top_options_fini(). */
int top_options_parse(struct top_options *options, int argc, char **argv, char *why,
		      size_t why_bytes);
void top_options_fini(struct top_options *options);
void top_options_print_help(FILE *file);

#endif
