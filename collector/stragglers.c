/* SPDX-License-Identifier: MIT */
#include "stragglers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "environment.h"
#include "proc.h"
#include "untraced.h"

#define EXEC_NS 200000000u /* so old a program that forks to run another does so */

struct look {
	char mark[40];
	enum stragglers found;
};

static uint64_t
age_ns(const struct proc_stat *stat)
{
	uint64_t ns_per_tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME), started_ns = stat->start_time * ns_per_tick;
	return now_ns > started_ns ? now_ns - started_ns : 0;
}

static enum stragglers
what_it_is(int proc, const char *mark)
{
	struct proc_stat stat;
	if (proc_stat(proc, &stat) < 0 || stat.state == 'Z' || stat.state == 'X')
		return STRAGGLERS_NONE;
	environment_read(proc);
	if (environment_get(mark) == NULL)
		return STRAGGLERS_NONE;
	if (age_ns(&stat) < EXEC_NS || untraced_python(proc))
		return STRAGGLERS_STARTING;
	return untraced_worker(proc) ? STRAGGLERS_SILENT : STRAGGLERS_NONE;
}

/* A proc_each_fn. */
static bool
look_at(void *context, uint32_t pid)
{
	struct look *look = context;
	int proc = proc_open(pid);
	if (proc < 0)
		return true;
	enum stragglers is = what_it_is(proc, look->mark);
	if (is > look->found)
		look->found = is;
	close(proc);
	return look->found != STRAGGLERS_SILENT;
}

enum stragglers
stragglers_look(uint64_t launch_id)
{
	struct look look = {.found = STRAGGLERS_NONE};
	snprintf(look.mark, sizeof look.mark, "PYAUDITD_LAUNCH=%016" PRIx64 ":", launch_id);
	proc_each(look_at, &look);
	return look.found;
}
