/* SPDX-License-Identifier: MIT */
/* auditd-collect: a verb, or `collect`, which is the default. Only this file exits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"
#include "exit_status.h"
#include "launch.h"
#include "log.h"
#include "options.h"
#include "verb.h"

static int
collect(int argc, char **argv)
{
	struct options options;
	char why[600] = "";
	int status = EXIT_DONE;
	int err = options_parse(&options, argc, argv, why, sizeof why);
	if (err == OPTIONS_HELP) {
		options_print_help(stdout);
	} else if (err == OPTIONS_VERSION) {
		puts("auditd-collect " VERSION);
	} else if (err < 0) {
		log_error("%s", err == -ENOMEM ? strerror(ENOMEM) : why);
		status = EXIT_USAGE;
	} else {
		log_set_level(options.quiet ? LOG_QUIET : options.verbose ? LOG_VERBOSE : LOG_NORMAL);
		status = collect_run(&options);
	}
	if (fflush(stdout) != 0) {
		log_error("standard output: %s", strerror(errno));
		status = EXIT_FAILED;
	}
	options_fini(&options);
	return status;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the verb */
} verbs[] = {
	{"collect", collect},
	{"events", verb_events},
	{"list", verb_list},
	{"top", verb_top},
};

/*
 * Where they are closed, nothing of ours may get their numbers, and be written to. A command has
 * them as they were.
 */
static void
hold_standard_streams(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO) {
	}
	if (fd >= 0)
		close(fd);
}

int
main(int argc, char **argv)
{
	hold_standard_streams();
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	return collect(argc, argv);
}
