/* SPDX-License-Identifier: MIT */
#include "stepped.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"

void
stepped_begin(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(0);
	raise(SIGSTOP);
}

bool
stepped_wait(pid_t pid)
{
	int status;
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (!WIFSTOPPED(status))
		printf("%s: skipped: ptrace is not allowed here\n", test);
	return WIFSTOPPED(status);
}

void
step(pid_t pid)
{
	int status;
	must(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0, "ptrace");
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "the child: %#x", (unsigned)status);
}

void
stepped_one_processor(bool one)
{
	static cpu_set_t before;
	cpu_set_t now;
	if (one) {
		sched_getaffinity(0, sizeof before, &before);
		CPU_ZERO(&now);
		CPU_SET(sched_getcpu(), &now);
	} else {
		now = before;
	}
	sched_setaffinity(0, sizeof now, &now);
}
