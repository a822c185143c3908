/* SPDX-License-Identifier: MIT */
#include "drain.h"

#include <string.h>

#include "decode.h"
#include "drain_losses.h"

#define COPY_SLOTS 4096 /* at least RECORD_MAX_SLOTS */

static struct slot copy[COPY_SLOTS]; /* one thread drains */

/* Go on where an earlier collector stopped; without one both entries are zero, as is tail. */
static void
resume(struct drain *drain)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct lane_told *told = &drain->shared->told[i];
		uint64_t seq = load_relaxed(&told->seq);
		if (load_acquire(&told->tail) != drain->reader.position || seq > DRAIN_SEQ_MOST ||
		    (drain->resumed && seq <= drain->next_seq))
			continue;
		drain->resumed = true;
		drain->told = 1 - i;
		drain->next_seq = drain->before_events = seq;
		drain->unwritten = load_relaxed(&told->unwritten);
		drain->unwritten_drops = load_relaxed(&told->unwritten_drops);
		for (unsigned k = 0; k < LANE_DROP_REASONS; k++) {
			drain->dropped[k] = load_relaxed(&told->dropped[k]);
			drain->before_events -= drain->dropped[k];
		}
	}
}

/* Somebody moved tail and told nothing: what came before the first record is his. */
static void
resume_at(struct drain *drain, uint64_t seq)
{
	drain->resumed = true;
	drain->next_seq = drain->before_events = seq;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++) {
		drain->dropped[i] = load_relaxed(&drain->shared->dropped[i]);
		drain->before_events -= drain->dropped[i];
	}
	struct drain_mark *mark = &drain->marked;
	mark->seq = seq;
	memcpy(mark->dropped, drain->dropped, sizeof mark->dropped);
	drain->written = drain->released = *mark;
}

/* How many words of a slot may be read: all, of one that does not hold calls. */
unsigned
drain_words(const struct drain *drain, uint64_t position)
{
	const struct lane_reader *reader = &drain->reader;
	uint64_t words[CALLS_PER_SLOT];
	/* A lying head leads to where there is no memory, and looking would make some. */
	struct lane_reader there = *reader;
	there.position = position;
	if (reader->there != NULL && !reader->there(reader->there_context, &there, 1))
		return CALLS_PER_SLOT;
	uint64_t w0 = load_relaxed(&reader->slots[position & (reader->n_slots - 1)].w[0]);
	if (record_type(w0) != RECORD_CALLS || !record_start(w0))
		return CALLS_PER_SLOT;
	return lane_reader_open_slot(reader, position, words);
}

void
drain_init(struct drain *drain, struct lane_shared *shared, const struct slot *slots,
	   uint64_t n_slots, uint32_t index, enum lane_mode mode, bool skip,
	   struct call_room *room)
{
	memset(drain, 0, sizeof *drain);
	drain->shared = shared;
	drain->index = index;
	lane_reader_init(&drain->reader, shared, slots, n_slots, mode == LANE_OVERWRITE);
	drain->limit = drain->part_at = drain->reader.position;
	drain->skip_to = skip ? load_acquire(&shared->head) : drain->limit;
	if (drain->skip_to != drain->limit)
		drain->skip_words = drain_words(drain, drain->skip_to - 1);
	drain->first_tail = load_relaxed(&shared->tail);
	drain->before_seq = load_relaxed(&shared->seq);
	call_stacks_init(&drain->calls, room);
	resume(drain);
	drain_mark(drain);
	drain->written = drain->released = drain->marked;
	/* As the one before us left it; by which reason it was dropped does not matter there. */
	drain->released.seq += drain->unwritten;
	drain->released.dropped[0] += drain->unwritten_drops;
}

void
drain_began_with_us(struct drain *drain)
{
	drain->there = true;
	drain->before_seq = 0;
}

void
drain_fini(struct drain *drain)
{
	call_stacks_fini(&drain->calls);
}

void
drain_note(struct drain *drain)
{
	if (drain->damaged)
		return;
	drain->limit = load_acquire(&drain->shared->head); /* (C) of common/lane.h */
	uint64_t unread = drain->limit - drain->reader.position;
	if (unread > 0)
		drain->limit_words = drain_words(drain, drain->limit - 1);
	if (unread > drain->most_unread && unread <= drain->reader.n_slots)
		drain->most_unread = unread;
	if (!drain->there) {
		drain->before_us = load_acquire(&drain->shared->dropped[LOST_NO_READER]);
		drain->there = unread == 0 || load_relaxed(&drain->shared->tail) != drain->first_tail;
	}
}

/* ---- records ---- */

static void
give_up(struct drain *drain, const struct drain_to *to)
{
	struct event event = {
		.type = EVENT_NOTICE,
		.time_ns = to->now_ns,
		.lane = EVENT_NO_LANE,
		.what = "damaged",
		.detail = "what stands in a lane is no record: it is read no further",
	};
	drain->damaged = true;
	drain->looking = false;
	call_stacks_forget(&drain->calls);
	to->fn(to->context, &event, true);
}

/* False: its number is one that was there before, or that no program comes to. */
static bool
account_for(struct drain *drain, const struct drain_to *to, uint64_t masked, uint64_t time_ns)
{
	if (!drain->resumed)
		resume_at(drain, masked);
	drain_tell_unwritten(drain, to, time_ns);
	/* The record has the lower 46 bits of it. */
	uint64_t ahead = (masked - drain->next_seq) & RECORD_SEQ_MASK;
	if (ahead > RECORD_SEQ_MASK / 2 || drain->next_seq + ahead > DRAIN_SEQ_MOST)
		return false;
	if (ahead > 0)
		drain_tell_gap(drain, to, drain->next_seq + ahead, time_ns);
	return true;
}

static bool
take(struct drain *drain, const struct drain_to *to, const struct slot *slots, uint64_t position)
{
	struct event event = {.lane = drain->index};
	event.time_ns = to->time(to->context, slots[0].w[1]);
	if (!account_for(drain, to, record_seq(slots[0].w[0]), event.time_ns))
		return false;
	event.seq = drain->next_seq;
	if (!decode_record(slots, to->symbols, &event)) {
		drain_tell_lost(drain, to, LOST_DAMAGED, 1, event.time_ns);
		return true;
	}
	drain->next_seq++;
	to->fn(to->context, &event, (int64_t)(position - drain->skip_to) >= 0);
	return true;
}

/* ---- calls ---- */

static void
pair(struct drain *drain, const struct drain_to *to, struct call_stack *stack, uint32_t id,
     uint64_t ticks, struct event *event)
{
	uint64_t lasted;
	bool is_c = event->function->is_c;
	if (event->type == EVENT_CALL) {
		event->depth = call_stack_push(&drain->calls, stack, id, is_c, ticks);
		event->has_duration = false;
		return;
	}
	const struct call_end end = {id, is_c, event->call == CALL_PY_UNWIND, ticks};
	event->depth = call_stack_pop(stack, &end, &lasted, &event->has_duration);
	if (event->has_duration)
		event->duration_ns = to->duration(to->context, lasted);
}

static bool
is_wanted(const struct drain *drain, uint64_t position, unsigned word)
{
	int64_t ahead = (int64_t)(position - drain->skip_to);
	return ahead >= 0 || (ahead == -1 && word >= drain->skip_words);
}

/* How many calls were open after the first n words, as the hook counts. */
static uint32_t
depth_after(const struct slot *slot, unsigned n)
{
	uint32_t depth = calls_depth(slot->w[2]);
	for (unsigned i = 0; i < n; i++) {
		if (!call_ends(call_what(slot->w[3 + i])))
			depth++;
		else if (depth > 0)
			depth--;
	}
	return depth;
}

static bool
is_enough(const struct drain_to *to)
{
	return to->enough != NULL && *to->enough;
}

/* Words [from, end) of a slot, or fewer when it is enough; where it went on to. */
static unsigned
take_words(struct drain *drain, const struct drain_to *to, const struct slot *slot,
	   uint64_t position, unsigned from, unsigned end)
{
	uint32_t tid = calls_thread(slot->w[2]), greenlet = calls_greenlet(slot->w[2]);
	uint64_t who = calls_stack(tid, greenlet);
	struct call_stack *stack = call_stack_begin(&drain->calls, who, depth_after(slot, from));
	/* The rest is set each time. */
	struct event event = {.lane = drain->index, .tid = tid, .greenlet = greenlet};
	unsigned i = from;
	for (; i < end && !is_enough(to); i++) {
		uint64_t word = slot->w[3 + i], ticks = slot->w[1] + call_ticks(word);
		event.seq = drain->next_seq;
		event.time_ns = to->time(to->context, ticks);
		if (!decode_call(word, to->symbols, &event)) {
			drain_tell_lost(drain, to, LOST_DAMAGED, 1, event.time_ns);
			stack = call_stack_begin(&drain->calls, who, depth_after(slot, i + 1));
			continue;
		}
		drain->next_seq++;
		pair(drain, to, stack, call_id(word), ticks, &event);
		to->fn(to->context, &event, is_wanted(drain, position, i));
	}
	return i;
}

/*
 * The leading words that are not zero. What stands behind a zero is nothing: if it was an
 * event, the next record's number tells that it is missing.
 */
static unsigned
count_words(const struct slot *slot, unsigned max)
{
	unsigned n = 0;
	while (n < max && slot->w[3 + n] != 0)
		n++;
	return n;
}

/*
 * Of the first `max` words those that were not read before; how many, -1: damaged. *end: so many
 * words are read now.
 */
static int
take_calls(struct drain *drain, const struct drain_to *to, const struct slot *slot,
	   uint64_t position, unsigned max, unsigned *end)
{
	drain_tell_unwritten(drain, to, to->time(to->context, slot->w[1]));
	uint64_t seq = record_seq(slot->w[0]), read = (drain->next_seq - seq) & RECORD_SEQ_MASK;
	unsigned n = count_words(slot, max);
	bool again = drain->resumed && position == drain->part_at && read <= RECORD_SEQ_MASK / 2;
	if (!again) {
		if (!account_for(drain, to, seq, to->time(to->context, slot->w[1])))
			return -1;
		read = 0;
	}
	*end = max;
	if (read >= n)
		return 0;
	unsigned done = take_words(drain, to, slot, position, (unsigned)read, n);
	if (done < n)
		*end = done;
	return (int)(done - read);
}

/* ---- what was copied ---- */

/* How many words of a slot of calls may be read; CALLS_PER_SLOT: it is final. */
static unsigned
readable_words(const struct drain *drain, uint64_t position)
{
	if (position == drain->limit - 1)
		return drain->limit_words;
	/* In overwrite mode the copy may go further than what was noted. */
	return position == drain->reader.head - 1 ? 0 : CALLS_PER_SLOT;
}

/*
 * One record of k slots: how many events, -1: damaged. *stay: it has more of them, or may get more.
 */
static int
take_record(struct drain *drain, const struct drain_to *to, const struct slot *slots, int k,
	    uint64_t position, bool *stay)
{
	if (record_type(slots[0].w[0]) != RECORD_CALLS)
		return take(drain, to, slots, position) ? 1 : -1;
	unsigned end = 0, words = readable_words(drain, position);
	int n = k == 1 ? take_calls(drain, to, slots, position, words, &end) : -1;
	*stay = n >= 0 && end < CALLS_PER_SLOT;
	if (*stay) {
		drain->part_at = position;
		drain->part = end;
	}
	return n;
}

/*
 * As many records as the copy holds, while *left is above 0; how many slots of it were used,
 * -1: damaged.
 */
static int64_t
take_copied(struct drain *drain, const struct drain_to *to, uint64_t n_slots, int64_t *left)
{
	uint64_t at = 0, position = drain->reader.position - n_slots;
	bool stay = false;
	drain->part = 0;
	while (at < n_slots && *left > 0 && !stay && !is_enough(to)) {
		int k = record_check(copy + at, n_slots - at);
		/* The rest of it comes with the next copy, if there is more, and if it was not
		 * a whole copy that did not suffice. */
		if (k == 0 && drain->reader.position != drain->reader.head &&
		    n_slots - at < COPY_SLOTS)
			break;
		if (k < 0 && drain->reader.overwrite) {
			at++; /* of a record whose beginning was overwritten */
			--*left;
			continue;
		}
		int n = k > 0 ? take_record(drain, to, copy + at, k, position + at, &stay) : -1;
		if (n < 0)
			return -1;
		at += stay ? 0 : (uint64_t)k;
		*left -= n > 0 ? n : 1;
	}
	return (int64_t)at;
}

/* Slots that were noted; an open one, all of whose words were read, is none. */
static uint64_t
noted_slots(const struct drain *drain)
{
	int64_t n = (int64_t)(drain->limit - drain->reader.position);
	return n <= 0 || (n == 1 && drain->part >= drain->limit_words) ? 0 : (uint64_t)n;
}

uint64_t
drain_run(struct drain *drain, const struct drain_to *to, uint64_t max)
{
	int64_t most = max < INT64_MAX ? (int64_t)max : INT64_MAX, left = most;
	uint64_t there;
	unsigned vain = 0;
	/* A copy in vain: what was overwritten left the beginning of a record only, or a lying
	 * head ends inside one. */
	while (left > 0 && !drain->damaged && vain < 2 && !is_enough(to) &&
	       (there = noted_slots(drain)) > 0) {
		int64_t n = lane_reader_copy(&drain->reader, copy,
					     there < COPY_SLOTS ? there : COPY_SLOTS);
		int64_t used = n > 0 ? take_copied(drain, to, (uint64_t)n, &left) : n;
		if (used < 0)
			give_up(drain, to);
		else if (n == 0)
			break;
		else
			lane_reader_unread(&drain->reader, (uint64_t)(n - used));
		vain = used == 0 ? vain + 1 : 0;
	}
	drain_tell_noted(drain, to);
	return (uint64_t)(most - left);
}

/* ---- giving the room back ---- */

void
drain_mark(struct drain *drain)
{
	drain->marked.position = drain->reader.position;
	drain->marked.seq = drain->next_seq;
	memcpy(drain->marked.dropped, drain->dropped, sizeof drain->marked.dropped);
}

static bool
is_further(const struct drain_mark *a, const struct drain_mark *b)
{
	int64_t slots = (int64_t)(a->position - b->position);
	return slots > 0 || (slots == 0 && a->seq > b->seq);
}

static uint64_t
drops_between(const struct drain_mark *from, const struct drain_mark *to)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		n += to->dropped[i] - from->dropped[i];
	return n;
}

static void
give_back(struct drain *drain)
{
	struct lane_told *told = &drain->shared->told[drain->told];
	if (is_further(&drain->written, &drain->released))
		drain->released = drain->written;
	store_relaxed(&told->tail, ~drain->released.position); /* no entry while it is written */
	fence_release();
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		store_relaxed(&told->dropped[i], drain->written.dropped[i]);
	store_relaxed(&told->unwritten, drain->released.seq - drain->written.seq);
	store_relaxed(&told->unwritten_drops, drops_between(&drain->written, &drain->released));
	store_relaxed(&told->seq, drain->written.seq);
	store_release(&told->tail, drain->released.position);
	drain->told = 1 - drain->told;
	lane_reader_release(&drain->reader, drain->released.position);
}

/*
 * Before the first record its number is not known, and nothing was read; nor before that which a
 * killed collector had not written is told, which the lane would forget.
 */
static bool
can_give_back(const struct drain *drain)
{
	return !drain->damaged && drain->resumed && drain->unwritten == 0;
}

void
drain_release(struct drain *drain)
{
	drain_mark(drain);
	drain_release_marked(drain);
}

void
drain_release_marked(struct drain *drain)
{
	if (!can_give_back(drain))
		return;
	drain->written = drain->marked;
	give_back(drain);
}

void
drain_relieve(struct drain *drain)
{
	uint64_t waiting = drain->reader.position - drain->released.position;
	uint64_t ring = load_relaxed(&drain->shared->short_ring);
	if (ring == 0 || ring > drain->reader.n_slots)
		ring = drain->reader.n_slots;
	if (waiting == 0 || waiting < ring / 8 || !can_give_back(drain))
		return;
	struct drain_mark marked = drain->marked;
	drain_mark(drain);
	drain->released = drain->marked;
	drain->marked = marked;
	give_back(drain);
}
