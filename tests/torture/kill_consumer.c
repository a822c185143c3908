/* SPDX-License-Identifier: MIT */
/*
 * A consumer that writes out before it releases, and goes on where another was killed:
 * nothing is skipped, and one batch repeated at most. Of an open slot it writes out what is
 * there; where nothing else was to be had, that is what is repeated.
 */
#include <stdio.h>
#include <unistd.h>

#include "account.h"
#include "calls.h"
#include "producer.h"
#include "stepped.h"
#include "tests.h"

static uint64_t batch; /* slots; a record fits */

/* Past the last slot of which anything was written out. */
static uint64_t
written_position(void)
{
	const struct output *out = &arena->output;
	return out->n > 0 ? out->entry[(out->n - 1) % 2].position : start;
}

static uint64_t
written_next_seq(void)
{
	const struct output *out = &arena->output;
	return out->n > 0 ? out->entry[(out->n - 1) % 2].next_seq : 0;
}

static void
write_record(uint64_t position, uint64_t next_seq)
{
	struct output *out = &arena->output;
	out->entry[out->n % 2].position = position;
	out->entry[out->n % 2].next_seq = next_seq;
	store_release(&out->n, out->n + 1);
}

/* A slot of calls that the consumer found open: where, and how many of its words it has. */
struct open_slot {
	uint64_t position;
	unsigned taken;
};

/*
 * What is new to this consumer in a slot of calls; `again`: it was written out already, `last`:
 * perhaps not all of it. False: it may still be open.
 */
static bool
write_calls(const struct lane_reader *reader, const struct slot *slot, uint64_t position,
	    struct open_slot *open, bool again, bool last)
{
	uint64_t words[CALLS_PER_SLOT], seq = record_seq(slot->w[0]);
	bool closed;
	unsigned n = read_calls(reader, slot, position, words, &closed);
	unsigned i = open->position == position ? open->taken : 0;
	must(n > 0, "an empty slot, after seq %" PRIu64, written_next_seq());
	for (; i < n; i++) {
		bool repeated = seq + i < written_next_seq();
		check_call(slot, i, words[i], ONE_PRODUCER);
		must(repeated ? again : !again || last, "seq %" PRIu64 " after %" PRIu64, seq + i,
		     written_next_seq());
		if (repeated)
			arena->output.repeated++;
		else
			write_record(position + 1, seq + i + 1);
	}
	*open = (struct open_slot){position, n};
	return closed;
}

/* One batch, the first `again` slots of which are written out already; false: nothing new. */
static bool
write_batch(struct lane_reader *reader, uint64_t again, struct open_slot *open)
{
	static struct slot copy[MOST_SLOTS];
	uint64_t at = 0, n_before = arena->output.n;
	int64_t n = lane_reader_copy(reader, copy, batch);
	must(n >= 0, "implausible");
	must((uint64_t)n >= again, "less than was there before");
	while (at < (uint64_t)n) {
		int k = record_check(copy + at, (uint64_t)n - at);
		if (k == 0)
			break;
		uint64_t seq = record_seq(copy[at].w[0]), next_seq = written_next_seq();
		must(k > 0, "no record, after seq %" PRIu64, next_seq);
		if (record_type(copy[at].w[0]) == RECORD_CALLS) {
			if (!write_calls(reader, copy + at, reader->position - (uint64_t)n + at, open,
					 at < again, at + 1 == again))
				break;
			at++;
			continue;
		}
		check_record(copy + at, (unsigned)k, seq, ONE_PRODUCER);
		must((seq < next_seq) == (at < again), "seq %" PRIu64 " after %" PRIu64, seq, next_seq);
		at += (uint64_t)k;
		if (at <= again)
			arena->output.repeated++;
		else
			write_record(reader->position - (uint64_t)n + at, seq + 1);
	}
	lane_reader_unread(reader, (uint64_t)n - at);
	lane_reader_release(reader, reader->position);
	return at > 0 || arena->output.n != n_before;
}

/* Until arena->stop is 2, and then what is left. */
static void
write_out(void)
{
	struct lane_reader reader;
	struct open_slot open = {0};
	lane_reader_init(&reader, &arena->lane, arena->slots, n_slots, false);
	uint64_t again = written_position() - reader.position;
	must(again <= batch, "%" PRIu64 " slots again", again);
	if (again > 0)
		arena->output.batches_repeated++;
	for (;;) {
		bool last = load_acquire(&arena->stop) > 1;
		if (!write_batch(&reader, again, &open) && last)
			return;
		again = 0;
	}
}

static pid_t
fork_consumer(void)
{
	pid_t pid = fork_child();
	if (pid == 0) {
		write_out();
		_exit(0);
	}
	return pid;
}

/* Everything was produced: the last consumer is not killed. */
static void
finish_and_report(pid_t pid, uint64_t kills, const char *more, uint64_t n_more)
{
	const struct output *out = &arena->output;
	store_release(&arena->stop, 2);
	reap(pid);
	must(out->n > 0, "nothing was written out");
	must(written_position() == arena->lane.head, "not all was read");
	struct counts counts = counts_with_open_slot();
	bool open = counts.n_open > 0 && counts.n_open < CALLS_PER_SLOT;
	must(arena->lane.tail + open == arena->lane.head, "not all was released, or an open slot");
	must(arena->attempts == counts.seq, "%" PRIu64 " attempts, seq %" PRIu64, arena->attempts,
	     counts.seq);
	must(out->n + n_dropped() == arena->attempts && out->n == arena->committed, "%" PRIu64
	     " written, %" PRIu64 " committed, %" PRIu64 " dropped of %" PRIu64, out->n,
	     arena->committed, n_dropped(), arena->attempts);
	printf("%s: %" PRIu64 " kills, %" PRIu64 "%s, %" PRIu64 " events, %" PRIu64
	       " dropped, %" PRIu64 " repeated in %" PRIu64 " batches\n", test, kills, n_more, more,
	       out->n, n_dropped(), out->repeated, out->batches_repeated);
}

static uint64_t
kill_again_and_again(enum lane_mode mode, bool noticed)
{
	uint64_t kills = 0;
	pid_t producer = fork_producer(mode);
	for (; time_is_left(); kills++) {
		pid_t pid = fork_consumer();
		store_relaxed(&arena->reader_alive, 1);
		usleep((unsigned)random_below(2000));
		kill_and_reap(pid);
		if (noticed) {
			store_relaxed(&arena->reader_alive, 0);
			usleep((unsigned)random_below(1000));
		}
	}
	store_relaxed(&arena->reader_alive, 1);
	pid_t pid = fork_consumer();
	store_relaxed(&arena->stop, 1);
	reap(producer);
	finish_and_report(pid, kills, " timeouts", arena->timeouts);
	return kills;
}

void
kill_consumer(enum lane_mode mode)
{
	arena_reset(1024);
	batch = 512;
	kill_again_and_again(mode, false);
	must(mode != LANE_BLOCK || n_dropped() == 0, "dropped in block mode");
	must(arena->lane.dropped[LOST_LANE_FULL] == n_dropped(), "another reason than a full lane");
}

/* In block mode the producer waits for no one that is dead, and for the next one again. */
void
kill_consumer_noticed(enum lane_mode mode)
{
	const uint64_t *dropped = arena->lane.dropped;
	arena_reset(1024);
	batch = 512;
	uint64_t kills = kill_again_and_again(mode, true);
	must(dropped[LOST_NO_READER] > 0, "it proved nothing");
	must(dropped[LOST_NO_READER] + dropped[LOST_LANE_FULL] == n_dropped(), "other reasons");
	/* Dead when it waited, the next one alive when the reason was looked up. */
	must(dropped[LOST_LANE_FULL] <= kills, "%" PRIu64 " dropped without a wait",
	     dropped[LOST_LANE_FULL]);
}

/* ---- one instruction at a time ---- */

static pid_t
fork_stepped_consumer(void)
{
	pid_t pid = fork_child();
	if (pid == 0) {
		stepped_begin();
		write_out();
		_exit(0);
	}
	return pid;
}

/* What the next consumer would find if this one were killed now. */
static void
check_released(void)
{
	uint64_t written = written_position(), tail = arena->lane.tail;
	must(written - tail <= batch, "tail %" PRIu64 ", written out up to %" PRIu64, tail - start,
	     written - start);
	must(arena->lane.head - tail <= n_slots, "tail %" PRIu64, tail - start);
	unsigned n_open = counts_with_open_slot().n_open;
	must(tail != arena->lane.head || n_open == 0 || n_open == CALLS_PER_SLOT,
	     "an open slot was released");
}

/*
 * It is looked at after each instruction, and killed after so many, for another to go on; the
 * producer, who sees every tail there is, fills the ring meanwhile.
 */
void
step_consumer(enum lane_mode mode)
{
	struct lane lane;
	uint64_t kills = 0, steps = 0;
	arena_reset(32); /* small, so that it comes to release often */
	batch = 8;
	open_lane(&lane, mode);
	stepped_one_processor(true);
	for (; time_is_left(); kills++) {
		pid_t pid = fork_stepped_consumer();
		if (!stepped_wait(pid)) {
			stepped_one_processor(false);
			return;
		}
		for (uint64_t i = 0, n = random_below(8000); i < n; i++, steps++) {
			step(pid);
			check_released();
			if (random_below(500) == 0)
				produce(&lane, ONE_PRODUCER);
		}
		kill_and_reap(pid);
	}
	stepped_one_processor(false);
	finish_and_report(fork_consumer(), kills, " points looked at", steps);
}
