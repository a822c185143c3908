/* SPDX-License-Identifier: MIT */
/* A run of the collector: what its set-up makes (collect.c) and its rounds use (rounds.c). */
#ifndef COLLECTOR_COLLECT_STATE_H
#define COLLECTOR_COLLECT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"
#include "give_back.h"
#include "launch.h"
#include "levels.h"
#include "options.h"
#include "outputs.h"
#include "printer.h"
#include "roster.h"
#include "stragglers.h"
#include "waiter.h"

struct collect {
	const struct options *options;
	char events[LEVELS_TEXT_BYTES]; /* -e, and what we need ourselves */
	struct outputs *outputs;
	struct filter *filter;
	struct printer printer;
	struct reading reading;
	struct roster roster;
	struct waiter waiter;
	struct give_back give_back;
	struct launch launch;
	uint64_t started_ns, now_ns;
	uint64_t next_tick_ns, next_alive_ns, next_stats_ns, alone_since_ns;
	unsigned n_idle_ticks; /* until somebody is seen */
	uint64_t over_since_ns; /* the command has ended, and nobody is followed; 0: not so */
	uint64_t next_stragglers_ns;
	enum stragglers stragglers; /* as of the last look, since then */
	bool terminated;       /* a SIGTERM was passed on to the command */
	bool leaving;
};

#endif
