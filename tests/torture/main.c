/* SPDX-License-Identifier: MIT */
/*
 * A lane between two processes, at full speed, under lies and under SIGKILL.
 *
 *	torture_lane [-t SECONDS] [-s SEED] [TEST...]
 *
 * What a record holds follows from its seq alone, so the consumer checks each word, and what
 * it did not get must be counted, but for one event that a kill may find under way. SECONDS
 * is for all tests together. tests/steps/torture builds and runs this.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "tests.h"

static const struct torture {
	const char *name;
	void (*run)(enum lane_mode mode);
	enum lane_mode mode;
} tortures[] = {
	{"drop", live, LANE_DROP},
	{"overwrite", live, LANE_OVERWRITE},
	{"block", live, LANE_BLOCK},
	{"block-timeouts", live_timeouts, LANE_BLOCK},
	{"forks", live_forking, LANE_DROP},
	{"lookers-drop", lookers, LANE_DROP},
	{"lookers-block", lookers, LANE_BLOCK},
	{"lookers-overwrite", lookers, LANE_OVERWRITE},
	{"lying-consumer-drop", lying_consumer, LANE_DROP},
	{"lying-consumer-block", lying_consumer, LANE_BLOCK},
	{"lying-producer-drop", lying_producer, LANE_DROP},
	{"lying-producer-overwrite", lying_producer, LANE_OVERWRITE},
	{"kill-producer-drop", kill_producer, LANE_DROP},
	{"kill-producer-overwrite", kill_producer, LANE_OVERWRITE},
	{"kill-producer-block", kill_producer, LANE_BLOCK},
	{"kill-consumer-drop", kill_consumer, LANE_DROP},
	{"kill-consumer-block", kill_consumer, LANE_BLOCK},
	{"kill-consumer-noticed", kill_consumer_noticed, LANE_BLOCK},
	{"step-producer-drop", step_producer, LANE_DROP},
	{"step-producer-overwrite", step_producer, LANE_OVERWRITE},
	{"step-producer-block", step_producer, LANE_BLOCK},
	{"step-consumer", step_consumer, LANE_DROP},
	{"threads-drop", threads, LANE_DROP},
	{"threads-block", threads, LANE_BLOCK},
	{"threads-reuse", threads_reuse, LANE_DROP},
	{"threads-looker", threads_looker, LANE_DROP},
};
#define N_TORTURES (sizeof tortures / sizeof tortures[0])

static bool
chosen(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return n == 0;
}

int
main(int argc, char **argv)
{
	double seconds = 5;
	int option, n = 0;
	seed = (unsigned)clock_ns(CLOCK_REALTIME) % 1000000;
	while ((option = getopt(argc, argv, "t:s:")) != -1) {
		if (option == 't') {
			seconds = atof(optarg);
		} else if (option == 's') {
			seed = (unsigned)atoi(optarg);
		} else {
			fprintf(stderr, "usage: torture_lane [-t SECONDS] [-s SEED] [TEST...]\n");
			return 2;
		}
	}
	arena_open();
	for (size_t i = 0; i < N_TORTURES; i++)
		n += chosen(tortures[i].name, argv + optind, argc - optind);
	for (size_t i = 0; i < N_TORTURES; i++) {
		if (!chosen(tortures[i].name, argv + optind, argc - optind))
			continue;
		test = tortures[i].name;
		random_start(seed); /* so that a test alone is the same test */
		deadline_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds / n * 1e9);
		tortures[i].run(tortures[i].mode);
		fflush(stdout);
	}
	return n > 0 ? 0 : 2;
}
