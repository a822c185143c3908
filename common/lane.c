/* SPDX-License-Identifier: MIT */
#include "lane.h"

/* How much memory is made to exist at a time on the first lap. */
#define RESERVE_SLOTS (256 * 1024 / SLOT_BYTES)
/* After the machine refused memory, it is left in peace for so many attempts. */
#define REFUSED_PAUSE 4096
/* Where no more is to be had, so much of what was read goes to where it is needed next. */
#define MOVE_SLOTS (RESERVE_SLOTS / 4)

void
lane_init(struct lane *lane, struct lane_shared *shared, struct slot *slots, uint64_t n_slots,
	  enum lane_mode mode, uint64_t reserved, const struct lane_ops *ops, void *context)
{
	*lane = (struct lane){
		.shared = shared,
		.slots = slots,
		.n_slots = n_slots,
		.head = load_relaxed(&shared->head),
		.seq = load_relaxed(&shared->seq),
		.calls = load_relaxed(&shared->calls),
		.n_backed = reserved,
		.memory_end = (load_relaxed(&shared->head) & ~(n_slots - 1)) + reserved,
		.mode = mode,
		.ops = ops,
		.context = context,
	};
	lane->limit = lane->head; /* the first record asks */
	lane->woken = lane->head - n_slots / 4;
}

static uint64_t
load_tail(const struct lane *lane)
{
	return load_acquire(&lane->shared->tail); /* (B) */
}

/* Slots that the consumer has not released; n_slots also when tail makes no sense. */
static uint64_t
unread(const struct lane *lane, uint64_t tail)
{
	uint64_t used = lane->head - tail;
	return used > lane->n_slots ? lane->n_slots : used;
}

/* The first slot after `position`, which has memory, that may have none; one lap at most. */
static uint64_t
memory_end(const struct lane *lane, uint64_t position)
{
	return lane->n_backed < lane->n_slots ? lane->memory_end : position + lane->n_slots;
}

/*
 * Wait for room, as long as somebody reads and ops->wait() agrees; what unread() says then.
 * That nobody reads is no timeout: whoever comes next is waited for.
 */
static uint64_t
block(struct lane *lane, uint64_t tail, uint64_t needed)
{
	uint64_t used = unread(lane, tail);
	if (lane->timed_out && tail == lane->timed_out_tail)
		return used;
	lane->timed_out = false;
	for (unsigned waited = 0; used + needed > lane->n_slots; waited++) {
		if (!lane->ops->reader_alive(lane->context))
			break;
		if (waited == 0)
			lane->ops->wake(lane->context);
		bool time_is_up = !lane->ops->wait(lane->context, waited);
		tail = load_tail(lane); /* it may have moved while this process stood still */
		used = unread(lane, tail);
		if (time_is_up) {
			lane->timed_out = used + needed > lane->n_slots;
			lane->timed_out_tail = tail;
			break;
		}
	}
	return used;
}

static void
tell_ring(const struct lane *lane)
{
	store_relaxed(&lane->shared->short_ring,
		      lane->n_backed < lane->n_slots ? lane->n_backed : 0);
}

/* Memory for the slots behind those that have some. */
static bool
grow(struct lane *lane)
{
	uint64_t at = lane->memory_end & (lane->n_slots - 1), n = lane->n_slots - lane->n_backed;
	if (lane->refused > 0 && --lane->refused > 0)
		return false;
	if (n > lane->n_slots - at)
		n = lane->n_slots - at;
	if (n > RESERVE_SLOTS)
		n = RESERVE_SLOTS;
	if (lane->ops->reserve(lane->context, lane->slots + at, n) < 0) {
		lane->refused = REFUSED_PAUSE;
		return false;
	}
	lane->memory_end += n;
	lane->n_backed += n;
	if (load_relaxed(&lane->shared->short_ring) != 0)
		tell_ring(lane);
	return true;
}

/*
 * The same from the oldest ones, once they are read: with little memory the lane is a short ring
 * that goes round in the long one. Not in overwrite mode, whose readers look at all of it.
 */
static bool
move(struct lane *lane)
{
	uint64_t first = lane->memory_end - lane->n_backed, end = first + MOVE_SLOTS;
	uint64_t mask = lane->n_slots - 1, behind = lane->head - end;
	if (lane->ops->move == NULL || lane->mode == LANE_OVERWRITE ||
	    lane->n_backed < MOVE_SLOTS || (int64_t)behind < 0)
		return false;
	uint64_t tail = load_tail(lane), used = unread(lane, tail);
	if (used > behind && lane->mode == LANE_BLOCK)
		used = block(lane, tail, lane->n_slots - behind);
	if (used > behind) {
		if (lane->head - lane->woken >= MOVE_SLOTS && load_relaxed(&lane->shared->waiting) != 0) {
			lane->woken = lane->head;
			lane->ops->wake(lane->context);
		}
		return false;
	}
	tell_ring(lane); /* before anything is gone */
	lane->n_backed -= MOVE_SLOTS;
	if (lane->ops->move(lane->context, lane->slots + (first & mask),
			    lane->slots + (lane->memory_end & mask), MOVE_SLOTS) < 0)
		return false;
	lane->n_backed += MOVE_SLOTS;
	lane->memory_end += MOVE_SLOTS;
	lane->refused = 1; /* ask for more the next time */
	return true;
}

/* A slot's memory may not exist yet: touching it could raise SIGBUS. */
static bool
reserve_up_to(struct lane *lane, uint64_t position)
{
	while (lane->n_backed < lane->n_slots && (int64_t)(position - lane->memory_end) >= 0)
		if (!grow(lane) && !move(lane))
			return false;
	return true;
}

bool
lane_refill(struct lane *lane, uint64_t position)
{
	if (!reserve_up_to(lane, position))
		return false;
	uint64_t end_of_memory = memory_end(lane, position);
	if (lane->mode == LANE_OVERWRITE) {
		lane->limit = end_of_memory;
		return true;
	}
	uint64_t pending = position - lane->head; /* slots of the record under construction */
	uint64_t tail = load_tail(lane), used = unread(lane, tail);
	if (used + pending >= lane->n_slots && lane->mode == LANE_BLOCK)
		used = block(lane, tail, pending + 1);
	if (used > load_relaxed(&lane->shared->high_water))
		store_relaxed(&lane->shared->high_water, used);
	uint64_t quarter = (lane->refused > 0 ? lane->n_backed : lane->n_slots) / 4;
	if (used >= quarter && lane->head - lane->woken >= quarter &&
	    load_relaxed(&lane->shared->waiting) != 0) {
		lane->woken = lane->head;
		lane->ops->wake(lane->context);
	}
	uint64_t end = lane->head + (lane->n_slots - used);
	if (end - lane->head <= pending)
		return false;
	/* Come back within a quarter of the ring, to see whether the collector sleeps. */
	if (end - position > quarter)
		end = position + quarter;
	lane->limit = end - position < end_of_memory - position ? end : end_of_memory;
	return true;
}

enum lost_reason
lane_full_reason(const struct lane *lane)
{
	if (lane->refused > 0 && lane->n_backed < lane->n_slots)
		return LOST_NO_MEMORY;
	return lane->ops->reader_alive(lane->context) ? LOST_LANE_FULL : LOST_NO_READER;
}

void
lane_drop(struct lane *lane, enum lost_reason reason)
{
	uint64_t *dropped = &lane->shared->dropped[reason];
	lane_call_close(lane); /* else its next word would have this event's number */
	lane->seq++;
	store_relaxed(&lane->shared->seq, lane->seq);
	store_release(dropped, load_relaxed(dropped) + 1); /* (J) */
}

void
lane_call_close(struct lane *lane)
{
	if (lane->call_end == NULL)
		return;
	uint64_t n = CALLS_PER_SLOT - (uint64_t)(lane->call_end - lane->call_at);
	lane->call_at = lane->call_end = NULL;
	lane->seq += n;
	lane->calls += n;
	store_release(&lane->shared->seq, lane->seq); /* (M) */
	store_release(&lane->shared->calls, lane->calls);
}

bool
lane_call_open(struct lane *lane, uint64_t word, uint64_t ticks, uint64_t w2)
{
	lane_call_close(lane);
	if (lane_at_limit(lane, lane->head) && !lane_refill(lane, lane->head)) {
		lane_drop(lane, lane_full_reason(lane));
		store_release(&lane->shared->calls, ++lane->calls);
		return false;
	}
	lane_call_begin(lane, word, ticks, w2);
	return true;
}

bool
lane_next_slot(struct lane_writer *w)
{
	struct lane *lane = w->lane;
	uint64_t position = lane->head + w->i + 1;
	if (w->i + 1 >= w->max)
		return false;
	if (lane_at_limit(lane, position) && !lane_refill(lane, position)) {
		w->lost = true;
		return false;
	}
	if (lane->mode == LANE_OVERWRITE)
		lane_publish_intent(lane, position);
	lane_fetch_ahead(lane, position);
	w->i++;
	struct slot *slot = lane_slot(lane, position);
	slot->w[0] = record_w0(0, w->i, w->type, lane->seq);
	w->at = (uint8_t *)&slot->w[1];
	w->end = w->at + SLOTN_PAYLOAD;
	return true;
}

void
lane_put_slow(struct lane_writer *w, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;
	while (n > 0 && !w->lost) {
		size_t part = (size_t)(w->end - w->at);
		if (part == 0) {
			if (!lane_next_slot(w))
				return;
			continue;
		}
		if (part > n)
			part = n;
		memcpy(w->at, from, part);
		w->at += part;
		from += part;
		n -= part;
	}
}

void
lane_reader_init(struct lane_reader *reader, struct lane_shared *shared, const struct slot *slots,
		 uint64_t n_slots, bool overwrite)
{
	*reader = (struct lane_reader){
		.shared = shared,
		.slots = slots,
		.n_slots = n_slots,
		.position = load_relaxed(&shared->tail),
		.head = load_relaxed(&shared->head),
		.overwrite = overwrite,
	};
}

/* The hook may write while this reads, in overwrite mode: word by word, then asked again. */
static void
copy_slot(struct slot *to, const struct slot *from)
{
	for (int i = 0; i < 8; i++)
		to->w[i] = load_relaxed(&from->w[i]);
}

/* How many of n copied slots from `first` on were rewritten meanwhile. */
static uint64_t
count_overwritten(const struct lane_reader *reader, uint64_t first, uint64_t n)
{
	fence_acquire();                                           /* (H) */
	uint64_t intent = load_relaxed(&reader->shared->intent);   /* (I) */
	int64_t lost = (int64_t)(intent - reader->n_slots - first);
	if (lost <= 0)
		return 0;
	return (uint64_t)lost < n ? (uint64_t)lost : n;
}

/* Batches, all of them overwritten, before others have their turn. */
#define COPY_TRIES 64

int64_t
lane_reader_copy(struct lane_reader *reader, struct slot *copy, uint64_t max)
{
	uint64_t head = load_acquire(&reader->shared->head); /* (C), (G) */
	uint64_t available = head - reader->position;
	reader->head = head;
	if (available > reader->n_slots) {
		if (!reader->overwrite || (int64_t)available < 0)
			return LANE_IMPLAUSIBLE;
		reader->skipped += available - reader->n_slots;
		reader->position = head - reader->n_slots;
		available = reader->n_slots;
	}
	uint64_t n, lost = 0;
	unsigned tries = 0;
	do {
		n = available < max ? available : max;
		if (reader->there != NULL && n > 0 && !reader->there(reader->there_context, reader, n))
			return LANE_IMPLAUSIBLE;
		for (uint64_t i = 0; i < n; i++)
			copy_slot(&copy[i],
				  &reader->slots[(reader->position + i) & (reader->n_slots - 1)]);
		if (reader->overwrite)
			lost = count_overwritten(reader, reader->position, n);
		reader->skipped += lost;
		reader->position += n;
		available -= n;
	/* 0 is to mean that there are no more; or that a writer overtakes us again and again. */
	} while (n > 0 && lost == n && ++tries < COPY_TRIES);
	if (lost > 0)
		memmove(copy, copy + lost, (n - lost) * sizeof *copy);
	return (int64_t)(n - lost);
}

/* As copy_slot(), of a slot that the hook may write with plain stores: see (P) to (R). */
static __attribute__((no_sanitize_thread, noinline)) void
copy_racing_slot(struct slot *to, const struct slot *from)
{
	for (int i = 0; i < 8; i++)
		to->w[i] = load_relaxed(&from->w[i]);
}

/* From there on the hook cannot have written since the last copy began. */
static uint64_t
first_kept(const struct lane_reader *reader)
{
	fence_acquire();                                       /* (Q) */
	uint64_t head = load_relaxed(&reader->shared->head);   /* (R) */
	uint64_t tail = load_relaxed(&reader->shared->tail);
	uint64_t half = head - reader->n_slots / 2;
	if (head - tail > reader->n_slots)
		return half;
	return (int64_t)(half - tail) > 0 || load_relaxed(&reader->shared->short_ring) != 0 ? tail : half;
}

static void
skip_to(struct lane_reader *reader, uint64_t position)
{
	if ((int64_t)(position - reader->position) <= 0)
		return;
	reader->skipped += position - reader->position;
	reader->position = position;
}

/* Where a short ring has memory. False: we were there. */
static bool
skip_to_tail(struct lane_reader *reader)
{
	uint64_t tail = load_relaxed(&reader->shared->tail), before = reader->position;
	if (reader->head - tail <= reader->n_slots)
		skip_to(reader, tail);
	return reader->position != before;
}

/* 0: there are none; *lost: how many of them are gone. */
static int64_t
peek_once(struct lane_reader *reader, struct slot *copy, uint64_t max, uint64_t *lost)
{
	reader->head = load_acquire(&reader->shared->head); /* (P) */
	int64_t available = (int64_t)(reader->head - reader->position);
	if (available < 0)
		return LANE_IMPLAUSIBLE;
	if ((uint64_t)available > reader->n_slots)
		skip_to(reader, reader->head - reader->n_slots / 2);
	if (load_relaxed(&reader->shared->short_ring) != 0)
		skip_to_tail(reader);
	uint64_t first = reader->position, n = reader->head - first;
	if (n > max)
		n = max;
	if (reader->there != NULL && n > 0 && !reader->there(reader->there_context, reader, n)) {
		*lost = n;
		return skip_to_tail(reader) ? (int64_t)n : LANE_IMPLAUSIBLE;
	}
	for (uint64_t i = 0; i < n; i++)
		copy_racing_slot(&copy[i], &reader->slots[(first + i) & (reader->n_slots - 1)]);
	skip_to(reader, first_kept(reader));
	*lost = reader->position - first < n ? reader->position - first : n;
	reader->position += n - *lost;
	return (int64_t)n;
}

int64_t
lane_reader_peek(struct lane_reader *reader, struct slot *copy, uint64_t max)
{
	if (reader->overwrite)
		return lane_reader_copy(reader, copy, max);
	/* A hook that is faster than we are does not hold us. */
	for (unsigned tries = 0; tries < 4; tries++) {
		uint64_t lost = 0;
		int64_t n = peek_once(reader, copy, max, &lost);
		if (n <= 0)
			return n;
		if (lost < (uint64_t)n) {
			if (lost > 0)
				memmove(copy, copy + lost, ((uint64_t)n - lost) * sizeof *copy);
			return n - (int64_t)lost;
		}
	}
	return 0;
}

void
lane_reader_unread(struct lane_reader *reader, uint64_t n)
{
	reader->position -= n;
}

unsigned
lane_reader_open_slot(const struct lane_reader *reader, uint64_t position,
		      uint64_t words[CALLS_PER_SLOT])
{
	const struct slot *slot = &reader->slots[position & (reader->n_slots - 1)];
	unsigned n = 0;
	while (n < CALLS_PER_SLOT && (words[n] = load_acquire(&slot->w[3 + n])) != 0) /* (L) */
		n++;
	return reader->overwrite && count_overwritten(reader, position, 1) > 0 ? 0 : n;
}

void
lane_reader_release(struct lane_reader *reader, uint64_t position)
{
	store_release(&reader->shared->tail, position); /* (D) */
}

int
record_check(const struct slot *slots, uint64_t n)
{
	uint64_t w0 = slots[0].w[0];
	unsigned k = record_k(w0), type = record_type(w0);
	if (!record_start(w0) || k == 0 || k > RECORD_MAX_SLOTS)
		return -1;
	if (k > n)
		return 0;
	for (unsigned i = 1; i < k; i++)
		if (slots[i].w[0] != record_w0(0, i, type, record_seq(w0)))
			return -1;
	return (int)k;
}
