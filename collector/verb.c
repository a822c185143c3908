/* SPDX-License-Identifier: MIT */
#include "verb.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "exit_status.h"
#include "log.h"
#include "sink.h"

static const struct option longs[] = {
	{"format", required_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int
refuse(const struct verb *verb, int code, const char *word)
{
	if (code == ':')
		log_error("%s: --format needs an argument (json or text)", verb->name);
	else if (optopt == 'h' && strncmp(word, "--", 2) == 0)
		log_error("%s: --help takes no argument", verb->name);
	else if (optopt != 0)
		log_error("%s: unknown option -%c (see auditd-collect %s --help)", verb->name,
			  optopt, verb->name);
	else
		log_error("%s: unknown option %s (see auditd-collect %s --help)", verb->name,
			  word, verb->name);
	return EXIT_USAGE;
}

static int
take_word(const struct verb *verb, const char *word, struct verb_options *options)
{
	if (verb->pattern == NULL) {
		log_error("%s: takes no argument, not even '%s' (see auditd-collect %s --help)",
			  verb->name, word, verb->name);
		return EXIT_USAGE;
	}
	if (options->pattern != NULL) {
		log_error("%s: one %s at a time: '%s' is too much (was it in quotes?)", verb->name,
			  verb->pattern, word);
		return EXIT_USAGE;
	}
	options->pattern = word;
	return EXIT_DONE;
}

static int
take_format(const struct verb *verb, const char *text, struct verb_options *options)
{
	if (options_parse_format(text, &options->format) == 0)
		return EXIT_DONE;
	log_error("%s: '%s' is no format: json or text", verb->name, text);
	return EXIT_USAGE;
}

static int
print_help(const struct verb *verb)
{
	struct line help = {0};
	line_string(&help, verb->help);
	int status = verb_print(verb, &help);
	line_fini(&help);
	return status;
}

bool
verb_parse(const struct verb *verb, int argc, char **argv, struct verb_options *options,
	   int *status)
{
	int code;
	*options = (struct verb_options){.format = FORMAT_AUTO};
	*status = EXIT_DONE;
	optind = 0; /* start over: glibc and musl both take 0 for that */
	opterr = 0;
	/* '-': words and options in any order, even under POSIXLY_CORRECT; ':' as in option_table.c. */
	while (*status == EXIT_DONE && (code = getopt_long(argc, argv, "-:h", longs, NULL)) != -1) {
		if (code == 'h') {
			*status = print_help(verb);
			return false;
		}
		if (code == 'f')
			*status = take_format(verb, optarg, options);
		else if (code == 1)
			*status = take_word(verb, optarg, options);
		else
			*status = refuse(verb, code, argv[optind - 1]);
	}
	for (; *status == EXIT_DONE && optind < argc; optind++)
		*status = take_word(verb, argv[optind], options); /* behind "--" */
	if (options->format == FORMAT_AUTO)
		options->format = isatty(STDOUT_FILENO) ? FORMAT_TEXT : FORMAT_JSON;
	return *status == EXIT_DONE;
}

int
verb_print(const struct verb *verb, const struct line *lines)
{
	char why[200];
	struct sink sink;
	size_t n_lost;
	if (lines->failed) {
		log_error("%s: out of memory", verb->name);
		return EXIT_FAILED;
	}
	if (lines->len == 0)
		return EXIT_DONE;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	int err = sink_open(&sink, SINK_STDOUT, false, why, sizeof why);
	if (err == 0) {
		err = sink_write(&sink, lines->text, lines->len, &n_lost);
		if (err == -EPIPE)
			return EXIT_DONE;
		snprintf(why, sizeof why, "standard output: %s", strerror(-err));
	}
	if (err < 0)
		log_error("%s: %s", verb->name, why);
	return err < 0 ? EXIT_FAILED : EXIT_DONE;
}
