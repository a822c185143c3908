/* SPDX-License-Identifier: MIT */
#include "counters.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* What cannot be read is zero: a hole is, and a truncated object gives no more. */
static void
read_at(int fd, uint64_t offset, void *to, size_t n)
{
	ssize_t got = pread(fd, to, n, (off_t)offset);
	size_t filled = got > 0 ? (size_t)got : 0;
	memset((uint8_t *)to + filled, 0, n - filled);
}

void
counters_sum(int fd, const struct segment_layout *at, uint32_t n_lanes, uint64_t *sums,
	     uint32_t n_ids)
{
	uint64_t part[512];
	memset(sums, 0, n_ids * sizeof *sums);
	for (uint32_t lane = 0; lane < n_lanes; lane++) {
		uint64_t start = segment_lane_offset(at, lane) + at->counters;
		for (uint32_t id = 0; id < n_ids; id += 512) {
			uint32_t n = n_ids - id < 512 ? n_ids - id : 512;
			read_at(fd, start + id * sizeof *part, part, n * sizeof *part);
			for (uint32_t i = 0; i < n; i++)
				sums[id + i] += part[i];
		}
	}
}

void
counters_levels(int fd, const struct segment_layout *at, uint8_t *levels, uint32_t n_ids)
{
	read_at(fd, at->levels, levels, n_ids);
}
