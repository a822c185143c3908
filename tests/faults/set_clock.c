/* SPDX-License-Identifier: MIT */
/*
 * For LD_PRELOAD: CLOCK_REALTIME is ahead by as many seconds as the file $SET_CLOCK says now, an
 * int64_t. The machine's own clock is left alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("SET_CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *file = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
	if (file != MAP_FAILED)
		ahead = file;
	if (fd >= 0)
		close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *time)
{
	int result = (int)syscall(SYS_clock_gettime, id, time);
	if (result == 0 && id == CLOCK_REALTIME && ahead != NULL)
		time->tv_sec += (time_t)*ahead;
	return result;
}
