/* SPDX-License-Identifier: MIT */
/*
 * A lane between two processes, at full speed and under SIGKILL.
 *
 *	torture_lane [-t SECONDS] [-s SEED] [TEST...]
 *
 * What a record holds follows from its seq alone, so the consumer checks each byte, and what
 * it did not get must be counted, but for one event that a kill may find under way. SECONDS
 * is for all tests together. tests/steps/torture builds and runs this.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "lane.h"

#define MOST_SLOTS 4096
#define BATCH 512
#define PAGE 4096
#define ONE_PRODUCER 77 /* what stands in a record as its thread */

/* What a consumer has written out: entry n - 1 counts once n is stored. */
struct output {
	uint64_t n;
	uint64_t repeated, batches_repeated;
	struct {
		uint64_t position, next_seq;
	} entry[2];
};

/* Shared by all processes of a test. */
static struct arena {
	struct lane_shared lane;
	struct slot slots[MOST_SLOTS];
	struct output output;
	uint32_t stop;
} *arena;

static const char *test = "";
static unsigned seed;
static uint64_t n_slots, deadline_ns;

static _Noreturn void
fail(int line, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	printf("%s: line %d, seed %u: ", test, line, seed);
	vprintf(format, values);
	putchar('\n');
	fflush(stdout);
	exit(1); /* the children follow: PR_SET_PDEATHSIG */
}
#define must(condition, ...) \
	do { \
		if (!(condition)) \
			fail(__LINE__, #condition "; " __VA_ARGS__); \
	} while (0)

static uint64_t random_state;

static uint64_t
random_below(uint64_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % n;
}

static bool
time_is_left(void)
{
	return clock_ns(CLOCK_MONOTONIC) < deadline_ns;
}

/* ---- what a record holds ---- */

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

static unsigned
slots_of(uint64_t seq)
{
	size_t bytes = words_of(seq) * 8;
	return bytes <= SLOT0_PAYLOAD
		       ? 1
		       : 1 + (unsigned)((bytes - SLOT0_PAYLOAD + SLOTN_PAYLOAD - 1) / SLOTN_PAYLOAD);
}

static void
check_record(const struct slot *record, unsigned k, uint64_t seq, uint32_t thread)
{
	must(record_type(record->w[0]) == RECORD_AUDIT, "seq %" PRIu64, seq);
	must(k == slots_of(seq), "seq %" PRIu64 ": %u slots", seq, k);
	must(record->w[1] == seq * 3, "seq %" PRIu64, seq);
	must(record->w[2] == ((uint64_t)thread << 32 | (uint32_t)seq),
	     "seq %" PRIu64 ", written by %u", seq, (unsigned)(record->w[2] >> 32));
	for (size_t i = 0, n = words_of(seq); i < n; i++) {
		size_t at = i < 5 ? i + 3 : 8 + (i - 5) / 7 * 8 + (i - 5) % 7 + 1;
		must(record[at / 8].w[at % 8] == word_of(seq, i), "seq %" PRIu64 ", word %zu", seq, i);
	}
}

/* ---- producer ---- */

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
	return true;
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
	usleep(20);
	return waited < 500000;
}

static const struct lane_ops ops = {reserve, reader_alive, wake, wait_a_little};

static void
produce(struct lane *lane, uint32_t thread)
{
	struct lane_writer w;
	uint64_t seq = lane->seq;
	if (!lane_begin(lane, &w, RECORD_AUDIT)) {
		lane_drop(lane, lane_full_reason(lane));
		return;
	}
	/* Now and then the words are put in halves. */
	size_t part = seq % 5 == 0 ? 4 : 8;
	for (size_t i = 0, n = words_of(seq); i < n; i++) {
		uint64_t word = word_of(seq, i);
		for (size_t at = 0; at < 8; at += part)
			lane_put(&w, (uint8_t *)&word + at, part);
	}
	lane_commit(&w, seq * 3, thread, (uint32_t)seq);
}

static void
open_lane(struct lane *lane, enum lane_mode mode)
{
	lane_init(lane, &arena->lane, arena->slots, n_slots, mode, 0, &ops, NULL);
}

/* Until it is stopped or killed; sometimes it has nothing to do. */
static void
produce_on(enum lane_mode mode)
{
	struct lane lane;
	open_lane(&lane, mode);
	while (!load_relaxed(&arena->stop)) {
		produce(&lane, ONE_PRODUCER);
		if (lane.seq % 4096 == 0)
			usleep(50);
	}
}

static pid_t
fork_child(void)
{
	fflush(stdout);
	pid_t parent = getpid(), pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static void
reap(pid_t pid)
{
	int status;
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	must(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0,
	     "the child ended with %#x", (unsigned)status);
}

/* ---- consumer ---- */

struct account {
	struct lane_reader reader;
	uint64_t next_seq;
	uint64_t records;
	uint64_t gaps;    /* seqs that were not read, up to next_seq */
	uint64_t slots;   /* of records */
	uint64_t partial; /* slots of records whose beginning was overwritten */
	uint32_t thread;
};

static uint64_t
n_dropped(void)
{
	uint64_t n = 0;
	for (int i = 0; i < N_LOST_REASONS; i++)
		n += load_acquire(&arena->lane.dropped[i]);
	return n;
}

static struct account
open_account(enum lane_mode mode)
{
	struct account a = {.thread = ONE_PRODUCER};
	lane_reader_init(&a.reader, &arena->lane, arena->slots, n_slots, mode == LANE_OVERWRITE);
	return a;
}

/* The records of one batch; false: there was nothing. */
static bool
drain_batch(struct account *a)
{
	static struct slot copy[MOST_SLOTS];
	uint64_t max = n_slots / 4 > BATCH ? n_slots / 4 : BATCH, at = 0;
	int64_t n = lane_reader_copy(&a->reader, copy, max);
	must(n >= 0, "head %" PRIu64 " position %" PRIu64, arena->lane.head, a->reader.position);
	while (at < (uint64_t)n) {
		int k = record_check(copy + at, (uint64_t)n - at);
		if (k == 0)
			break;
		if (k < 0) {
			must(a->reader.overwrite, "no record, after seq %" PRIu64, a->next_seq);
			a->partial++;
			at++;
			continue;
		}
		uint64_t seq = record_seq(copy[at].w[0]);
		must(seq >= a->next_seq, "seq %" PRIu64 " after %" PRIu64, seq, a->next_seq);
		check_record(copy + at, (unsigned)k, seq, a->thread);
		a->gaps += seq - a->next_seq;
		a->next_seq = seq + 1;
		a->records++;
		a->slots += (uint64_t)k;
		at += (uint64_t)k;
	}
	lane_reader_unread(&a->reader, (uint64_t)n - at);
	return at > 0;
}

/* All there is, a few rounds of the ring at most: the producer may be faster. */
static void
drain(struct account *a, bool release)
{
	uint64_t dropped = n_dropped();
	for (int i = 0; drain_batch(a); i++) {
		if (release)
			lane_reader_release(&a->reader);
		if (i == 64)
			return;
	}
	/* Drops that no gap explains lie behind the last record. */
	if (!a->reader.overwrite && dropped > a->gaps) {
		a->next_seq += dropped - a->gaps;
		a->gaps = dropped;
	}
}

/* Nobody writes any more: is everything accounted for? Returns what was under way. */
static uint64_t
settle(struct account *a, bool was_killed)
{
	const struct lane_shared *lane = &arena->lane;
	must(a->reader.position == lane->head, "%" PRIu64 " of %" PRIu64 " slots read",
	     a->reader.position, lane->head);
	must(a->slots + a->partial + a->reader.skipped == lane->head, "slots %" PRIu64, a->slots);
	must(lane->seq == a->next_seq || (was_killed && lane->seq == a->next_seq + 1),
	     "seq %" PRIu64 ", accounted for up to %" PRIu64, lane->seq, a->next_seq);
	must(a->records + a->gaps == a->next_seq, "%" PRIu64 " records", a->records);
	if (a->reader.overwrite) {
		must(n_dropped() == 0, "dropped in overwrite mode");
	} else {
		must(a->gaps == n_dropped(), "gaps %" PRIu64 ", dropped %" PRIu64, a->gaps, n_dropped());
		must(a->reader.skipped + a->partial == 0, "slots skipped");
	}
	return lane->seq - a->next_seq;
}

static void
reset(uint64_t slots)
{
	n_slots = slots;
	memset(&arena->lane, 0, sizeof arena->lane);
	memset(&arena->output, 0, sizeof arena->output);
	memset(arena->slots, 0xa5, n_slots * sizeof arena->slots[0]);
	arena->stop = 0;
}

/* ---- the tests ---- */

static void
consume_until_time_is_up(struct account *a)
{
	while (time_is_left()) {
		drain(a, true);
		if (random_below(64) == 0)
			usleep((unsigned)random_below(300));
	}
	store_relaxed(&arena->stop, 1);
	for (int i = 0; i < 100; i++) { /* the producer may wait for room */
		drain(a, true);
		usleep(100);
	}
}

static void
report_live(struct account *a, enum lane_mode mode)
{
	drain(a, true);
	settle(a, false);
	must(mode != LANE_BLOCK || a->gaps == 0, "%" PRIu64 " dropped in block mode", a->gaps);
	must(a->records > 0, "no records");
	printf("%s: %" PRIu64 " records, %" PRIu64 " %s\n", test, a->records, a->gaps,
	       mode == LANE_OVERWRITE ? "overwritten" : "dropped");
}

static void
live(enum lane_mode mode)
{
	reset(256);
	struct account a = open_account(mode);
	pid_t pid = fork_child();
	if (pid == 0) {
		produce_on(mode);
		_exit(0);
	}
	consume_until_time_is_up(&a);
	reap(pid);
	report_live(&a, mode);
}

static void *
produce_in_thread(void *mode)
{
	produce_on(*(enum lane_mode *)mode);
	return NULL;
}

/* The same in one process, for ThreadSanitizer. */
static void
threads(enum lane_mode mode)
{
	pthread_t thread;
	reset(256);
	struct account a = open_account(mode);
	must(pthread_create(&thread, NULL, produce_in_thread, &mode) == 0, "pthread_create");
	consume_until_time_is_up(&a);
	pthread_join(thread, NULL);
	report_live(&a, mode);
}

/* What a flight recorder must still hold: all but what was being overwritten. */
static void
check_kept(const struct account *a)
{
	uint64_t under_way = arena->lane.intent - arena->lane.head;
	if ((int64_t)under_way < 0)
		under_way = 0; /* killed before the first record */
	must(under_way <= n_slots / 4, "intent %" PRIu64, arena->lane.intent);
	uint64_t kept = n_slots - under_way;
	must(a->slots + a->partial >= (arena->lane.head < kept ? arena->lane.head : kept),
	     "%" PRIu64 " slots kept", a->slots);
	must(a->partial < n_slots / 4, "%" PRIu64 " slots lost at the beginning", a->partial);
}

/* The producer is killed at a random moment, with or without somebody who reads. */
static void
kill_producer(enum lane_mode mode)
{
	uint64_t kills = 0, records = 0, lost = 0, under_way = 0;
	for (; time_is_left(); kills++) {
		reset(64ull << random_below(7));
		struct account a = open_account(mode);
		pid_t pid = fork_child();
		if (pid == 0) {
			produce_on(mode);
			_exit(0);
		}
		bool reads = random_below(2);
		uint64_t end = clock_ns(CLOCK_MONOTONIC) + random_below(3000000);
		while (clock_ns(CLOCK_MONOTONIC) < end)
			if (reads)
				drain(&a, true);
		kill(pid, SIGKILL);
		reap(pid);
		drain(&a, true);
		under_way += settle(&a, true);
		if (mode == LANE_OVERWRITE && !reads)
			check_kept(&a);
		records += a.records;
		lost += a.gaps;
	}
	printf("%s: %" PRIu64 " kills, %" PRIu64 " with an event under way, %" PRIu64
	       " records, %" PRIu64 " lost\n", test, kills, under_way, records, lost);
}

/* A producer that runs one instruction at a time; 0: ptrace is not to be had. */
static pid_t
fork_stepped(enum lane_mode mode, unsigned n_before)
{
	int status;
	pid_t pid = fork_child();
	if (pid == 0) {
		struct lane lane;
		open_lane(&lane, mode);
		for (unsigned i = 0; i < n_before; i++)
			produce(&lane, ONE_PRODUCER);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(0);
		raise(SIGSTOP);
		for (;;)
			produce(&lane, ONE_PRODUCER);
	}
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFSTOPPED(status) ? pid : 0;
}

static void
step(pid_t pid)
{
	int status;
	must(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0, "ptrace");
	must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "waitpid");
}

/* What a collector would find if the producer were killed now. */
static uint64_t
check_as_if_killed(const struct account *a)
{
	struct account copy = *a;
	drain(&copy, false);
	return settle(&copy, true);
}

/*
 * The producer is killed after each single instruction: first really, after 1, 2, 3 ... of
 * them; then one producer goes on for as long as there is time, and what stands in shared
 * memory is checked after each instruction, which is all that a kill would leave.
 */
static void
kill_at_each_instruction(enum lane_mode mode)
{
	uint64_t kills = 0, steps = 0, under_way = 0, records = 0, lost = 0;
	uint64_t kills_end = clock_ns(CLOCK_MONOTONIC);
	cpu_set_t before, one;
	sched_getaffinity(0, sizeof before, &before);
	kills_end += (deadline_ns - kills_end) / 2;
	/* On one processor the two change places ten times as fast. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof one, &one);

	for (; clock_ns(CLOCK_MONOTONIC) < kills_end; kills++) {
		reset(64);
		struct account a = open_account(mode);
		/* Into a lane that is empty, half full or full; block mode would wait there. */
		unsigned n_before = (unsigned)random_below(mode == LANE_BLOCK ? 5 : 50);
		pid_t pid = fork_stepped(mode, n_before);
		if (pid == 0) {
			printf("%s: skipped: ptrace is not allowed here\n", test);
			goto out;
		}
		for (unsigned i = 0; i <= kills; i++)
			step(pid);
		kill(pid, SIGKILL);
		reap(pid);
		drain(&a, true);
		under_way += settle(&a, true);
	}

	reset(64);
	struct account a = open_account(mode);
	pid_t pid = fork_stepped(mode, mode == LANE_BLOCK ? 5 : 50);
	for (; time_is_left(); steps++) {
		step(pid);
		under_way += check_as_if_killed(&a);
		if (random_below(4000) == 0)
			drain(&a, true);
	}
	kill(pid, SIGKILL);
	reap(pid);
	drain(&a, true);
	settle(&a, true);
	records = a.records;
	lost = a.gaps;
	must(records > 0, "no record in %" PRIu64 " steps", steps);
	printf("%s: %" PRIu64 " kills after 1, 2, 3 ... instructions, %" PRIu64
	       " more points looked at, %" PRIu64 " with an event under way, %" PRIu64
	       " records, %" PRIu64 " lost\n", test, kills, steps, under_way, records, lost);
out:
	sched_setaffinity(0, sizeof before, &before);
}

/* A consumer that writes out before it releases, and goes on where another was killed. */
static void
write_out(void)
{
	static struct slot copy[BATCH];
	struct output *out = &arena->output;
	struct lane_reader reader;
	lane_reader_init(&reader, &arena->lane, arena->slots, n_slots, false);
	for (bool first = true;; first = false) {
		uint64_t n_out = out->n;
		uint64_t position = n_out > 0 ? out->entry[(n_out - 1) % 2].position : 0;
		uint64_t next_seq = n_out > 0 ? out->entry[(n_out - 1) % 2].next_seq : 0;
		uint64_t again = position - reader.position, at = 0;
		must(first ? again <= BATCH : again == 0, "%" PRIu64 " slots again", again);
		if (first && again > 0)
			out->batches_repeated++;
		int64_t n = lane_reader_copy(&reader, copy, BATCH);
		must(n >= 0, "implausible");
		if (n == 0 && load_relaxed(&arena->stop) > 1)
			return;
		must((uint64_t)n >= again, "less than was there before");
		while (at < (uint64_t)n) {
			int k = record_check(copy + at, (uint64_t)n - at);
			if (k == 0)
				break;
			must(k > 0, "no record, after seq %" PRIu64, next_seq);
			uint64_t seq = record_seq(copy[at].w[0]);
			check_record(copy + at, (unsigned)k, seq, ONE_PRODUCER);
			at += (uint64_t)k;
			if (at <= again) {
				out->repeated++;
				continue;
			}
			must(seq >= next_seq, "seq %" PRIu64 " after %" PRIu64, seq, next_seq);
			next_seq = seq + 1;
			out->entry[n_out % 2].position = reader.position - (uint64_t)n + at;
			out->entry[n_out % 2].next_seq = next_seq;
			store_release(&out->n, ++n_out);
		}
		lane_reader_unread(&reader, (uint64_t)n - at);
		lane_reader_release(&reader);
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

/* The consumer is killed again and again: nothing is skipped, one batch repeated at most. */
static void
kill_consumer(enum lane_mode mode)
{
	uint64_t kills = 0;
	reset(1024);
	pid_t producer = fork_child();
	if (producer == 0) {
		produce_on(mode);
		_exit(0);
	}
	for (; time_is_left(); kills++) {
		pid_t pid = fork_consumer();
		usleep((unsigned)random_below(2000));
		kill(pid, SIGKILL);
		reap(pid);
	}
	pid_t pid = fork_consumer();
	store_relaxed(&arena->stop, 1);
	reap(producer);
	store_relaxed(&arena->stop, 2);
	reap(pid);

	const struct output *out = &arena->output;
	must(out->n > 0, "nothing was written out");
	must(out->entry[(out->n - 1) % 2].position == arena->lane.head, "not all was read");
	must(out->n + n_dropped() == arena->lane.seq, "%" PRIu64 " written, %" PRIu64
	     " dropped of %" PRIu64, out->n, n_dropped(), arena->lane.seq);
	must(mode != LANE_BLOCK || n_dropped() == 0, "dropped in block mode");
	printf("%s: %" PRIu64 " kills, %" PRIu64 " records, %" PRIu64 " dropped, %" PRIu64
	       " repeated in %" PRIu64 " batches\n", test, kills, out->n, n_dropped(),
	       out->repeated, out->batches_repeated);
}

/* What the hook does: its lane is not there in a child, which then writes nothing. */
static void
produce_if_mine(struct lane *lane)
{
	if (lane->shared != NULL)
		produce(lane, (uint32_t)getpid());
}

static void
produce_and_fork(enum lane_mode mode)
{
	struct lane *lane = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(lane != MAP_FAILED, "mmap");
	must(madvise(lane, PAGE, MADV_WIPEONFORK) == 0, "MADV_WIPEONFORK");
	open_lane(lane, mode);
	while (!load_relaxed(&arena->stop)) {
		for (int i = 0; i < 500; i++)
			produce_if_mine(lane);
		pid_t pid = fork_child();
		for (int i = 0; i < 20; i++)
			produce_if_mine(lane);
		if (pid == 0)
			_exit(0);
		reap(pid);
		arena->output.n++;
	}
}

static void
fork_producer(enum lane_mode mode)
{
	reset(256);
	struct account a = open_account(mode);
	pid_t pid = fork_child();
	if (pid == 0) {
		produce_and_fork(mode);
		_exit(0);
	}
	a.thread = (uint32_t)pid;
	consume_until_time_is_up(&a);
	reap(pid);
	drain(&a, true);
	settle(&a, false);
	printf("%s: %" PRIu64 " forks, %" PRIu64 " records, %" PRIu64 " dropped\n", test,
	       arena->output.n, a.records, a.gaps);
}

static const struct torture {
	const char *name;
	void (*run)(enum lane_mode mode);
	enum lane_mode mode;
} tortures[] = {
	{"drop", live, LANE_DROP},
	{"overwrite", live, LANE_OVERWRITE},
	{"block", live, LANE_BLOCK},
	{"kill-producer-drop", kill_producer, LANE_DROP},
	{"kill-producer-overwrite", kill_producer, LANE_OVERWRITE},
	{"kill-producer-block", kill_producer, LANE_BLOCK},
	{"step-drop", kill_at_each_instruction, LANE_DROP},
	{"step-overwrite", kill_at_each_instruction, LANE_OVERWRITE},
	{"step-block", kill_at_each_instruction, LANE_BLOCK},
	{"kill-consumer-drop", kill_consumer, LANE_DROP},
	{"kill-consumer-block", kill_consumer, LANE_BLOCK},
	{"fork", fork_producer, LANE_DROP},
	{"threads-drop", threads, LANE_DROP},
	{"threads-block", threads, LANE_BLOCK},
};
#define N_TORTURES (sizeof tortures / sizeof tortures[0])

static bool
chosen(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return n == 0;
}

int
main(int argc, char **argv)
{
	double seconds = 5;
	int option, n = 0;
	seed = (unsigned)clock_ns(CLOCK_REALTIME) % 1000000;
	while ((option = getopt(argc, argv, "t:s:")) != -1) {
		if (option == 't') {
			seconds = atof(optarg);
		} else if (option == 's') {
			seed = (unsigned)atoi(optarg);
		} else {
			fprintf(stderr, "usage: torture_lane [-t SECONDS] [-s SEED] [TEST...]\n");
			return 2;
		}
	}
	random_state = seed;
	arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(arena != MAP_FAILED, "mmap");
	for (size_t i = 0; i < N_TORTURES; i++)
		n += chosen(tortures[i].name, argv + optind, argc - optind);
	for (size_t i = 0; i < N_TORTURES; i++) {
		if (!chosen(tortures[i].name, argv + optind, argc - optind))
			continue;
		test = tortures[i].name;
		deadline_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds / n * 1e9);
		tortures[i].run(tortures[i].mode);
	}
	return n > 0 ? 0 : 2;
}
