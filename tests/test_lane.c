/* SPDX-License-Identifier: MIT */
/* What the hook writes into a lane is what the collector reads, and the rest is counted. */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lane.h"
#include "suite.h"

#define N_SLOTS 64
#define QUARTER (N_SLOTS / 4)
#define MOST_SLOTS 16384
#define GUARD (16u * 4096)

static struct lane_shared shared;
static struct slot *slots; /* between two guards that nothing may touch */
static struct lane lane;
static struct lane_reader reader;
static struct slot copy[MOST_SLOTS];

/* What the lane asked of its process, and what it was told. */
static unsigned n_reserved, n_moved, n_woken, n_waited, n_asked_alive;
static int reserve_answer, move_answer;
static bool alive;
static unsigned waits_allowed;
static uint64_t release_per_wait;

static bool backed[MOST_SLOTS];

/* To touch a slot without memory ends the test. */
static void
set_backed(struct slot *first, uint64_t n, bool has_memory)
{
	int access = has_memory ? PROT_READ | PROT_WRITE : PROT_NONE;
	ck_assert_int_eq(mprotect(first, n * SLOT_BYTES, access), 0);
	memset(backed + (first - slots), has_memory, n);
}

static int
reserve(void *context, struct slot *first, uint64_t n)
{
	ck_assert_ptr_eq(context, &lane);
	n_reserved++;
	if (reserve_answer == 0)
		set_backed(first, n, true);
	return reserve_answer;
}

static bool
reader_alive(void *context)
{
	ck_assert_ptr_eq(context, &lane);
	n_asked_alive++;
	return alive;
}

static void
wake(void *context)
{
	ck_assert_ptr_eq(context, &lane);
	n_woken++;
}

static bool
wait_a_little(void *context, unsigned waited)
{
	ck_assert_ptr_eq(context, &lane);
	n_waited++;
	shared.tail += release_per_wait;
	return waited + 1 < waits_allowed;
}

static int
move(void *context, struct slot *from, struct slot *to, uint64_t n)
{
	ck_assert_ptr_eq(context, &lane);
	n_moved++;
	set_backed(from, n, false);
	if (move_answer == 0)
		set_backed(to, n, true);
	return move_answer;
}

static const struct lane_ops ops = {reserve, move, reader_alive, wake, wait_a_little};

/* A lane of no memory yet: what it did not reserve cannot be touched. */
static void
fresh(uint64_t n_slots, enum lane_mode mode, uint64_t reserved)
{
	static uint8_t *map;
	size_t bytes = MOST_SLOTS * SLOT_BYTES + 2 * GUARD;
	if (map != NULL)
		munmap(map, bytes);
	map = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	slots = (struct slot *)(map + GUARD);
	memset(backed, false, sizeof backed);
	if (reserved > 0)
		set_backed(slots, reserved, true);
	memset(&shared, 0, sizeof shared);
	n_reserved = n_moved = n_woken = n_waited = n_asked_alive = waits_allowed = 0;
	reserve_answer = move_answer = 0;
	release_per_wait = 0;
	alive = true;
	lane_init(&lane, &shared, slots, n_slots, mode, reserved, &ops, &lane);
	lane_reader_init(&reader, &shared, slots, n_slots, mode == LANE_OVERWRITE);
}

static uint8_t
byte_of(uint64_t seq, size_t i)
{
	return (uint8_t)((seq * 131 + i) * 2654435761u >> 13);
}

/* Events in the open slot, which seq does not count yet. */
static unsigned
n_open(void)
{
	return lane.call_end == NULL ? 0 : CALLS_PER_SLOT - (unsigned)(lane.call_end - lane.call_at);
}

/* Like emit in the hook: what a record has no room for is left out. True: committed. */
static bool
write_record(size_t n, size_t at_a_time)
{
	struct lane_writer w;
	uint8_t bytes[64];
	uint64_t seq = lane.seq + n_open(), head = lane.head;
	if (!lane_begin(&lane, &w, RECORD_AUDIT)) {
		lane_drop(&lane, lane_full_reason(&lane));
		return false;
	}
	if (n > lane_room(&w))
		n = lane_room(&w);
	for (size_t i = 0; i < n; i += at_a_time) {
		size_t part = n - i < at_a_time ? n - i : at_a_time;
		for (size_t j = 0; j < part; j++)
			bytes[j] = byte_of(seq, i + j);
		lane_put(&w, bytes, part);
	}
	lane_commit(&w, seq * 3, (uint32_t)seq + 7, (uint32_t)seq + 9);
	return lane.head != head;
}

static bool
write_slots(unsigned k)
{
	return write_record(k == 1 ? 1 : SLOT0_PAYLOAD + (k - 2) * SLOTN_PAYLOAD + 1, 64);
}

static unsigned
slots_for(size_t n)
{
	return n <= SLOT0_PAYLOAD
		       ? 1
		       : 1 + (unsigned)((n - SLOT0_PAYLOAD + SLOTN_PAYLOAD - 1) / SLOTN_PAYLOAD);
}

static size_t
payload_of(const struct slot *record, unsigned k, uint8_t *bytes)
{
	memcpy(bytes, &record[0].w[3], SLOT0_PAYLOAD);
	for (unsigned i = 1; i < k; i++)
		memcpy(bytes + SLOT0_PAYLOAD + (i - 1) * SLOTN_PAYLOAD, &record[i].w[1],
		       SLOTN_PAYLOAD);
	return SLOT0_PAYLOAD + (k - 1) * SLOTN_PAYLOAD;
}

/* The record at the start of `record`, whole, with this seq; its length in slots. */
static unsigned
assert_record(const struct slot *record, uint64_t n, uint64_t seq, size_t n_bytes)
{
	static uint8_t bytes[RECORD_MAX_SLOTS * SLOT_BYTES];
	int k = record_check(record, n);
	ck_assert_int_gt(k, 0);
	ck_assert_uint_eq(record_type(record->w[0]), RECORD_AUDIT);
	ck_assert_uint_eq(record_seq(record->w[0]), seq);
	ck_assert_uint_eq(record->w[1], seq * 3);
	ck_assert_uint_eq(record->w[2], (seq + 7) << 32 | (seq + 9));
	ck_assert_uint_ge(payload_of(record, (unsigned)k, bytes), n_bytes);
	for (size_t i = 0; i < n_bytes; i++)
		NEED_MSG(bytes[i] == byte_of(seq, i), "byte %zu of %" PRIu64, i, seq);
	return (unsigned)k;
}

static uint64_t
n_dropped(void)
{
	uint64_t n = 0;
	for (int i = 0; i < N_LOST_REASONS; i++)
		n += shared.dropped[i];
	return n;
}

START_TEST(records_of_every_length_come_back_whole)
{
	static const size_t at_a_time[] = {1, 7, 64};
	for (size_t a = 0; a < 3; a++) {
		fresh(N_SLOTS, LANE_DROP, 0);
		for (size_t n = 0; n <= SLOT0_PAYLOAD + 15 * SLOTN_PAYLOAD; n++) {
			ck_assert(write_record(n, at_a_time[a]));
			ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), slots_for(n));
			ck_assert_uint_eq(assert_record(copy, slots_for(n), n, n), slots_for(n));
			lane_reader_release(&reader, reader.position);
		}
		ck_assert_uint_gt(shared.head, 50 * N_SLOTS); /* it went round and round */
		ck_assert_uint_eq(n_dropped(), 0);
	}
}
END_TEST

START_TEST(a_record_takes_at_most_a_quarter_of_its_lane)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	size_t room = SLOT0_PAYLOAD + (QUARTER - 1) * SLOTN_PAYLOAD;
	ck_assert(write_record(room + 1000, 64));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), QUARTER);
	ck_assert_uint_eq(assert_record(copy, QUARTER, 0, room), QUARTER);

	/* What is put beyond the room is left out and harms nothing. */
	struct lane_writer w;
	uint8_t byte = 1;
	ck_assert(lane_begin(&lane, &w, RECORD_AUDIT));
	for (size_t i = 0; i < room + 1000; i++) {
		ck_assert_uint_eq(lane_room(&w), i < room ? room - i : 0);
		lane_put(&w, &byte, 1);
	}
	ck_assert(!w.lost);
	lane_commit(&w, 3, 8, 10);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), QUARTER);
	ck_assert_int_eq(record_check(copy, QUARTER), QUARTER);
}
END_TEST

START_TEST(a_record_takes_at_most_what_its_length_can_tell)
{
	fresh(MOST_SLOTS, LANE_DROP, 0);
	ck_assert(write_record(1u << 20, 64));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), RECORD_MAX_SLOTS);
	size_t room = SLOT0_PAYLOAD + (RECORD_MAX_SLOTS - 1) * SLOTN_PAYLOAD;
	ck_assert_uint_eq(assert_record(copy, MOST_SLOTS, 0, room), RECORD_MAX_SLOTS);
}
END_TEST

START_TEST(full_lane_counts_the_drop_and_leaves_a_gap)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	for (unsigned i = 0; i < N_SLOTS; i++)
		ck_assert(write_slots(1));
	for (unsigned i = 0; i < 10; i++)
		ck_assert(!write_slots(1));
	ck_assert_uint_eq(shared.dropped[LOST_LANE_FULL], 10);
	alive = false;
	for (unsigned i = 0; i < 5; i++)
		ck_assert(!write_slots(1));
	ck_assert_uint_eq(shared.dropped[LOST_NO_READER], 5);
	ck_assert_uint_eq(n_dropped(), 15);
	ck_assert_uint_eq(shared.seq, N_SLOTS + 15);
	ck_assert_uint_eq(shared.head, N_SLOTS);
	ck_assert_uint_eq(shared.high_water, N_SLOTS);

	/* What stood there is intact. */
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
	for (unsigned i = 0; i < N_SLOTS; i++)
		assert_record(copy + i, 1, i, 1);
	/* Copied is not released. */
	ck_assert(!write_slots(1));
	lane_reader_release(&reader, reader.position);
	ck_assert(write_slots(1));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 1);
	assert_record(copy, 1, N_SLOTS + 16, 1);
}
END_TEST

START_TEST(a_record_that_fills_the_lane_under_way_is_dropped_whole)
{
	for (unsigned left = 0; left < 5; left++) {
		fresh(N_SLOTS, LANE_DROP, 0);
		for (unsigned i = 0; i < N_SLOTS - left; i++)
			ck_assert(write_slots(1));
		ck_assert(!write_slots(5));
		ck_assert_uint_eq(shared.head, N_SLOTS - left);
		ck_assert_uint_eq(shared.seq, N_SLOTS - left + 1);
		ck_assert_uint_eq(shared.dropped[LOST_LANE_FULL], 1);
		if (left > 0)
			ck_assert(write_slots(left));
		ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
		for (unsigned i = 0; i < N_SLOTS - left; i++)
			assert_record(copy + i, 1, i, 1);
		if (left > 0)
			assert_record(copy + N_SLOTS - left, left, N_SLOTS - left + 1, 1);
	}
}
END_TEST

START_TEST(memory_is_reserved_before_it_is_touched)
{
	fresh(MOST_SLOTS, LANE_DROP, 0);
	unsigned written = 0;
	for (unsigned k = 1; shared.head < 3 * MOST_SLOTS; k = k % 7 + 1, written++) {
		ck_assert(write_slots(k)); /* an unreserved slot would end the test */
		lane_reader_copy(&reader, copy, MOST_SLOTS);
		lane_reader_release(&reader, reader.position);
	}
	ck_assert_uint_eq(n_reserved, MOST_SLOTS * SLOT_BYTES / (256 << 10));

	fresh(MOST_SLOTS, LANE_OVERWRITE, 0);
	for (unsigned k = 1; shared.head < 3 * MOST_SLOTS; k = k % 7 + 1)
		ck_assert(write_slots(k));
	ck_assert_uint_eq(n_reserved, MOST_SLOTS * SLOT_BYTES / (256 << 10));
}
END_TEST

START_TEST(refused_memory_is_counted_and_asked_for_again_later)
{
	fresh(MOST_SLOTS, LANE_DROP, 0);
	while (shared.head < 4094)
		ck_assert(write_slots(1));
	ck_assert_uint_eq(n_reserved, 1);
	reserve_answer = -ENOSPC;
	ck_assert(!write_slots(5)); /* refused in the middle of a record */
	ck_assert_uint_eq(n_reserved, 2);
	ck_assert(write_slots(2)); /* what is there is used up */
	/* Each event that is lost meanwhile says why, and the machine is seldom asked. */
	for (unsigned i = 0; i < 3 * 4096; i++)
		ck_assert(!write_slots(1));
	ck_assert_uint_eq(shared.dropped[LOST_NO_MEMORY], 3 * 4096 + 1);
	ck_assert_uint_eq(n_dropped(), 3 * 4096 + 1);
	ck_assert_uint_le(n_reserved, 5);
	ck_assert_uint_ge(n_reserved, 4);

	reserve_answer = 0;
	unsigned more = 0;
	while (!write_slots(1))
		ck_assert_uint_le(++more, 4096);
	ck_assert_uint_eq(shared.dropped[LOST_NO_MEMORY], 3 * 4096 + 1 + more);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 4097);
	assert_record(copy + 4094, 2, 4095, 1);
	assert_record(copy + 4096, 1, 4096 + 3 * 4096 + more, 1);
}
END_TEST

/* Reads what is there: records in order, those that are missing were dropped. */
static void
read_all(uint64_t *next)
{
	int64_t n = lane_reader_copy(&reader, copy, MOST_SLOTS); /* where there is none, it would end */
	for (int64_t i = 0; i < n;) {
		uint64_t seq = record_seq(copy[i].w[0]);
		ck_assert_uint_ge(seq, *next);
		i += assert_record(copy + i, (uint64_t)(n - i), seq, 1);
		*next = seq + 1;
	}
	lane_reader_release(&reader, reader.position);
}

START_TEST(with_little_memory_it_is_a_short_ring)
{
	for (enum lane_mode mode = LANE_DROP; mode <= LANE_BLOCK; mode += LANE_BLOCK - LANE_DROP) {
		struct dice dice = {mode};
		uint64_t next = 0;
		fresh(MOST_SLOTS, mode, 0);
		ck_assert(write_slots(1));
		reserve_answer = -ENOSPC;
		while (shared.head < 5 * MOST_SLOTS) {
			ck_assert(write_slots(1 + dice_below(&dice, 9)));
			if (dice_below(&dice, 100) == 0)
				read_all(&next);
		}
		ck_assert_uint_eq(n_dropped(), 0);
		ck_assert_uint_ge(n_moved, 60);
		/* There is more again: the ring grows, and keeps what it has. */
		reserve_answer = 0;
		while (shared.head < 8 * MOST_SLOTS) {
			ck_assert(write_slots(1 + dice_below(&dice, 9)));
			if (dice_below(&dice, 100) == 0)
				read_all(&next);
		}
		unsigned grown = n_reserved, moved = n_moved;
		while (shared.head < 10 * MOST_SLOTS) {
			read_all(&next);
			for (int i = 0; i < MOST_SLOTS / 10; i++)
				ck_assert(write_slots(9));
		}
		ck_assert_uint_eq(n_reserved, grown);
		ck_assert_uint_eq(n_moved, moved);
	}
}
END_TEST

static bool
there(void *context, const struct lane_reader *looker, uint64_t n)
{
	(void)context;
	for (uint64_t i = 0; i < n; i++)
		if (!backed[(looker->position + i) % MOST_SLOTS])
			return false;
	return true;
}

START_TEST(with_little_memory_who_looks_on_begins_where_there_is_some)
{
	struct dice dice = {3};
	struct lane_reader looker;
	uint64_t seen = 0, next = 0;
	fresh(MOST_SLOTS, LANE_DROP, 0);
	lane_reader_init(&looker, &shared, slots, MOST_SLOTS, false);
	looker.there = there;
	ck_assert(write_slots(1));
	reserve_answer = -ENOSPC;
	while (shared.head < 5 * MOST_SLOTS) {
		ck_assert(write_slots(1));
		if (dice_below(&dice, 100) == 0)
			read_all(&next);
		if (dice_below(&dice, 5000) != 0) /* now and then, or ever again */
			continue;
		for (int64_t n = 1; n > 0; seen += (uint64_t)n) {
			n = lane_reader_peek(&looker, copy, 1000);
			ck_assert_int_ge(n, 0);
			for (int64_t i = 0; i < n; i++)
				assert_record(copy + i, 1, looker.position - (uint64_t)n + (uint64_t)i, 1);
		}
		ck_assert_uint_eq(looker.position, shared.head);
	}
	ck_assert_uint_gt(seen, 500);
	ck_assert_uint_eq(seen + looker.skipped, looker.position);
	ck_assert_uint_eq(n_dropped(), 0);
}
END_TEST

START_TEST(with_little_memory_a_slow_reader_is_waited_for_or_loses)
{
	uint64_t next = 0;
	fresh(MOST_SLOTS, LANE_DROP, 0);
	ck_assert(write_slots(1));
	reserve_answer = -ENOSPC;
	shared.waiting = 1;
	for (unsigned i = 0; i < 5000; i++)
		write_slots(1);
	ck_assert_uint_eq(shared.head, 4096);
	ck_assert_uint_eq(shared.dropped[LOST_NO_MEMORY], 5001 - 4096);
	ck_assert_uint_eq(n_woken, 1);
	reader.position = shared.tail = 1000; /* not yet a part that is moved */
	ck_assert(!write_slots(1));
	reader.position = shared.tail = 1024;
	ck_assert(write_slots(1));
	next = 1024;
	read_all(&next);
	ck_assert_uint_eq(next, 5003);

	fresh(MOST_SLOTS, LANE_BLOCK, 0);
	ck_assert(write_slots(1));
	reserve_answer = -ENOSPC;
	waits_allowed = 1000;
	release_per_wait = 100;
	for (unsigned i = 0; i < 2 * MOST_SLOTS; i++)
		ck_assert(write_slots(1));
	ck_assert_uint_gt(n_waited, 100);
	ck_assert_uint_eq(n_dropped(), 0);
	/* What cannot be moved is gone, and nothing is written there. */
	move_answer = -ENOSPC;
	shared.tail = lane.head;
	unsigned more = 0;
	while (write_slots(1))
		ck_assert_uint_le(++more, 4096);
	for (unsigned i = 0; i < 20000; i++) {
		shared.tail = lane.head;
		ck_assert(!write_slots(3));
	}
	ck_assert_uint_eq(lane.n_backed, 0);
	/* The next owner of a lane, who goes on behind its middle, has nothing to move. */
	fresh(MOST_SLOTS, LANE_DROP, 0);
	shared.head = shared.tail = MOST_SLOTS + 8000;
	lane_init(&lane, &shared, slots, MOST_SLOTS, LANE_DROP, 0, &ops, &lane);
	reserve_answer = -ENOSPC;
	ck_assert(!write_slots(1));
	ck_assert_uint_eq(n_moved, 0);
	ck_assert_uint_eq(lane.n_backed, 0);
}
END_TEST

START_TEST(a_hostile_tail_costs_records_never_memory)
{
	static const enum lane_mode modes[] = {LANE_DROP, LANE_BLOCK};
	for (int m = 0; m < 2; m++) {
		fresh(N_SLOTS, modes[m], 0);
		unsigned random = 1;
		uint64_t written = 0, lost = 0;
		for (unsigned i = 0; i < rounds(100000); i++) {
			random = random * 1103515245 + 12345;
			switch (random >> 24 & 7) {
			case 0: shared.tail = 0; break;
			case 1: shared.tail = lane.head + 1; break;
			case 2: shared.tail = UINT64_MAX; break;
			case 3: shared.tail = lane.head - N_SLOTS - 1; break;
			case 4: shared.tail = lane.head - (random >> 16 & 63); break;
			case 5: shared.tail = (uint64_t)random << 32 | random; break;
			}
			uint64_t head = shared.head;
			/* A slot outside the lane would end the test. */
			if (write_slots(1 + (random >> 8) % QUARTER))
				written++;
			else
				lost++;
			ck_assert_uint_le(shared.head - head, QUARTER);
		}
		ck_assert_uint_gt(written, 1000);
		ck_assert_uint_gt(lost, 1000);
		ck_assert_uint_eq(n_dropped(), lost);
		ck_assert_uint_eq(shared.seq, written + lost);
		ck_assert_uint_le(shared.high_water, N_SLOTS);
		/* A tail that makes no sense is a full lane. */
		shared.tail = lane.head + 10 * N_SLOTS;
		for (unsigned more = 0; write_slots(1); more++)
			ck_assert_uint_le(more, QUARTER); /* it knew of those already */
		for (unsigned i = 0; i < 100; i++)
			ck_assert(!write_slots(1));
	}
}
END_TEST

START_TEST(the_collector_is_woken_at_a_quarter_and_only_when_it_waits)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	for (unsigned i = 0; i < N_SLOTS; i++)
		write_slots(1);
	ck_assert_uint_eq(n_woken, 0);

	fresh(N_SLOTS, LANE_DROP, 0);
	shared.waiting = 1;
	for (unsigned i = 0; i < QUARTER; i++)
		write_slots(1);
	ck_assert_uint_eq(n_woken, 0);
	write_slots(1);
	ck_assert_uint_eq(n_woken, 1);
	/* Nobody came: once a quarter. */
	while (shared.head < N_SLOTS)
		write_slots(1);
	ck_assert_uint_le(n_woken, 3);

	/* Read at once: never. */
	fresh(N_SLOTS, LANE_DROP, 0);
	shared.waiting = 1;
	for (unsigned i = 0; i < 10 * N_SLOTS; i++) {
		write_slots(1);
		lane_reader_copy(&reader, copy, MOST_SLOTS);
		lane_reader_release(&reader, reader.position);
	}
	ck_assert_uint_eq(n_woken, 0);

	/* Whenever half the ring has come to be unread, it has been told. */
	for (unsigned k = 1; k <= 5; k++) {
		fresh(N_SLOTS, LANE_DROP, 0);
		shared.waiting = 1;
		for (unsigned i = 0; i < 1000; i++) {
			ck_assert(write_slots(k));
			if (shared.head - shared.tail >= 2 * QUARTER + k) {
				ck_assert_uint_gt(n_woken, 0);
				n_woken = 0;
				lane_reader_copy(&reader, copy, MOST_SLOTS);
				lane_reader_release(&reader, reader.position);
			}
		}
	}
}
END_TEST

START_TEST(a_lane_that_stays_full_does_not_wake_the_collector_per_event)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	shared.waiting = 1;
	while (write_slots(1))
		;
	n_woken = 0;
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(!write_slots(1));
	ck_assert_uint_le(n_woken, 1);
	/* It came and went to sleep again: told again. */
	lane_reader_copy(&reader, copy, MOST_SLOTS);
	lane_reader_release(&reader, reader.position);
	n_woken = 0;
	while (write_slots(1))
		;
	ck_assert_uint_ge(n_woken, 1);
}
END_TEST

START_TEST(overwrite_mode_keeps_the_newest_and_finds_the_first_whole_record)
{
	fresh(N_SLOTS, LANE_OVERWRITE, 0);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(write_slots(1 + i % 5));
	ck_assert_uint_eq(n_dropped(), 0);
	int64_t n = lane_reader_copy(&reader, copy, MOST_SLOTS);
	ck_assert_int_eq(n, N_SLOTS);
	ck_assert_uint_eq(reader.skipped, shared.head - N_SLOTS);
	/* 64 slots back from record 999 (of 5): 12 rounds of 15 are 60, then a part. */
	int64_t at = 0;
	while (record_check(copy + at, (uint64_t)(n - at)) < 0)
		at++;
	ck_assert_int_gt(at, 0); /* the oldest slot was in the middle of a record */
	uint64_t seq = record_seq(copy[at].w[0]);
	ck_assert_uint_ge(seq, 975);
	while (at < n)
		at += assert_record(copy + at, (uint64_t)(n - at), seq++, 1);
	ck_assert_int_eq(at, n);
	ck_assert_uint_eq(seq, 1000);

	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 0);
	ck_assert(write_slots(3));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 3);
	assert_record(copy, 3, 1000, 1);
	ck_assert_uint_eq(shared.intent, shared.head);
}
END_TEST

/* As after a kill in the middle of a record of k slots. */
static void
leave_unfinished(unsigned k)
{
	struct lane_writer w;
	ck_assert(lane_begin(&lane, &w, RECORD_AUDIT));
	while (w.i + 1 < k)
		ck_assert(lane_next_slot(&w));
	memset(w.at, 0xff, (size_t)(w.end - w.at));
}

START_TEST(a_record_half_overwritten_is_never_accepted)
{
	for (unsigned k = 1; k <= QUARTER; k++) {
		for (unsigned batch = 1; batch <= N_SLOTS; batch++) {
			fresh(N_SLOTS, LANE_OVERWRITE, 0);
			for (unsigned i = 0; i < 300; i++)
				ck_assert(write_slots(1 + i % 3));
			leave_unfinished(k);
			int64_t n = 0, got;
			while ((got = lane_reader_copy(&reader, copy + n, batch)) > 0)
				n += got;
			/* All but what the unfinished record lies on. */
			ck_assert_int_eq(n, N_SLOTS - k);
			int64_t at = 0;
			while (record_check(copy + at, (uint64_t)(n - at)) < 0)
				at++;
			ck_assert_int_le(at, 2);
			uint64_t seq = record_seq(copy[at].w[0]);
			while (at < n)
				at += assert_record(copy + at, (uint64_t)(n - at), seq++, 1);
			ck_assert_uint_eq(seq, 300);
		}
	}
}
END_TEST

static void
fill_and_read(void)
{
	for (unsigned i = 0; i < N_SLOTS; i++)
		ck_assert(write_record(8, 8));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
	lane_reader_release(&reader, reader.position);
}

START_TEST(one_that_looks_on_sees_what_was_read_as_long_as_it_is_there)
{
	struct lane_reader looker;
	struct lane_writer w;
	uint8_t bytes[SLOT0_PAYLOAD + (QUARTER - 1) * SLOTN_PAYLOAD] = {0};
	fresh(N_SLOTS, LANE_DROP, N_SLOTS);
	lane_reader_init(&looker, &shared, slots, N_SLOTS, false);
	fill_and_read();
	ck_assert_int_eq(lane_reader_peek(&looker, copy, MOST_SLOTS), N_SLOTS / 2);
	ck_assert_uint_eq(record_seq(copy[0].w[0]), N_SLOTS / 2);
	ck_assert_uint_eq(looker.skipped, N_SLOTS / 2);
	ck_assert_int_eq(lane_reader_peek(&looker, copy, MOST_SLOTS), 0);

	/* Nobody has read them: the hook cannot have written there. */
	for (unsigned i = 0; i < N_SLOTS; i++)
		ck_assert(write_record(8, 8));
	ck_assert_int_eq(lane_reader_peek(&looker, copy, MOST_SLOTS), N_SLOTS);
	ck_assert_uint_eq(record_seq(copy[0].w[0]), N_SLOTS);
	ck_assert_uint_eq(looker.skipped, N_SLOTS / 2);
	lane_reader_unread(&looker, N_SLOTS);

	/* They are read, and it is just writing over the first of them. */
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
	lane_reader_release(&reader, reader.position);
	ck_assert(lane_begin(&lane, &w, RECORD_AUDIT));
	lane_put(&w, bytes, sizeof bytes);
	ck_assert_uint_eq(w.i, QUARTER - 1);
	int64_t n = lane_reader_peek(&looker, copy, MOST_SLOTS);
	ck_assert_int_eq(n, N_SLOTS / 2);
	for (int64_t i = 0; i < n; i++) {
		ck_assert_int_eq(record_check(copy + i, 1), 1);
		ck_assert_uint_eq(record_seq(copy[i].w[0]), N_SLOTS + N_SLOTS / 2 + (uint64_t)i);
	}
	lane_commit(&w, 1, 2, 3);
	ck_assert_int_eq(lane_reader_peek(&looker, copy, MOST_SLOTS), QUARTER);
	ck_assert_int_eq(record_check(copy, QUARTER), QUARTER);
	ck_assert_uint_eq(shared.tail, 2 * N_SLOTS);
}
END_TEST

START_TEST(one_that_looks_on_is_left_behind_and_lied_to)
{
	struct lane_reader looker;
	fresh(N_SLOTS, LANE_DROP, N_SLOTS);
	lane_reader_init(&looker, &shared, slots, N_SLOTS, false);
	for (unsigned i = 0; i < 3; i++)
		fill_and_read();
	ck_assert_int_eq(lane_reader_peek(&looker, copy, 5), 5);
	ck_assert_uint_eq(record_seq(copy[0].w[0]), 2 * N_SLOTS + N_SLOTS / 2);
	ck_assert_uint_eq(looker.skipped, 2 * N_SLOTS + N_SLOTS / 2);
	shared.tail = shared.head - 1000;
	ck_assert_int_eq(lane_reader_peek(&looker, copy, 5), 5);
	shared.head = 7;
	ck_assert_int_eq(lane_reader_peek(&looker, copy, 5), LANE_IMPLAUSIBLE);
}
END_TEST

START_TEST(block_mode_waits_for_room)
{
	fresh(N_SLOTS, LANE_BLOCK, 0);
	waits_allowed = 5;
	while (shared.head < N_SLOTS)
		ck_assert(write_slots(1));
	ck_assert_uint_eq(n_waited, 0);
	release_per_wait = 2; /* a record of 5 slots needs three of those */
	ck_assert(write_slots(5));
	ck_assert_uint_eq(n_waited, 3);
	ck_assert_uint_ge(n_woken, 1); /* it does not wait for one that sleeps */
	ck_assert_uint_eq(n_dropped(), 0);
}
END_TEST

START_TEST(block_mode_drops_after_one_timeout_until_tail_moves)
{
	fresh(N_SLOTS, LANE_BLOCK, 0);
	waits_allowed = 5;
	while (shared.head < N_SLOTS)
		ck_assert(write_slots(1));
	ck_assert(!write_slots(1));
	ck_assert_uint_eq(n_waited, 5);
	n_woken = 0;
	for (unsigned i = 0; i < 100; i++)
		ck_assert(!write_slots(1));
	ck_assert_uint_eq(n_waited, 5);
	ck_assert_uint_eq(n_woken, 0);
	ck_assert_uint_eq(shared.dropped[LOST_LANE_FULL], 101);
	shared.tail += 1;
	ck_assert(write_slots(1));
	ck_assert(!write_slots(1)); /* now it waits again */
	ck_assert_uint_eq(n_waited, 10);
}
END_TEST

START_TEST(block_mode_does_not_wait_without_a_reader)
{
	fresh(N_SLOTS, LANE_BLOCK, 0);
	waits_allowed = 5;
	alive = false;
	while (shared.head < N_SLOTS)
		ck_assert(write_slots(1));
	ck_assert(!write_slots(1));
	ck_assert_uint_eq(n_waited, 0);
	ck_assert_uint_eq(shared.dropped[LOST_NO_READER], 1);
}
END_TEST

/* As after a SIGSTOP of this process, while which the collector read on. */
START_TEST(block_mode_loses_nothing_when_room_came_as_the_time_ran_out)
{
	fresh(N_SLOTS, LANE_BLOCK, 0);
	while (shared.head < N_SLOTS)
		ck_assert(write_slots(1));
	waits_allowed = 1;
	release_per_wait = 2;
	ck_assert(write_slots(1));
	ck_assert_uint_eq(n_waited, 1);
	release_per_wait = 0;
	ck_assert(write_slots(1));
	ck_assert_uint_eq(n_dropped(), 0);
	ck_assert(!write_slots(1)); /* a reader that reads is worth a wait */
	ck_assert_uint_eq(n_waited, 2);
}
END_TEST

START_TEST(block_mode_waits_for_the_next_reader_when_one_died)
{
	fresh(N_SLOTS, LANE_BLOCK, 0);
	waits_allowed = 5;
	while (shared.head < N_SLOTS)
		ck_assert(write_slots(1));
	alive = false;
	for (unsigned i = 0; i < 100; i++)
		ck_assert(!write_slots(1));
	ck_assert_uint_eq(n_waited, 0);
	ck_assert_uint_eq(n_woken, 0); /* whom? */
	alive = true;
	release_per_wait = 1;
	ck_assert(write_slots(1));
	ck_assert_uint_eq(n_waited, 1);
	ck_assert_uint_eq(shared.dropped[LOST_NO_READER], 100);
	ck_assert_uint_eq(n_dropped(), 100);
}
END_TEST

START_TEST(a_lane_taken_again_goes_on_with_its_seq)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	for (unsigned i = 0; i < 70; i++) {
		write_slots(1);
		if (i == 50) {
			lane_reader_copy(&reader, copy, MOST_SLOTS);
			lane_reader_release(&reader, reader.position);
		}
	}
	lane_drop(&lane, LOST_NO_GIL);
	memset(&lane, 0xff, sizeof lane);
	lane_init(&lane, &shared, slots, N_SLOTS, LANE_DROP, N_SLOTS, &ops, &lane);
	ck_assert(write_slots(2));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 19 + 2);
	assert_record(copy + 18, 1, 69, 1);
	assert_record(copy + 19, 2, 71, 1);
	ck_assert_uint_eq(shared.dropped[LOST_NO_GIL], 1);
}
END_TEST

/* A lane whose earlier owner left it at this position, all read. */
static void
fresh_at(uint64_t position, uint64_t n_slots, enum lane_mode mode, uint64_t reserved)
{
	fresh(n_slots, mode, reserved);
	shared.head = shared.tail = shared.intent = position;
	lane_init(&lane, &shared, slots, n_slots, mode, reserved, &ops, &lane);
	lane_reader_init(&reader, &shared, slots, n_slots, mode == LANE_OVERWRITE);
}

START_TEST(a_lane_taken_again_in_the_middle_reserves_its_memory)
{
	static const enum lane_mode modes[] = {LANE_DROP, LANE_OVERWRITE};
	for (int m = 0; m < 2; m++) {
		for (uint64_t at = 0; at <= 2 * MOST_SLOTS; at += 10000) {
			fresh_at(at, MOST_SLOTS, modes[m], 0);
			uint64_t records = 0;
			for (; shared.head < at + MOST_SLOTS + 9; records++) {
				/* an unreserved slot would end the test */
				ck_assert(write_slots(1 + records % 7));
				ck_assert_int_eq(lane_reader_copy(&reader, copy, 7), 1 + records % 7);
				lane_reader_release(&reader, reader.position);
			}
			ck_assert_uint_eq(n_reserved, MOST_SLOTS * SLOT_BYTES / (256 << 10));
		}
	}
}
END_TEST

START_TEST(positions_go_past_the_largest_number)
{
	static const enum lane_mode modes[] = {LANE_DROP, LANE_OVERWRITE, LANE_BLOCK};
	for (int m = 0; m < 3; m++) {
		for (uint64_t before = 0; before <= 3 * N_SLOTS; before += 3) {
			fresh_at(-before, N_SLOTS, modes[m], N_SLOTS);
			unsigned n_written = 0, n_read = 0;
			for (unsigned i = 0; i < 60; i++) {
				if (write_slots(1 + i % QUARTER))
					n_written++;
				if (i % 3 > 0)
					continue;
				int64_t n = lane_reader_copy(&reader, copy, MOST_SLOTS);
				ck_assert_int_ge(n, 0);
				for (int64_t at = 0; at < n; n_read++)
					at += assert_record(copy + at, (uint64_t)(n - at),
							    record_seq(copy[at].w[0]), 1);
				lane_reader_release(&reader, reader.position);
			}
			/* Three records of a quarter each always fit: all are read. */
			ck_assert_uint_eq(n_dropped(), 0);
			ck_assert_uint_eq(n_written, 60);
			ck_assert_uint_eq(n_read, 58);
		}
		/* Full, at the very number. */
		if (modes[m] == LANE_OVERWRITE)
			continue;
		fresh_at(-(uint64_t)N_SLOTS / 2, N_SLOTS, modes[m], N_SLOTS);
		for (unsigned i = 0; i < N_SLOTS; i++)
			ck_assert(write_slots(1));
		ck_assert(!write_slots(1));
		ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
	}
}
END_TEST

START_TEST(a_reader_that_comes_again_goes_on_from_tail)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	for (unsigned i = 0; i < 20; i++)
		ck_assert(write_slots(1 + i % 2));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, 14), 14); /* ends inside a record */
	ck_assert_int_eq(record_check(copy + 13, 1), 0);
	lane_reader_unread(&reader, 1);
	lane_reader_release(&reader, reader.position);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, 5), 5); /* never released: read again */

	lane_reader_init(&reader, &shared, slots, N_SLOTS, false);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 30 - 13);
	assert_record(copy, 2, 9, 1);
	lane_reader_release(&reader, reader.position);
	ck_assert_uint_eq(shared.tail, shared.head);
}
END_TEST

START_TEST(head_and_tail_that_contradict_each_other_are_refused)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	write_slots(1);
	shared.head = N_SLOTS + 1;
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), LANE_IMPLAUSIBLE);
	shared.head = UINT64_MAX;
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), LANE_IMPLAUSIBLE);
	ck_assert_uint_eq(reader.position, 0);

	fresh(N_SLOTS, LANE_OVERWRITE, 0);
	for (unsigned i = 0; i < 1000; i++)
		write_slots(1);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
	shared.head = 999;
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), LANE_IMPLAUSIBLE);
	/* An intent that makes no sense costs records. */
	shared.head = 1064;
	shared.intent = UINT64_MAX / 2;
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 0);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, 0), 0);
}
END_TEST

START_TEST(what_is_no_record_is_refused)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	write_slots(4);
	lane_reader_copy(&reader, copy, MOST_SLOTS);
	ck_assert_int_eq(record_check(copy, 4), 4);
	for (unsigned n = 1; n < 4; n++)
		ck_assert_int_eq(record_check(copy, n), 0);
	for (unsigned i = 1; i < 4; i++)
		ck_assert_int_eq(record_check(copy + i, 4 - i), -1);

	uint64_t good = copy[0].w[0];
	copy[0].w[0] = record_w0(1, 0, RECORD_AUDIT, 0);
	ck_assert_int_eq(record_check(copy, 4), -1);
	copy[0].w[0] = record_w0(1, 5, RECORD_AUDIT, 0);
	ck_assert_int_eq(record_check(copy, 4), 0);
	ck_assert_int_eq(record_check(copy, N_SLOTS), -1);
	copy[0].w[0] = 0;
	ck_assert_int_eq(record_check(copy, 4), -1);
	copy[0].w[0] = good;

	/* Any bit of a later slot's first word. */
	for (unsigned i = 1; i < 4; i++) {
		for (unsigned bit = 0; bit < 64; bit++) {
			copy[i].w[0] ^= 1ULL << bit;
			ck_assert_int_eq(record_check(copy, 4), -1);
			copy[i].w[0] ^= 1ULL << bit;
		}
	}
	ck_assert_int_eq(record_check(copy, 4), 4);
}
END_TEST

START_TEST(the_first_word_holds_its_fields)
{
	uint64_t w0 = record_w0(1, RECORD_MAX_SLOTS, 63, RECORD_SEQ_MASK);
	ck_assert_uint_eq(record_start(w0), 1);
	ck_assert_uint_eq(record_k(w0), RECORD_MAX_SLOTS);
	ck_assert_uint_eq(record_type(w0), 63);
	ck_assert_uint_eq(record_seq(w0), RECORD_SEQ_MASK);
	w0 = record_w0(0, 1023, RECORD_CALLS, 1ULL << 46);
	ck_assert_uint_eq(record_start(w0), 0);
	ck_assert_uint_eq(record_k(w0), 1023);
	ck_assert_uint_eq(record_type(w0), RECORD_CALLS);
	ck_assert_uint_eq(record_seq(w0), 0);
}
END_TEST

/* ---- packed calls ---- */

static uint64_t
call_of(uint64_t seq)
{
	return call_word(seq % 2 == 0 ? CALL_PY_START : CALL_C_RAISE, (uint32_t)seq * 5 + 1);
}

/* Like the hook: into the open slot, else into a new one. True: committed. */
static bool
write_call(uint64_t ticks)
{
	uint64_t seq = lane.seq + n_open(), word = call_of(seq), w2 = (seq + 7) << 32 | (seq + 9);
	return lane_call(&lane, word, ticks) || lane_call_next(&lane, word, ticks, w2) ||
	       lane_call_open(&lane, word, ticks, w2);
}

static void
write_calls(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!write_call(1000 + i)) /* ck_assert() takes a microsecond */
			ck_abort_msg("call %u of %u was dropped", i, n);
}

/* A slot with these events, one tick apart, and none behind them. */
static void
assert_calls(const struct slot *slot, uint64_t seq, unsigned n, uint64_t ticks)
{
	ck_assert_int_eq(record_check(slot, 1), 1);
	ck_assert_uint_eq(slot->w[0], record_w0(1, 1, RECORD_CALLS, seq));
	ck_assert_uint_eq(slot->w[1], ticks);
	ck_assert_uint_eq(slot->w[2], (seq + 7) << 32 | (seq + 9));
	for (unsigned i = 0; i < CALLS_PER_SLOT; i++)
		ck_assert_uint_eq(slot->w[3 + i], i < n ? call_of(seq + i) + i : 0);
}

START_TEST(with_little_memory_a_hostile_tail_costs_records_never_memory)
{
	struct dice dice = {7};
	uint64_t written = 0, lost = 0;
	fresh(MOST_SLOTS, LANE_DROP, 0);
	for (unsigned i = 0; i < rounds(400000); i++) {
		switch (dice_below(&dice, 9)) {
		case 0: shared.tail = lane.head + dice_below(&dice, 3); break;
		case 1: shared.tail = lane.head - dice_below(&dice, 5000); break;
		case 2: shared.tail = lane.head - dice_below(&dice, MOST_SLOTS + 10); break;
		case 3: reserve_answer = dice_below(&dice, 2000) == 0 ? 0 : -ENOSPC; break;
		case 5: write_call(i); break;
		case 4: move_answer = dice_below(&dice, 500) == 0 ? -ENOSPC : 0; break;
		}
		if (write_slots(1 + dice_below(&dice, 90)))
			written++;
		else
			lost++;
		if (lane.n_backed == MOST_SLOTS || i % 20000 == 0)
			fresh(MOST_SLOTS, LANE_DROP, dice_below(&dice, 2) * 1024);
	}
	ck_assert_uint_gt(written, 1000);
	ck_assert_uint_gt(lost, 1000);
}
END_TEST

START_TEST(calls_are_packed_five_to_a_slot)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	for (unsigned n = 1; n <= 23; n++) {
		ck_assert(write_call(100 + n));
		ck_assert_uint_eq(shared.head, (n + 4) / 5);
		/* Of the slots before the open one: its words say the rest. */
		ck_assert_uint_eq(shared.seq, (n - 1) / 5 * 5);
		ck_assert_uint_eq(shared.calls, (n - 1) / 5 * 5);
		ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), (n + 4) / 5);
		lane_reader_unread(&reader, (n + 4) / 5);
		for (unsigned i = 0; i * 5 < n; i++)
			assert_calls(copy + i, i * 5, n - i * 5 < 5 ? n - i * 5 : 5, 101 + i * 5);
	}
	ck_assert_uint_eq(n_dropped(), 0);
}
END_TEST

START_TEST(a_word_holds_its_fields)
{
	uint32_t id = (1u << CALLS_ID_BITS) - 1;
	uint64_t ticks = (1ULL << CALLS_TICK_BITS) - 1, word = call_word(CALL_C_RAISE, id) | ticks;
	ck_assert_uint_eq(call_what(word), CALL_C_RAISE);
	ck_assert_uint_eq(call_id(word), id);
	ck_assert_uint_eq(call_ticks(word), ticks);
	word = call_word(CALL_PY_START, 0); /* the least there is */
	ck_assert_uint_ne(word, 0);
	ck_assert_uint_eq(call_id(word), 0);
	ck_assert_uint_eq(call_ticks(word), 0);
	ck_assert(call_ends(call_what(call_word(CALL_PY_RETURN, 1))));
	ck_assert(!call_ends(call_what(call_word(CALL_C_CALL, id))));
}
END_TEST

enum closing {
	BY_CLOSE,
	BY_RECORD,
	BY_DROP,
	BY_TICKS,
	BY_TIME_GOING_BACK,
	N_CLOSINGS,
};

/* By what it takes; how many events that takes. */
static unsigned
close_slot(enum closing how)
{
	struct lane_writer w;
	switch (how) {
	case BY_CLOSE:
		lane_call_close(&lane);
		return 0;
	case BY_RECORD: /* before its first word is written */
		ck_assert(lane_begin(&lane, &w, RECORD_AUDIT));
		return 0;
	case BY_DROP:
		lane_drop(&lane, LOST_NO_MEMORY);
		return 1;
	case BY_TICKS:
		ck_assert(write_call(1000 + (1ULL << CALLS_TICK_BITS)));
		return 0;
	default:
		ck_assert(write_call(999));
		return 0;
	}
}

START_TEST(a_slot_that_closes_publishes_how_many_it_held)
{
	for (enum closing how = 0; how < N_CLOSINGS; how++) {
		for (unsigned n = 1; n <= CALLS_PER_SLOT; n++) {
			fresh(N_SLOTS, LANE_DROP, 0);
			write_calls(n);
			ck_assert_uint_eq(shared.seq, 0);
			ck_assert_uint_eq(shared.calls, 0);
			unsigned more = close_slot(how);
			ck_assert_uint_eq(shared.seq, n + more);
			ck_assert_uint_eq(shared.calls, n);
			ck_assert_uint_eq(n_dropped(), more);

			/* Nothing is added to it: what comes is in a slot of its own. */
			unsigned opened = how == BY_TICKS || how == BY_TIME_GOING_BACK;
			ck_assert_uint_eq(shared.head, 1 + opened);
			uint64_t ticks = lane.call_base;
			if (!opened)
				ck_assert(write_call(ticks = 1234));
			ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 2);
			assert_calls(copy, 0, n, 1000);
			assert_calls(copy + 1, n + more, 1, ticks);
			ck_assert_uint_eq(shared.seq, n + more);
			lane_call_close(&lane);
			lane_call_close(&lane); /* once is enough */
			ck_assert_uint_eq(shared.seq, n + more + 1);
			ck_assert_uint_eq(shared.calls, n + 1);
		}
	}
}
END_TEST

START_TEST(the_last_tick_of_a_slot_is_its_own)
{
	uint64_t most = (1ULL << CALLS_TICK_BITS) - 1;
	fresh(N_SLOTS, LANE_DROP, 0);
	ck_assert(write_call(-1000ULL)); /* and the clock may go past the largest number */
	ck_assert(write_call(-1000ULL + most));
	ck_assert_uint_eq(shared.head, 1);
	ck_assert_uint_eq(slots[0].w[4], call_of(1) + most);
	ck_assert(write_call(-1000ULL + most + 1));
	ck_assert_uint_eq(shared.head, 2);
	ck_assert_uint_eq(slots[1].w[3], call_of(2));
}
END_TEST

START_TEST(the_reader_takes_the_words_of_an_open_slot_and_knows_when_it_closed)
{
	static const enum lane_mode modes[] = {LANE_DROP, LANE_OVERWRITE};
	uint64_t words[CALLS_PER_SLOT];
	for (int m = 0; m < 2; m++) {
		fresh(N_SLOTS, modes[m], 0);
		write_slots(2);
		for (unsigned n = 1; n <= CALLS_PER_SLOT; n++) {
			write_calls(1);
			ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 3);
			ck_assert_uint_eq(reader.head, 3);
			ck_assert(!lane_reader_slot_closed(&reader, copy[2].w[0]));
			ck_assert_uint_eq(lane_reader_open_slot(&reader, 2, words), n);
			for (unsigned i = 0; i < n; i++)
				ck_assert_uint_eq(words[i], call_of(1 + i));
			lane_reader_unread(&reader, 3);
		}
		/* What lies behind a zero word is not there yet. */
		slots[2].w[4] = 0;
		ck_assert_uint_eq(lane_reader_open_slot(&reader, 2, words), 1);
		lane_call_close(&lane);
		ck_assert(lane_reader_slot_closed(&reader, copy[2].w[0]));
	}
}
END_TEST

START_TEST(a_slot_left_early_is_final_whatever_stood_there_before)
{
	static const enum lane_mode modes[] = {LANE_DROP, LANE_OVERWRITE};
	for (int m = 0; m < 2; m++) {
		for (unsigned n = 1; n <= CALLS_PER_SLOT; n++) {
			fresh(N_SLOTS, modes[m], 0);
			for (unsigned i = 0; i < N_SLOTS; i++)
				write_calls(5);
			lane_reader_copy(&reader, copy, MOST_SLOTS);
			lane_reader_release(&reader, reader.position);
			uint64_t seq = 5 * N_SLOTS;
			for (unsigned i = 0; i < N_SLOTS; i++) {
				lane_call_close(&lane);
				write_calls(n);
			}
			ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
			for (unsigned i = 0; i < N_SLOTS; i++)
				assert_calls(copy + i, seq + i * n, n, 1000);
			ck_assert_uint_eq(n_dropped(), 0);
		}
	}
}
END_TEST

START_TEST(full_lane_counts_the_call_that_it_drops)
{
	for (unsigned n = 1; n <= CALLS_PER_SLOT; n++) {
		fresh(N_SLOTS, LANE_DROP, 0);
		while (shared.head < N_SLOTS - 1)
			ck_assert(write_slots(1));
		write_calls(5); /* five fit, whether the lane is full or not */
		ck_assert(!write_call(2000));
		ck_assert(!write_slots(1));
		ck_assert(!write_call(2001));
		ck_assert_uint_eq(shared.head, N_SLOTS);
		ck_assert_uint_eq(shared.dropped[LOST_LANE_FULL], 3);
		ck_assert_uint_eq(shared.seq, N_SLOTS - 1 + 5 + 3);
		ck_assert_uint_eq(shared.calls, 5 + 2);
		ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
		assert_calls(copy + N_SLOTS - 1, N_SLOTS - 1, 5, 1000);
		lane_reader_release(&reader, reader.position);
		write_calls(n);
		ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 1);
		assert_calls(copy, N_SLOTS - 1 + 5 + 3, n, 1000);
	}
}
END_TEST

START_TEST(a_record_that_is_dropped_closes_the_slot_before_it)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	while (shared.head < N_SLOTS - 3)
		ck_assert(write_slots(1));
	write_calls(2);
	ck_assert(!write_slots(5)); /* it fills the lane under way */
	ck_assert_uint_eq(shared.seq, N_SLOTS - 3 + 2 + 1);
	ck_assert_uint_eq(shared.calls, 2);
	write_calls(1);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS - 1);
	assert_calls(copy + N_SLOTS - 3, N_SLOTS - 3, 2, 1000);
	assert_calls(copy + N_SLOTS - 2, N_SLOTS, 1, 1000);
}
END_TEST

START_TEST(block_mode_waits_for_a_call_and_closes_the_slot_first)
{
	fresh(N_SLOTS, LANE_BLOCK, 0);
	waits_allowed = 3;
	while (shared.head < N_SLOTS - 1)
		ck_assert(write_slots(1));
	write_calls(2);
	ck_assert(!write_call(0));
	ck_assert_uint_eq(n_waited, 3);
	ck_assert_uint_eq(shared.seq, N_SLOTS - 1 + 2 + 1);
	shared.tail++; /* which ends the time out */
	ck_assert(write_call(0));
	release_per_wait = 1;
	ck_assert(write_call(1ULL << CALLS_TICK_BITS));
	ck_assert_uint_eq(n_waited, 4);
	ck_assert_uint_eq(n_dropped(), 1);
}
END_TEST

START_TEST(a_reader_that_comes_again_reads_the_open_slot_again_and_nothing_else)
{
	uint64_t words[CALLS_PER_SLOT];
	fresh(N_SLOTS, LANE_DROP, 0);
	write_calls(8);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 2);
	ck_assert_uint_eq(lane_reader_open_slot(&reader, 1, words), 3);
	lane_reader_unread(&reader, 1);
	lane_reader_release(&reader, reader.position);

	lane_reader_init(&reader, &shared, slots, N_SLOTS, false);
	ck_assert(write_call(1010));
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 1);
	ck_assert_uint_eq(record_seq(copy[0].w[0]), 5);
	ck_assert_uint_eq(lane_reader_open_slot(&reader, 1, words), 4);
}
END_TEST

START_TEST(an_open_slot_that_was_overwritten_is_no_slot)
{
	uint64_t words[CALLS_PER_SLOT];
	fresh(N_SLOTS, LANE_OVERWRITE, 0);
	write_calls(3);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 1);
	ck_assert_uint_eq(lane_reader_open_slot(&reader, 0, words), 3);
	lane_reader_unread(&reader, 1);
	while (shared.head < N_SLOTS)
		ck_assert(write_slots(1));
	ck_assert_uint_eq(lane_reader_open_slot(&reader, 0, words), 3);
	write_calls(4); /* in its very place */
	ck_assert_uint_eq(lane_reader_open_slot(&reader, 0, words), 0);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), N_SLOTS);
	ck_assert_uint_eq(reader.skipped, 1);
	assert_record(copy, 1, 3, 1);
	ck_assert_uint_eq(lane_reader_open_slot(&reader, N_SLOTS, words), 4);
	ck_assert_uint_eq(n_dropped(), 0);
}
END_TEST

START_TEST(calls_reserve_memory_before_they_touch_it_and_go_past_the_largest_number)
{
	static const enum lane_mode modes[] = {LANE_DROP, LANE_OVERWRITE};
	for (int m = 0; m < 2; m++) {
		uint64_t from = -2ULL * MOST_SLOTS - 777, seq = 0;
		fresh_at(from, MOST_SLOTS, modes[m], 0);
		for (unsigned i = 0; i < 3 * MOST_SLOTS; i++) {
			/* an unreserved slot would end the test */
			write_calls(1 + i % 5);
			lane_call_close(&lane);
			int64_t n = lane_reader_copy(&reader, copy, 2);
			if (n != 1)
				ck_abort_msg("%d slots", (int)n);
			if (i % 64 == 63)
				assert_calls(copy, seq, 1 + i % 5, 1000);
			lane_reader_release(&reader, reader.position);
			seq += 1 + i % 5;
		}
		ck_assert_uint_eq(shared.head, from + 3 * MOST_SLOTS);
		ck_assert_uint_eq(n_reserved, MOST_SLOTS * SLOT_BYTES / (256 << 10));
	}
}
END_TEST

START_TEST(a_lane_taken_again_goes_on_with_its_calls)
{
	fresh(N_SLOTS, LANE_DROP, 0);
	write_slots(1);
	write_calls(7);
	lane_call_close(&lane);
	memset(&lane, 0xff, sizeof lane);
	lane_init(&lane, &shared, slots, N_SLOTS, LANE_DROP, N_SLOTS, &ops, &lane);
	write_calls(3); /* in a slot of their own */
	lane_call_close(&lane);
	ck_assert_uint_eq(shared.seq, 11);
	ck_assert_uint_eq(shared.calls, 10);
	ck_assert_int_eq(lane_reader_copy(&reader, copy, MOST_SLOTS), 4);
	assert_calls(copy + 3, 8, 3, 1000);
}
END_TEST

/* Nothing here allocates, and to look for leaks after each test takes half of the time. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

int
main(void)
{
	TCase *tc = tcase_create("lane");
	tcase_set_timeout(tc, 60); /* under ThreadSanitizer, beside other work */
	tcase_add_test(tc, records_of_every_length_come_back_whole);
	tcase_add_test(tc, a_record_takes_at_most_a_quarter_of_its_lane);
	tcase_add_test(tc, a_record_takes_at_most_what_its_length_can_tell);
	tcase_add_test(tc, full_lane_counts_the_drop_and_leaves_a_gap);
	tcase_add_test(tc, a_record_that_fills_the_lane_under_way_is_dropped_whole);
	tcase_add_test(tc, memory_is_reserved_before_it_is_touched);
	tcase_add_test(tc, refused_memory_is_counted_and_asked_for_again_later);
	tcase_add_test(tc, with_little_memory_it_is_a_short_ring);
	tcase_add_test(tc, with_little_memory_who_looks_on_begins_where_there_is_some);
	tcase_add_test(tc, with_little_memory_a_slow_reader_is_waited_for_or_loses);
	tcase_add_test(tc, with_little_memory_a_hostile_tail_costs_records_never_memory);
	tcase_add_test(tc, a_hostile_tail_costs_records_never_memory);
	tcase_add_test(tc, the_collector_is_woken_at_a_quarter_and_only_when_it_waits);
	tcase_add_test(tc, a_lane_that_stays_full_does_not_wake_the_collector_per_event);
	tcase_add_test(tc, overwrite_mode_keeps_the_newest_and_finds_the_first_whole_record);
	tcase_add_test(tc, a_record_half_overwritten_is_never_accepted);
	tcase_add_test(tc, one_that_looks_on_sees_what_was_read_as_long_as_it_is_there);
	tcase_add_test(tc, one_that_looks_on_is_left_behind_and_lied_to);
	tcase_add_test(tc, block_mode_waits_for_room);
	tcase_add_test(tc, block_mode_drops_after_one_timeout_until_tail_moves);
	tcase_add_test(tc, block_mode_does_not_wait_without_a_reader);
	tcase_add_test(tc, block_mode_loses_nothing_when_room_came_as_the_time_ran_out);
	tcase_add_test(tc, block_mode_waits_for_the_next_reader_when_one_died);
	tcase_add_test(tc, a_lane_taken_again_goes_on_with_its_seq);
	tcase_add_test(tc, a_lane_taken_again_in_the_middle_reserves_its_memory);
	tcase_add_test(tc, positions_go_past_the_largest_number);
	tcase_add_test(tc, a_reader_that_comes_again_goes_on_from_tail);
	tcase_add_test(tc, head_and_tail_that_contradict_each_other_are_refused);
	tcase_add_test(tc, what_is_no_record_is_refused);
	tcase_add_test(tc, the_first_word_holds_its_fields);
	tcase_add_test(tc, calls_are_packed_five_to_a_slot);
	tcase_add_test(tc, a_word_holds_its_fields);
	tcase_add_test(tc, a_slot_that_closes_publishes_how_many_it_held);
	tcase_add_test(tc, the_last_tick_of_a_slot_is_its_own);
	tcase_add_test(tc, the_reader_takes_the_words_of_an_open_slot_and_knows_when_it_closed);
	tcase_add_test(tc, a_slot_left_early_is_final_whatever_stood_there_before);
	tcase_add_test(tc, full_lane_counts_the_call_that_it_drops);
	tcase_add_test(tc, a_record_that_is_dropped_closes_the_slot_before_it);
	tcase_add_test(tc, block_mode_waits_for_a_call_and_closes_the_slot_first);
	tcase_add_test(tc, a_reader_that_comes_again_reads_the_open_slot_again_and_nothing_else);
	tcase_add_test(tc, an_open_slot_that_was_overwritten_is_no_slot);
	tcase_add_test(tc, calls_reserve_memory_before_they_touch_it_and_go_past_the_largest_number);
	tcase_add_test(tc, a_lane_taken_again_goes_on_with_its_calls);
	Suite *suite = suite_create("lane");
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
