/* SPDX-License-Identifier: MIT */
/*
 * A lane that is read while it is written, by a hook that is honest and by somebody else. The
 * input is a byte of flags, then steps: a byte, and what it takes.
 */
#include "drain.h"
#include "fuzz.h"
#include "value.h"

#define N_SLOTS 64

enum step {
	STEP_WORD,    /* u8 which word of struct lane_shared, u64: it has that value */
	STEP_SLOTS,   /* u8 from, u8 n, n * 64 bytes */
	STEP_NOTE,    /* drain_note() */
	STEP_RUN,     /* u8 max */
	STEP_LOOK,    /* for losses */
	STEP_RELEASE,
	STEP_REATTACH,/* u8: skip? */
	STEP_RECORD,  /* u8 event, u8 n, n bytes: an honest record; its values may be none */
	STEP_CALL,    /* u64: an honest call */
	STEP_DROP,    /* u8 reason */
	STEP_FINISH,
	STEP_MARK,
	STEP_RELEASE_MARKED,
	STEP_RELIEVE,
	N_STEPS,
};

static struct lane_shared shared;
static struct slot slots[N_SLOTS];
static struct lane lane;
static struct drain drain;
static struct call_room room;
static uint64_t following;

static int reserve(void *c, struct slot *s, uint64_t n) { (void)c, (void)s, (void)n; return 0; }
static bool reader_alive(void *c) { (void)c; return true; }
static void wake(void *c) { (void)c; }
static bool wait_a_little(void *c, unsigned waited) { (void)c; return waited < 2; }
static const struct lane_ops ops = {reserve, NULL, reader_alive, wake, wait_a_little};

static uint64_t
same(void *context, uint64_t ticks)
{
	(void)context;
	return ticks;
}

/* Whatever the lane says, numbers rise, and a loss has as many as it counts. */
static void
take(void *context, const struct event *event, bool wanted)
{
	uint64_t first = event->seq, last = event->seq;
	(void)context, (void)wanted;
	if (event->type == EVENT_LOST) {
		first = event->lost_seq_from;
		last = event->lost_seq_to;
		NEED(event->lost_count == last - first + 1);
	}
	if (event->lane != EVENT_NO_LANE) {
		NEED((int64_t)(first - following) >= 0 && (int64_t)(last - first) >= 0);
		following = last + 1;
	}
	show_event(event);
}

static const struct drain_to to = {
	.fn = take, .time = same, .duration = same, .now_ns = 1700000000000000000u};

static void
attach(enum lane_mode mode, bool skip)
{
	room.n_entries = CALL_STACK_ENTRIES;
	drain_init(&drain, &shared, slots, N_SLOTS, 0, mode, skip, &room);
	following = drain.next_seq;
}

static void
run(uint64_t max)
{
	struct drain_to with_symbols = to;
	with_symbols.symbols = show_symbols();
	uint64_t n = drain_run(&drain, &with_symbols, max);
	NEED(n <= max + CALLS_PER_SLOT);
}

static void
record(struct input *input)
{
	struct lane_writer w;
	uint32_t event = (uint32_t)input_number(input, 1);
	size_t n = input_number(input, 1);
	const uint8_t *bytes = input_take(input, &n);
	if (!lane_begin(&lane, &w, RECORD_AUDIT)) {
		lane_drop(&lane, lane_full_reason(&lane));
		return;
	}
	lane_put(&w, bytes, n);
	lane_commit(&w, 1000, 7, event);
}

static void
call(struct input *input)
{
	static const uint64_t low = (UINT64_C(1) << CALLS_TICK_BITS) - 1;
	uint64_t word = input_number(input, 8) & ~low;
	uint64_t w2 = calls_w2(calls_stack((uint32_t)(word >> 38) & 3, (uint32_t)(word >> 40) & 3), 3);
	if (!lane_call(&lane, word, 1000) && !lane_call_next(&lane, word, 1000, w2))
		lane_call_open(&lane, word, 1000, w2);
}

static void
finish(void)
{
	struct drain_to with_symbols = to;
	with_symbols.symbols = show_symbols();
	drain_note(&drain);
	for (unsigned i = 0; i < CALLS_PER_SLOT * N_SLOTS; i++)
		if (drain_run(&drain, &with_symbols, 64) == 0)
			break;
	drain_finish(&drain, &with_symbols);
}

static void
step(struct input *input, enum lane_mode mode)
{
	size_t from, n;
	const uint8_t *bytes;
	switch ((enum step)(input_number(input, 1) % N_STEPS)) {
	case STEP_WORD:
		from = input_number(input, 1) % (sizeof shared / 8);
		((uint64_t *)&shared)[from] = input_number(input, 8);
		break;
	case STEP_SLOTS:
		from = input_number(input, 1) % N_SLOTS;
		n = input_number(input, 1) % (N_SLOTS - from) * SLOT_BYTES;
		bytes = input_take(input, &n);
		memcpy(&slots[from], bytes, n);
		break;
	case STEP_NOTE:
		drain_note(&drain);
		break;
	case STEP_RUN:
		run(input_number(input, 1));
		break;
	case STEP_LOOK:
		drain_look_for_losses(&drain);
		break;
	case STEP_RELEASE:
		drain_release(&drain);
		break;
	case STEP_REATTACH:
		drain_fini(&drain);
		attach(mode, input_number(input, 1) & 1);
		break;
	case STEP_RECORD:
		record(input);
		break;
	case STEP_CALL:
		call(input);
		break;
	case STEP_DROP:
		lane_drop(&lane, (enum lost_reason)(input_number(input, 1) % 3));
		break;
	case STEP_FINISH:
		finish();
		break;
	case STEP_MARK:
		drain_mark(&drain);
		break;
	case STEP_RELEASE_MARKED:
		drain_release_marked(&drain);
		break;
	case STEP_RELIEVE:
		drain_relieve(&drain);
		break;
	case N_STEPS:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, bytes + n};
	show_begin();
	unsigned flags = (unsigned)input_number(&input, 1);
	enum lane_mode mode = (enum lane_mode)(flags % 3);
	memset(&shared, 0, sizeof shared);
	memset(slots, 0, sizeof slots);
	lane_init(&lane, &shared, slots, N_SLOTS, mode, N_SLOTS, &ops, NULL);
	attach(mode, flags & 4);
	for (unsigned i = 0; i < 256 && input.at < input.end; i++)
		step(&input, mode);
	finish();
	drain_fini(&drain);
	return 0;
}
