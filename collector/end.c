/* SPDX-License-Identifier: MIT */
#include "end.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

#define PAUSE_NS 1000000
#define PAUSES 50

/* linux/pidfd.h of 6.15; the header of the build machine may be older. */
struct exit_info {
	uint64_t mask, cgroupid;
	uint32_t ids[12];
};
_Static_assert(sizeof(struct exit_info) == 64, "PIDFD_INFO_SIZE_VER0");
#define GET_INFO _IOWR(0xFF, 11, struct exit_info)
_Static_assert(GET_INFO == END_GET_INFO, "");
#define INFO_EXIT (1u << 3)
#define EXIT_CODE 11 /* in ids */

const char *
end_name(enum end_how how)
{
	static const char *const names[] = {
#define X(name, text) [END_##name] = text,
		ENDS(X)
#undef X
	};
	return names[how];
}

/* Once it has been reaped. */
static bool
ask_pidfd(int pidfd, int *status)
{
	struct exit_info info = {.mask = INFO_EXIT};
	if (pidfd < 0 || ioctl(pidfd, GET_INFO, &info) < 0 || (info.mask & INFO_EXIT) == 0)
		return false;
	*status = (int)info.ids[EXIT_CODE];
	return true;
}

/* As long as it has not. The last field of stat, 0 for those who may not trace it. */
static bool
ask_zombie(int proc, int *status)
{
	char text[1024];
	if (proc_read(proc, "stat", text, sizeof text) <= 0)
		return false;
	const char *last = strrchr(text, ' ');
	return last != NULL && sscanf(last, " %d", status) == 1;
}

/*
 * On its way out it has no memory any more, and is not yet a zombie. What runs has an executable.
 */
static bool
has_memory(int proc)
{
	char *exe = proc_link(proc, "exe");
	free(exe);
	return exe != NULL;
}

/* Its state once it is over, or runs something; still the old one if that takes too long. */
static void
wait_for_its_end(int proc, struct proc_stat *stat)
{
	struct timespec pause = {.tv_nsec = PAUSE_NS};
	for (int i = 0; i < PAUSES && stat->state != 'Z' && stat->state != 'X' && !has_memory(proc);
	     i++) {
		nanosleep(&pause, NULL);
		if (proc_stat(proc, stat) < 0)
			stat->state = 'X';
	}
}

enum end_how
end_ask(uint32_t pid, uint64_t start_time, int pidfd, int *status)
{
	struct proc_stat stat = {.state = 'X'};
	int proc = pid != 0 ? proc_open(pid) : -1;
	bool there = proc >= 0 && proc_stat(proc, &stat) == 0 && stat.start_time == start_time;
	if (there)
		wait_for_its_end(proc, &stat);
	bool known = *status != -1;
	if (!known && there && stat.state == 'Z')
		known = ask_zombie(proc, status);
	else if (!known)
		known = ask_pidfd(pidfd, status);
	if (proc >= 0)
		close(proc);
	if (there && stat.state != 'Z' && stat.state != 'X')
		return END_EXEC;
	if (!known)
		return END_UNKNOWN;
	return WIFEXITED(*status) ? END_EXITED : END_KILLED;
}
