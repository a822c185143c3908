/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define UNTOUCHED 0xa5

struct arena *arena;
uint64_t n_slots, start, turn;
unsigned wait_limit;
const char *test = "";
unsigned seed;
uint64_t deadline_ns;

static uint64_t random_state;

void
arena_open(void)
{
	arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(arena != MAP_FAILED, "mmap");
}

void
arena_reset(uint64_t slots)
{
	memset(arena, 0, sizeof *arena);
	memset(arena->slots, UNTOUCHED, sizeof arena->slots);
	arena->reader_alive = 1;
	n_slots = slots;
	wait_limit = 500000; /* for ever: a machine may be slow */
	start = random_below(2) ? -random_below(4 * slots) : 0;
	turn = random_below(1000);
	arena->lane.head = arena->lane.tail = arena->lane.intent = start;
}

void
arena_check_untouched(void)
{
	for (uint64_t i = n_slots; i < MOST_SLOTS; i++)
		for (int j = 0; j < 8; j++)
			must(arena->slots[i].w[j] == 0x0101010101010101u * UNTOUCHED,
			     "slot %" PRIu64 " of %" PRIu64, i, n_slots);
}

_Noreturn void
fail(const char *file, int line, const char *condition, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	printf("%s: %s:%d, seed %u: not so: %s; ", test, file, line, seed, condition);
	vprintf(format, values);
	putchar('\n');
	fflush(stdout);
	_exit(1); /* the children follow: PR_SET_PDEATHSIG */
}

void
random_start(uint64_t from)
{
	random_state = from;
}

uint64_t
random_below(uint64_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % n;
}

bool
time_is_left(void)
{
	return clock_ns(CLOCK_MONOTONIC) < deadline_ns;
}

pid_t
fork_child(void)
{
	fflush(stdout);
	pid_t parent = getpid(), pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

void
reap(pid_t pid)
{
	int status;
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	must(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0,
	     "the child ended with %#x", (unsigned)status);
}

void
kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	reap(pid);
}
