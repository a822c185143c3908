/* SPDX-License-Identifier: MIT */
#include "end.h"

#include <errno.h>
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

static bool
is_over(const struct proc_stat *stat)
{
	return stat->state == 'Z' || stat->state == 'X';
}

/* Its memory is gone already: what runs has an executable. */
static bool
is_on_its_way_out(int proc, const struct proc_stat *stat)
{
	char *exe = proc_link(proc, "exe");
	bool none = exe == NULL && errno == ENOENT;
	free(exe);
	return none && !is_over(stat);
}

static int
open_it(uint32_t pid, uint64_t start_time, struct proc_stat *stat)
{
	int proc = pid != 0 ? proc_open(pid) : -1;
	if (proc >= 0 && proc_stat(proc, stat) == 0 && stat->start_time == start_time)
		return proc;
	if (proc >= 0)
		close(proc);
	return -1;
}

bool
end_is_coming(uint32_t pid, uint64_t start_time)
{
	struct proc_stat stat;
	int proc = open_it(pid, start_time, &stat);
	if (proc < 0)
		return false;
	bool coming = is_on_its_way_out(proc, &stat);
	close(proc);
	return coming;
}

/* Of that which has no memory any more; but not for as long as giving back gigabytes may take. */
static void
wait_for_its_end(int proc, struct proc_stat *stat)
{
	struct timespec pause = {.tv_nsec = PAUSE_NS};
	for (int i = 0; i < PAUSES && is_on_its_way_out(proc, stat); i++) {
		nanosleep(&pause, NULL);
		if (proc_stat(proc, stat) < 0)
			stat->state = 'X';
	}
}

enum end_how
end_ask(uint32_t pid, uint64_t start_time, int pidfd, int *status)
{
	struct proc_stat stat;
	int proc = open_it(pid, start_time, &stat);
	bool there = proc >= 0, runs = false;
	if (there) {
		wait_for_its_end(proc, &stat);
		runs = !is_over(&stat) && !is_on_its_way_out(proc, &stat);
	}
	bool known = *status != -1;
	if (!known && there && stat.state == 'Z')
		known = ask_zombie(proc, status);
	else if (!known)
		known = ask_pidfd(pidfd, status);
	if (there)
		close(proc);
	if (runs)
		return END_EXEC;
	if (!known)
		return END_UNKNOWN;
	return WIFEXITED(*status) ? END_EXITED : END_KILLED;
}
