/* SPDX-License-Identifier: MIT */
/* The command line of `collect`, as one struct. The table in options.c is also the help. */
#ifndef COLLECTOR_OPTIONS_H
#define COLLECTOR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "call_rules.h"
#include "levels.h"

enum output_format {
	FORMAT_AUTO, /* text on a terminal, json otherwise */
	FORMAT_JSON,
	FORMAT_TEXT,
};

/* Strings given on the command line; they point into argv. */
struct string_list {
	const char **items;
	size_t n;
};

#define OPTIONS_REVEAL_BYTES 512 /* as the segment has it */

struct options {
	/* whom: exactly one of these */
	uint32_t *pids;
	size_t n_pids;
	bool all;
	const char *name;
	struct string_list post_mortem; /* pids, names of segments, "all": of dead programs */
	bool dump;
	char **command; /* NULL-terminated, into argv; NULL: none */
	/* what */
	char events[LEVELS_TEXT_BYTES]; /* every -e, joined with commas; "": not given */
	struct string_list paths, addrs;
	int stack; /* -1: not given */
	bool backlog;
	char reveal[OPTIONS_REVEAL_BYTES]; /* every --reveal, joined with commas */
	bool redact;
	/* calls and returns */
	bool calls_wanted;
	struct call_settings calls; /* lists joined with commas */
	const char *calls_option;   /* one that says something about them, without its "--" */
	/* where to */
	struct string_list outputs;
	bool append;
	enum output_format format;
	bool summary, summary_only;
	/* how long, and what counts as a failure */
	uint64_t duration_ns;       /* 0: no limit */
	uint64_t max_events;        /* 0: no limit */
	uint64_t stats_interval_ns; /* 0: at the end only */
	bool fail_on_loss;
	bool quiet, verbose;
};

enum options_outcome {
	OPTIONS_HELP = 1,
	OPTIONS_VERSION = 2,
};

/*
 * Parse argv[1..]; the first word that is no option (after "--", usually) starts the command.
 * 0, an outcome, or -EINVAL with `why` a sentence that says what to do, or -ENOMEM. Call
 * options_fini() in every case.
 */
int options_parse(struct options *options, int argc, char **argv, char *why, size_t why_bytes);
void options_fini(struct options *options);

void options_print_help(FILE *file);

/* "json" or "text"; 0 or -EINVAL. For the verbs that have only this option, too. */
int options_parse_format(const char *text, enum output_format *format);

#endif
