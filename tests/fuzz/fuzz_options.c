/* SPDX-License-Identifier: MIT */
/* The command line: words divided by NUL. What is accepted is then used as collect.c uses it. */
#include <errno.h>

#include "call_rules.h"
#include "filter.h"
#include "fuzz.h"
#include "options.h"

#define WORDS 64
#define BYTES 16384

static char buffer[BYTES + 1], why[400];

static void
use(const struct options *options)
{
	static struct level_rules levels;
	static struct call_rules calls;
	struct filter *filter = filter_new();
	for (size_t i = 0; i < options->paths.n; i++)
		filter_add_path(filter, options->paths.items[i], why, sizeof why);
	for (size_t i = 0; i < options->addrs.n; i++)
		filter_add_addr(filter, options->addrs.items[i], why, sizeof why);
	filter_free(filter);
	NEED(level_rules_parse(&levels, options->events, false, why, sizeof why) == 0);
	call_rules_parse(&calls, options->calls.match, options->calls.files, why, sizeof why);
	NEED(options->reveal[OPTIONS_REVEAL_BYTES - 1] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char *argv[WORDS + 2] = {(char *)"auditd-collect"};
	int argc = 1;
	struct options options;
	if (n > BYTES)
		n = BYTES;
	memcpy(buffer, bytes, n);
	buffer[n] = '\0';
	for (size_t at = 0; at < n && argc <= WORDS; at += strlen(buffer + at) + 1)
		argv[argc++] = buffer + at;
	memset(why, 0, sizeof why);
	int err = options_parse(&options, argc, argv, why, sizeof why);
	NEED(err == 0 || err == -EINVAL || err == OPTIONS_HELP || err == OPTIONS_VERSION);
	NEED((err == -EINVAL) == (why[0] != '\0') || err != -EINVAL);
	if (err == 0)
		use(&options);
	options_fini(&options);
	return 0;
}
