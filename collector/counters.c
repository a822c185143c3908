/* SPDX-License-Identifier: MIT */
#include "counters.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * Only what exists is read: a lane has 2 MiB of counters and a table of sums 8, nearly all of it a
 * hole, and a hostile header may promise 1024 of them.
 */
static void
add_words(int fd, uint64_t start, uint64_t *sums, size_t n_words)
{
	uint64_t part[512], end = start + n_words * sizeof *part;
	for (off_t at = (off_t)start; (uint64_t)at < end;) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 || (uint64_t)at >= end)
			break;
		uint64_t left = end - (uint64_t)at;
		ssize_t n = pread(fd, part, left < sizeof part ? left : sizeof part, at);
		if (n < (ssize_t)sizeof *part)
			break;
		uint64_t *sum = sums + ((uint64_t)at - start) / sizeof *part;
		for (size_t i = 0; i < (size_t)n / sizeof *part; i++)
			sum[i] += part[i];
		at += n;
	}
}

void
counters_sum(int fd, const struct segment_layout *at, uint32_t n_lanes, uint64_t *sums,
	     uint32_t n_ids)
{
	for (uint32_t lane = 0; lane < n_lanes; lane++)
		add_words(fd, segment_lane_offset(at, lane) + at->counters, sums, n_ids);
}

void
counters_calls(int fd, const struct segment_layout *at, struct call_stats *stats, uint32_t n_ids)
{
	const size_t words = sizeof *stats / sizeof stats->calls;
	for (uint32_t i = 0; i < at->n_call_tables; i++)
		add_words(fd, at->call_tables + i * at->call_table_bytes, (uint64_t *)stats,
			  n_ids * words);
}
