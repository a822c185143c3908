/* SPDX-License-Identifier: MIT */
#include "producer.h"

#include <unistd.h>

#include "calls.h"

static uint64_t
word_of(uint64_t seq, uint64_t i)
{
	return (seq + 1) * 0x9e3779b97f4a7c15u ^ i * 0xc2b2ae3d27d4eb4fu;
}

static size_t
most_words(void)
{
	return (SLOT0_PAYLOAD + (n_slots / 4 - 1) * SLOTN_PAYLOAD) / 8;
}

/* Mostly short; sometimes all that a record may hold. */
static size_t
words_of(uint64_t seq)
{
	uint64_t r = word_of(seq, ~0ull) >> 20;
	size_t n = r % 32 == 0 ? r / 32 % (most_words() + 1) : r / 32 % 20;
	return n < most_words() ? n : most_words();
}

unsigned
slots_of(uint64_t seq)
{
	if (is_call(seq))
		return opens_slot(seq);
	size_t bytes = words_of(seq) * 8;
	return bytes <= SLOT0_PAYLOAD
		       ? 1
		       : 1 + (unsigned)((bytes - SLOT0_PAYLOAD + SLOTN_PAYLOAD - 1) / SLOTN_PAYLOAD);
}

void
check_record(const struct slot *record, unsigned k, uint64_t seq, uint32_t thread)
{
	must(record_type(record->w[0]) == RECORD_AUDIT && !is_call(seq), "seq %" PRIu64, seq);
	must(k == slots_of(seq), "seq %" PRIu64 ": %u slots", seq, k);
	must(record->w[1] == seq * 3, "seq %" PRIu64, seq);
	must(record->w[2] == ((uint64_t)thread << 32 | (uint32_t)seq),
	     "seq %" PRIu64 ", written by %u", seq, (unsigned)(record->w[2] >> 32));
	for (size_t i = 0, n = words_of(seq); i < n; i++) {
		size_t at = i < 5 ? i + 3 : 8 + (i - 5) / 7 * 8 + (i - 5) % 7 + 1;
		must(record[at / 8].w[at % 8] == word_of(seq, i), "seq %" PRIu64 ", word %zu", seq, i);
	}
}

/* ---- what the lane needs ---- */

static int
reserve(void *context, struct slot *first, uint64_t n)
{
	(void)context;
	must(first >= arena->slots && first + n <= arena->slots + n_slots, "reserve");
	return 0;
}

static bool
reader_alive(void *context)
{
	(void)context;
	return load_relaxed(&arena->reader_alive);
}

static void
wake(void *context)
{
	(void)context;
}

static bool
wait_a_little(void *context, unsigned waited)
{
	(void)context;
	must(waited <= wait_limit, "it waits on when the time is up");
	if (waited == wait_limit) {
		bump(&arena->timeouts);
		return false;
	}
	usleep(20);
	return true;
}

static const struct lane_ops ops = {reserve, NULL, reader_alive, wake, wait_a_little};

void
open_lane(struct lane *lane, enum lane_mode mode)
{
	lane_init(lane, &arena->lane, arena->slots, n_slots, mode, 0, &ops, NULL);
}

/* ---- events ---- */

static void
put_words(struct lane_writer *w, uint64_t seq)
{
	/* Now and then in halves. */
	size_t part = seq % 5 == 0 ? 4 : 8;
	for (size_t i = 0, n = words_of(seq); i < n; i++) {
		uint64_t word = word_of(seq, i);
		for (size_t at = 0; at < 8; at += part)
			lane_put(w, (uint8_t *)&word + at, part);
	}
}

static bool
produce_record(struct lane *lane, uint64_t seq, uint32_t thread)
{
	struct lane_writer w;
	uint64_t head = lane->head;
	if (!lane_begin(lane, &w, RECORD_AUDIT)) {
		lane_drop(lane, lane_full_reason(lane));
		return false;
	}
	put_words(&w, seq);
	lane_commit(&w, seq * 3, thread, (uint32_t)seq);
	return lane->head != head;
}

bool
produce(struct lane *lane, uint32_t thread)
{
	uint64_t seq = next_seq(lane);
	bump(&arena->attempts);
	if (seq < N_DEFINITIONS)
		arena->definitions[seq] = definition_of(seq);
	if (!(is_call(seq) ? produce_call : produce_record)(lane, seq, thread))
		return false;
	bump(&arena->committed);
	return true;
}

void
produce_on(struct lane *lane)
{
	while (!load_relaxed(&arena->stop)) {
		produce(lane, ONE_PRODUCER);
		if (next_seq(lane) % 4096 == 0)
			usleep(50);
	}
	if (next_seq(lane) % 2 == 0) /* else the slot stays open */
		lane_call_close(lane);
}

pid_t
fork_producer(enum lane_mode mode)
{
	pid_t pid = fork_child();
	if (pid == 0) {
		struct lane lane;
		open_lane(&lane, mode);
		produce_on(&lane);
		_exit(0);
	}
	return pid;
}
