/* SPDX-License-Identifier: MIT */
#include "start_grace.h"

#include <stddef.h>
#include <string.h>
#include <sys/types.h>

#include "environment.h"
#include "proc.h"

/* So long asleep, or as old as that with so much processor time used, or so old in any case. */
struct start_grace {
	uint64_t asleep_ns, most_ns, cpu_ticks;
};
static const struct start_grace usual = {100000000, 1000000000, 10};
static const struct start_grace told = {2000000000, 10000000000, 500};

/* -I, -E or -S among its options: then it does not look at what tells it. */
static bool
looks_away(int proc)
{
	static char argv[4096];
	ssize_t n = proc_read(proc, "cmdline", argv, sizeof argv);
	const char *end = argv + (n > 0 ? n : 0), *at = argv + strlen(argv) + 1;
	for (; at < end && at[0] == '-' && at[1] != '-' && at[1] != '\0'; at += strlen(at) + 1) {
		size_t letters = strcspn(at + 1, "cmWX");
		const char *valued = at + 1 + letters; /* the rest is its value, or else the next one */
		if (strcspn(at + 1, "IES") < letters)
			return true;
		if (*valued == 'c' || *valued == 'm')
			return false;
		if (*valued != '\0' && valued[1] == '\0')
			at = valued + 2;
	}
	return false;
}

const struct start_grace *
start_grace_of(int proc)
{
	environment_read(proc);
	const char *on = environment_get("PYAUDITD=");
	const char *path = environment_get("PYTHONPATH=");
	bool launched = environment_get("PYAUDITD_LAUNCH=") != NULL;
	bool has_path = path != NULL && strstr(path, "python/site") != NULL;
	bool is_told = on != NULL && strcmp(on, "0") != 0 && (has_path || !launched);
	return is_told && !looks_away(proc) ? &told : &usual;
}

bool
start_grace_is_over(const struct start_grace *grace, uint64_t age_ns, uint64_t asleep_ns,
		    uint64_t cpu_ticks)
{
	return age_ns >= grace->most_ns || asleep_ns >= grace->asleep_ns ||
	       (age_ns >= grace->asleep_ns && cpu_ticks >= grace->cpu_ticks);
}
