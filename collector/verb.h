/* SPDX-License-Identifier: MIT */
/*
 * The verbs `list` and `events`, which tell what there is and end. They share their options
 * and the way to stdout: everything is put together first and then written at once.
 */
#ifndef COLLECTOR_VERB_H
#define COLLECTOR_VERB_H

#include <stdbool.h>

#include "line.h"
#include "options.h"

/* argv[0] is the verb. Each returns what to exit with (exit_status.h). */
int verb_list(int argc, char **argv);
int verb_events(int argc, char **argv);
int verb_top(int argc, char **argv);

struct verb {
	const char *name;
	const char *help;    /* the whole text of --help */
	const char *pattern; /* what its argument is called; NULL: takes none */
};

struct verb_options {
	enum output_format format; /* decided: FORMAT_JSON or FORMAT_TEXT */
	const char *pattern;       /* NULL: not given */
};

/* True: go on. False: --help was printed, or stderr says what is wrong; leave with *status. */
bool verb_parse(const struct verb *verb, int argc, char **argv, struct verb_options *options,
		int *status);

/*
 * Write the lines to stdout; SIGPIPE is ignored from then on. Returns what to exit with: a
 * reader that leaves early, as `head` does, is no failure.
 */
int verb_print(const struct verb *verb, const struct line *lines);

#endif
