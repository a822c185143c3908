/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum clock_kind
clock_choose(void)
{
#if defined(__x86_64__)
	/* The kernel keeps "tsc" only where it is invariant and the same on every processor. */
	char name[16] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, name, sizeof name - 1);
		close(fd);
		if (n > 0 && strncmp(name, "tsc\n", 4) == 0)
			return CLOCK_KIND_TSC;
	}
	return CLOCK_KIND_MONOTONIC;
#elif defined(__aarch64__)
	return CLOCK_KIND_CNTVCT; /* architecturally invariant */
#else
	return CLOCK_KIND_MONOTONIC;
#endif
}

struct clock_pair
clock_pair_read(enum clock_kind kind)
{
	/* The tightest of five: an interrupt between the reads would put the two apart. */
	struct clock_pair best = {0, 0};
	uint64_t best_width = UINT64_MAX;
	for (int i = 0; i < 5; i++) {
		uint64_t before = clock_ticks(kind);
		uint64_t now_ns = clock_ns(CLOCK_REALTIME);
		uint64_t width = clock_ticks(kind) - before;
		if (width < best_width) {
			best_width = width;
			best.ticks = before + width / 2;
			best.realtime_ns = now_ns;
		}
	}
	return best;
}
