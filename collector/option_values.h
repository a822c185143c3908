/* SPDX-License-Identifier: MIT */
/*
 * The arguments of the options, checked and stored. All have the shape of option_fn
 * (option_table.h): 0, -EINVAL with `why` a sentence, or -ENOMEM.
 */
#ifndef COLLECTOR_OPTION_VALUES_H
#define COLLECTOR_OPTION_VALUES_H

#include "options.h"

#define OPTION_VALUES(X) \
	X(pid) X(name) X(post_mortem) X(events) X(path) X(addr) X(stack) X(reveal) X(output) X(format) \
	X(stats_interval) X(duration) X(max_events) \
	X(calls) X(no_c_calls) X(max_depth) X(calls_file) X(calls_backend) X(calls_level)

#define X(name) \
	int option_##name(struct options *options, const char *value, char *why, size_t size);
OPTION_VALUES(X)
#undef X

#endif
