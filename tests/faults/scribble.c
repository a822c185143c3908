/* SPDX-License-Identifier: MIT */
/*
 * scribble OBJECT WHAT SEED: writes at full speed into a segment, until it is killed. It says
 * "ready" when it has begun. WHAT is one of the names in `kinds`, or "all".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "defs.h"
#include "segment.h"

static struct segment_layout at;
static struct segment_header header; /* as it was */
static uint8_t *object;
static uint64_t state;

static uint64_t
dice(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t
below(uint64_t n)
{
	return dice() % n;
}

/* Extremes, neighbours of what is there, anything. */
static uint64_t
number(uint64_t near)
{
	static const uint64_t extremes[] = {
		0, 1, 63, 4096, 1u << 16, UINT32_MAX, UINT64_C(1) << 46, INT64_MAX,
		UINT64_C(1) << 63, UINT64_MAX};
	switch (below(3)) {
	case 0: return extremes[below(sizeof extremes / sizeof extremes[0])];
	case 1: return near + below(140) - 70;
	default: return dice() >> below(64);
	}
}

static void
put(uint64_t offset, uint64_t value)
{
	*(volatile uint64_t *)(object + offset) = value;
}

static uint64_t
get(uint64_t offset)
{
	return *(volatile uint64_t *)(object + offset);
}

static uint64_t
some_lane(void)
{
	return segment_lane_offset(&at, (uint32_t)(below(4) == 0 ? below(3) : 0));
}

static void
scribble_header(void)
{
	uint64_t offset = 8 * below(sizeof header / 8);
	put(offset, number(get(offset)));
}

static void
scribble_control(void)
{
	uint64_t offset = at.control + 8 * below(sizeof(struct segment_control) / 8);
	put(offset, number(get(offset)));
}

static void
scribble_levels(void)
{
	object[at.levels + below(4096)] = (uint8_t)dice();
}

static void
scribble_lanes(void)
{
	uint64_t offset = some_lane() + 8 * below(sizeof(struct lane_shared) / 8);
	put(offset, number(get(offset)));
}

static void
scribble_counters(void)
{
	put(some_lane() + at.counters + 8 * below(512), number(0));
}

static void
scribble_stats(void)
{
	put(at.call_tables + 8 * below(4096), number(0));
}

static void
scribble_defs(void)
{
	uint64_t used = get(at.defs) & 0xffff8, offset = at.defs;
	if (below(16) != 0)
		offset += DEFS_HEAD_BYTES + (8 * below(used / 8 + 8)) % (header.defs_bytes - 128);
	put(offset, number(get(offset)));
}

/* A slot near the head of a lane, which may be read at this moment. */
static uint64_t
some_slot(void)
{
	uint64_t lane = at.lanes, position = get(lane) + below(80) - 70;
	return lane + at.slots + (position & (header.lane0_slots - 1)) * SLOT_BYTES;
}

static void
scribble_slots(void)
{
	uint64_t slot = some_slot();
	put(slot + 8 * below(8), number(get(slot)));
}

/* Packed calls: plausible heads, any words. */
static void
scribble_calls(void)
{
	uint64_t slot = some_slot(), seq = get(at.lanes + offsetof(struct lane_shared, seq));
	if (below(4) == 0)
		put(slot, record_w0(1, 1, RECORD_CALLS, seq + below(12) - 6));
	put(slot + 16, calls_w2(calls_stack((uint32_t)below(4), (uint32_t)below(4)), (uint32_t)number(3)));
	put(slot + 24 + 8 * below(5), below(16) << 60 | (below(300) << CALLS_TICK_BITS) | below(1000));
	if (below(64) == 0)
		put(at.lanes + offsetof(struct lane_shared, calls), number(seq));
}

static const struct kind {
	const char *name;
	void (*scribble)(void);
} kinds[] = {
	{"header", scribble_header}, {"control", scribble_control}, {"levels", scribble_levels},
	{"lanes", scribble_lanes}, {"counters", scribble_counters}, {"stats", scribble_stats},
	{"defs", scribble_defs}, {"slots", scribble_slots}, {"calls", scribble_calls},
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

static void
map(const char *path)
{
	int fd = open(path, O_RDWR);
	if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header) {
		perror(path);
		exit(1);
	}
	at = segment_layout(&header);
	object = mmap(NULL, at.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (object == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	size_t first = 0, n = N_KINDS;
	if (argc != 4)
		return 2;
	for (size_t i = 0; i < N_KINDS; i++) {
		if (strcmp(argv[2], kinds[i].name) == 0) {
			first = i;
			n = 1;
		}
	}
	state = strtoull(argv[3], NULL, 10);
	map(argv[1]);
	puts("ready");
	fflush(stdout);
	for (;;)
		kinds[first + below(n)].scribble();
}
