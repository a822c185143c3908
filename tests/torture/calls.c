/* SPDX-License-Identifier: MIT */
#include "calls.h"

#define BLOCK 16 /* a slot does not reach past so many */
#define LONG_AGO (1ULL << CALLS_TICK_BITS)

static uint64_t
mix(uint64_t seq, uint64_t what)
{
	uint64_t x = (seq + 1) * 0x9e3779b97f4a7c15u ^ (what + 8 * turn) * 0xc2b2ae3d27d4eb4fu;
	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u >> 32;
}

/* A block is all records, all calls, or a mixture. */
bool
is_call(uint64_t seq)
{
	switch (mix(seq / BLOCK, 1) % 4) {
	case 0: return false;
	case 1: return mix(seq, 2) % 2;
	default: return true;
	}
}

/* As when the thread changes. */
static bool
closes_before(uint64_t seq)
{
	return seq % BLOCK == 0 || mix(seq, 3) % 13 == 0;
}

/* Now and then more than a slot may tell, and back again. */
static uint64_t
ticks_of(uint64_t seq)
{
	return seq * 3 + (mix(seq / 2, 4) % 8 == 0 ? LONG_AGO : 0);
}

static uint64_t
word_of(uint64_t seq)
{
	static const enum call_event what[] = {CALL_PY_START, CALL_C_CALL, CALL_PY_RETURN,
					       CALL_C_RAISE};
	uint64_t id = seq < N_DEFINITIONS ? seq : mix(seq, 5) % N_DEFINITIONS;
	return call_word(what[seq % 4], (uint32_t)id);
}

bool
opens_slot(uint64_t seq)
{
	unsigned n = 0;
	uint64_t base = 0;
	for (uint64_t s = seq - seq % BLOCK;; s++) {
		if (!is_call(s) || closes_before(s))
			n = 0;
		if (is_call(s)) {
			if (n == 0 || n == CALLS_PER_SLOT || (ticks_of(s) - base) >= LONG_AGO) {
				n = 0;
				base = ticks_of(s);
			}
			n++;
		}
		if (s == seq)
			return n == 1;
	}
}

uint64_t
next_seq(const struct lane *lane)
{
	return lane->seq + (lane->call_end == NULL
				    ? 0
				    : CALLS_PER_SLOT - (uint64_t)(lane->call_end - lane->call_at));
}

bool
produce_call(struct lane *lane, uint64_t seq, uint32_t thread)
{
	if (closes_before(seq))
		lane_call_close(lane);
	uint64_t w2 = (uint64_t)thread << 32 | (uint32_t)seq;
	return lane_call(lane, word_of(seq), ticks_of(seq)) ||
	       lane_call_next(lane, word_of(seq), ticks_of(seq), w2) ||
	       lane_call_open(lane, word_of(seq), ticks_of(seq), w2);
}

void
check_call(const struct slot *slot, unsigned i, uint64_t word, uint32_t thread)
{
	uint64_t first = record_seq(slot->w[0]), seq = first + i, since = ticks_of(seq) - slot->w[1];
	must(is_call(seq), "seq %" PRIu64 " is no call", seq);
	must(slot->w[1] == ticks_of(first), "seq %" PRIu64, first);
	must(slot->w[2] == ((uint64_t)thread << 32 | (uint32_t)first),
	     "seq %" PRIu64 ", written by %u", first, (unsigned)(slot->w[2] >> 32));
	must(since < LONG_AGO && word == (word_of(seq) | since), "seq %" PRIu64 ": %#" PRIx64, seq,
	     word);
	must(arena->definitions[call_id(word)] == definition_of(call_id(word)),
	     "seq %" PRIu64 " came before definition %u", seq, call_id(word));
}

static unsigned
count_words(const uint64_t words[CALLS_PER_SLOT])
{
	unsigned n = 0;
	while (n < CALLS_PER_SLOT && words[n] != 0)
		n++;
	return n;
}

unsigned
read_calls(const struct lane_reader *reader, const struct slot *slot, uint64_t position,
	   uint64_t words[CALLS_PER_SLOT], bool *closed)
{
	if (position == reader->head - 1) {
		*closed = lane_reader_slot_closed(reader, slot->w[0]);
		unsigned n = lane_reader_open_slot(reader, position, words);
		*closed |= n == CALLS_PER_SLOT;
		return n;
	}
	memcpy(words, &slot->w[3], CALLS_PER_SLOT * sizeof words[0]);
	unsigned n = count_words(words);
	for (unsigned i = n; i < CALLS_PER_SLOT; i++)
		must(words[i] == 0, "a word behind a zero one, after seq %" PRIu64,
		     record_seq(slot->w[0]));
	*closed = true;
	return n;
}

struct counts
counts_with_open_slot(void)
{
	const struct lane_shared *lane = &arena->lane;
	const struct slot *slot = &arena->slots[(lane->head - 1) & (n_slots - 1)];
	struct counts counts = {.seq = lane->seq, .calls = lane->calls};
	uint64_t w0 = slot->w[0];
	if (lane->head != start && w0 == record_w0(1, 1, RECORD_CALLS, lane->seq))
		counts.n_open = count_words(&slot->w[3]);
	counts.seq += counts.n_open;
	counts.calls += counts.n_open;
	return counts;
}
