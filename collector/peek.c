/* SPDX-License-Identifier: MIT */
#include "peek.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "defs.h"
#include "identity.h"
#include "saturating.h"

/*
 * Each so manyth word from `begin` to `end`, whatever the object is. Counters and sums are a few
 * sparse MiB: only what exists is read. A page of them begins with the first word of an item.
 */
static uint64_t
sum_words(int fd, uint64_t begin, uint64_t end, size_t stride)
{
	uint64_t sum = 0, words[4096];
	for (off_t at = (off_t)begin; (uint64_t)at < end;) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 || (uint64_t)at >= end)
			break;
		uint64_t left = end - (uint64_t)at;
		ssize_t n = pread(fd, words, left < sizeof words ? left : sizeof words, at);
		if (n < (ssize_t)(stride * sizeof words[0]))
			break;
		for (size_t i = 0; i < (size_t)n / sizeof words[0]; i += stride)
			sum = plus(sum, words[i]);
		at += n;
	}
	return sum;
}

/* Calls that were counted, and not recorded. */
static uint64_t
sum_stats(int fd, const struct segment_layout *layout, uint32_t n_ids)
{
	_Static_assert(offsetof(struct call_stats, calls) == 0, "the first word of each");
	uint64_t sum = 0;
	for (uint32_t i = 0; i < layout->n_call_tables; i++) {
		uint64_t start = layout->call_tables + i * layout->call_table_bytes;
		uint64_t end = start + (uint64_t)n_ids * sizeof(struct call_stats);
		sum = plus(sum, sum_words(fd, start, end, sizeof(struct call_stats) / 8));
	}
	return sum;
}

static uint64_t
sum_reasons(const uint64_t lost[N_LOST_REASONS])
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		sum = plus(sum, lost[i]);
	return sum;
}

/*
 * The hook adds to the counter, then to seq, then to head or dropped: read the other way
 * round, each is at least what the one before explains.
 */
static void
add_lane(int fd, const struct segment_layout *layout, uint64_t lane_at, uint32_t n_ids,
	 struct peek *peek)
{
	struct lane_shared late = {0}, early = {0};
	uint64_t counters = lane_at + layout->counters;
	if (pread(fd, &late, sizeof late, (off_t)lane_at) < 0 ||
	    pread(fd, &early, sizeof early, (off_t)lane_at) < 0)
		return;
	uint64_t dropped = sum_reasons(late.dropped);
	uint64_t taken = plus(early.seq, 0);
	uint64_t recorded = less(taken, dropped);
	uint64_t seen = sum_words(fd, counters, counters + (uint64_t)n_ids * 8, 1);
	peek->recorded = plus(peek->recorded, recorded);
	peek->lost_hook = plus(peek->lost_hook, dropped);
	/* Calls and returns have no counter. */
	peek->counted = plus(peek->counted, less(seen, less(taken, early.calls)));
}

static void
add_up(int fd, const struct segment_layout *layout, struct peek *peek)
{
	const struct segment_header *header = &peek->header;
	peek->lanes = header->lanes_used < header->n_lanes ? (uint32_t)header->lanes_used
							    : header->n_lanes;
	peek->lost_hook = sum_reasons(header->lost); /* that reached no lane */
	for (uint32_t i = 0; i < peek->lanes; i++)
		add_lane(fd, layout, segment_lane_offset(layout, i), header->n_ids, peek);
	peek->counted = plus(peek->counted, sum_stats(fd, layout, header->n_ids));
	peek->attempted = plus(plus(peek->counted, peek->recorded), peek->lost_hook);
}

/* ---- who a dead process was ---- */

/* There is no other source: the first definition, made with the segment. */
static void
identify_dead(int fd, const struct segment_layout *layout, struct peek *peek,
	      struct identity *identity)
{
	_Alignas(uint64_t) uint8_t copy[DEFS_HEAD_BYTES + sizeof(struct def) + DEF_MAX_BYTES];
	uint64_t used, offset = 0;
	struct def def;
	const uint8_t *bytes;
	bool damaged;
	identity->ppid = peek->header.ppid;
	identity->start_time = peek->header.start_time;
	ssize_t n = pread(fd, copy, sizeof copy, (off_t)layout->defs);
	if (n < DEFS_HEAD_BYTES)
		return;
	memcpy(&used, copy, sizeof used);
	if (used > (uint64_t)n - DEFS_HEAD_BYTES)
		used = (uint64_t)n - DEFS_HEAD_BYTES;
	if (defs_next(copy + DEFS_HEAD_BYTES, used, &offset, &def, &bytes, &damaged) &&
	    def.kind == DEF_PROCESS)
		identity_from_process(identity, (const char *)bytes, def.len);
}

int
peek_segment(struct segment_found *found, struct peek *peek, char *why, size_t why_bytes)
{
	struct stat st;
	memset(peek, 0, sizeof *peek);
	int err = discover_header(found, &peek->header);
	if (err == 0)
		err = fstat(found->fd, &st) < 0 ? -errno
						: segment_check(&peek->header,
								(uint64_t)st.st_size, why,
								why_bytes);
	else if (err < 0)
		snprintf(why, why_bytes, "%s", strerror(-err));
	if (err > 0) {
		snprintf(why, why_bytes, "its process %s", found->identity.alive
								  ? "is still setting it up"
								  : "never set it up");
		err = -ENODATA;
	}
	if (err < 0)
		return err;
	struct segment_layout layout = segment_layout(&peek->header);
	add_up(found->fd, &layout, peek);
	if (!found->identity.alive)
		identify_dead(found->fd, &layout, peek, &found->identity);
	return 0;
}
