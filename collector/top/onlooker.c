/* SPDX-License-Identifier: MIT */
#include "onlooker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attachment.h"
#include "barrier.h"
#include "calibrate.h"
#include "decode.h"
#include "drain_losses.h"

#define COPY_SLOTS 4096 /* at least RECORD_MAX_SLOTS */

static struct slot copy[COPY_SLOTS]; /* one thread looks */

struct look {
	struct lane_shared *shared;
	struct lane_reader reader;
	uint64_t base;          /* recorded when we came: of later ones we say how many we saw */
	uint64_t base_seq;      /* the number of the next one then */
	uint64_t seen, early;   /* events; of them, those before base_seq */
	uint64_t all;           /* recorded since, as the last look found it */
	uint64_t next_seq;      /* masked: what comes behind all that was seen */
	uint64_t seq;           /* the lane's, loaded before the copy was made */
};

struct onlooker {
	struct watched *watched;
	struct attachment segment;
	struct calibrate_past past;
	struct look *looks; /* of lanes */
	uint32_t n_looks;
	bool begun;
	struct share told;
	onlooker_fn fn;
	void *context;
};

int
onlooker_open(struct onlooker **result, struct watched *watched)
{
	char why[200];
	const struct segment_header *header = &watched->header;
	struct onlooker *onlooker = calloc(1, sizeof *onlooker);
	if (onlooker == NULL)
		return -ENOMEM;
	int err = attachment_look(&onlooker->segment, watched->found.fd, watched->found.name, why,
				  sizeof why);
	if (err != 0) {
		free(onlooker);
		return err < 0 ? err : -EAGAIN;
	}
	onlooker->watched = watched;
	enum clock_kind kind = (enum clock_kind)header->clock_kind;
	struct clock_pair start = {
		identity_ticks(&watched->found.identity, kind, header->start_ticks),
		header->start_realtime_ns,
	};
	calibrate_past_init(&onlooker->past, kind, start);
	*result = onlooker;
	return 0;
}

void
onlooker_close(struct onlooker *onlooker)
{
	if (onlooker == NULL)
		return;
	attachment_fini(&onlooker->segment);
	free(onlooker->looks);
	free(onlooker);
}

/* ---- lanes ---- */

static uint64_t
count_dropped(const struct lane_shared *shared)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < LANE_DROP_REASONS; i++)
		n += load_acquire(&shared->dropped[i]);
	return n;
}

/* One that came after us is seen from its beginning. */
static bool
add_look(struct onlooker *onlooker)
{
	uint32_t i = onlooker->n_looks;
	const struct segment_header *header = &onlooker->segment.header;
	struct look *looks = realloc(onlooker->looks, (i + 1) * sizeof *looks);
	if (looks == NULL)
		return false;
	onlooker->looks = looks;
	uint8_t *base = attachment_lane(&onlooker->segment, i);
	if (base == NULL)
		return false;
	struct look *look = &looks[i];
	*look = (struct look){.shared = (struct lane_shared *)base};
	lane_reader_init(&look->reader, look->shared,
			 (const struct slot *)(base + onlooker->segment.at.slots),
			 i == 0 ? header->lane0_slots : header->other_slots,
			 header->mode == LANE_OVERWRITE);
	look->reader.there = attachment_slots_there;
	look->reader.there_context = &onlooker->segment;
	look->reader.there_at =
		segment_lane_offset(&onlooker->segment.at, i) + onlooker->segment.at.slots;
	if (onlooker->begun || onlooker->watched->is_new) {
		look->reader.position = 0;
	} else {
		look->base_seq = load_acquire(&look->shared->seq);
		look->base = look->base_seq - count_dropped(look->shared);
	}
	onlooker->n_looks++;
	return true;
}

static void
find_lanes(struct onlooker *onlooker)
{
	uint64_t used = load_acquire(&onlooker->segment.shared->lanes_used);
	if (used > onlooker->segment.header.n_lanes)
		used = onlooker->segment.header.n_lanes;
	if (used == 0)
		used = 1;
	while (onlooker->n_looks < used && add_look(onlooker)) {
	}
	onlooker->begun = true;
}

/* ---- records ---- */

/* How far a masked number is ahead of another. */
static int64_t
ahead(uint64_t seq, uint64_t of)
{
	uint64_t by = (seq - of) & RECORD_SEQ_MASK;
	return by <= RECORD_SEQ_MASK / 2 ? (int64_t)by : (int64_t)by - (int64_t)RECORD_SEQ_MASK - 1;
}

static void
count_seen(struct look *look, uint64_t seq, unsigned n)
{
	look->seen += n;
	if (ahead(seq, look->base_seq) < 0)
		look->early += n;
	look->next_seq = (seq + n) & RECORD_SEQ_MASK;
}

static uint64_t
time_of(const struct onlooker *onlooker, uint64_t ticks)
{
	enum clock_kind kind = (enum clock_kind)onlooker->segment.header.clock_kind;
	const struct identity *identity = &onlooker->watched->found.identity;
	return calibrate_convert(&onlooker->past, kind, identity_ticks(identity, kind, ticks),
				 clock_ticks(kind));
}

/* The last slot, of calls, may be filled up still: one that closed before it was copied is not. */
static bool
is_open(const struct look *look, uint64_t w0, uint64_t position)
{
	return record_type(w0) == RECORD_CALLS && position == look->reader.head - 1 &&
	       ahead(look->seq, record_seq(w0)) <= 0;
}

static void
take(struct onlooker *onlooker, struct look *look, const struct slot *slots)
{
	uint64_t seq = record_seq(slots[0].w[0]);
	unsigned n = 0;
	if (record_type(slots[0].w[0]) == RECORD_CALLS) { /* nothing of them is shown */
		while (n < CALLS_PER_SLOT && slots[0].w[3 + n] != 0)
			n++;
		count_seen(look, seq, n);
		return;
	}
	struct event event = {.lane = (uint32_t)(look - onlooker->looks), .seq = seq};
	count_seen(look, seq, 1);
	if (!decode_record(slots, onlooker->watched->symbols, &event) || event.type != EVENT_AUDIT)
		return;
	event.time_ns = time_of(onlooker, slots[0].w[1]);
	onlooker->fn(onlooker->context, &event);
}

/* As many records as the copy holds; how many slots were used. */
static uint64_t
take_copied(struct onlooker *onlooker, struct look *look, uint64_t n_slots, uint64_t *left)
{
	uint64_t at = 0, first = look->reader.position - n_slots;
	while (at < n_slots && *left > 0) {
		int k = record_check(copy + at, n_slots - at);
		if (k < 0) {
			at++; /* of a record whose beginning was overwritten */
			continue;
		}
		if (k == 0 && look->reader.position == look->reader.head)
			return n_slots; /* a head that lies ends inside a record */
		if (k == 0 || is_open(look, copy[at].w[0], first + at))
			break;
		take(onlooker, look, copy + at);
		at += (uint64_t)k;
		--*left;
	}
	return at;
}

/* *left events at the most. */
static bool
look_at_lane(struct onlooker *onlooker, struct look *look, uint64_t *left)
{
	while (*left > 0) {
		look->seq = load_acquire(&look->shared->seq); /* (N) of common/lane.h */
		int64_t n = lane_reader_peek(&look->reader, copy, COPY_SLOTS);
		if (n < 0)
			return false;
		/* What they use was defined before they were committed. */
		if (n > 0)
			watched_define(onlooker->watched);
		uint64_t used = n > 0 ? take_copied(onlooker, look, (uint64_t)n, left) : 0;
		lane_reader_unread(&look->reader, (uint64_t)n - used);
		if (used == 0)
			break;
	}
	return true;
}

/* Before the records are looked at, so that those of this moment are among them. */
static bool
note_all(struct look *look)
{
	uint64_t seq = load_acquire(&look->shared->seq);
	uint64_t recorded = seq - count_dropped(look->shared);
	if (seq > DRAIN_SEQ_MOST || recorded > seq)
		return false;
	if ((int64_t)(recorded - look->base - look->all) > 0)
		look->all = recorded - look->base;
	return true;
}

/* At most `each` events of a lane, and *left of all. */
static bool
look_at_lanes(struct onlooker *onlooker, uint64_t each, uint64_t *left)
{
	for (uint32_t i = 0; i < onlooker->n_looks && *left > 0; i++) {
		uint64_t begin = *left < each ? *left : each, here = begin;
		if (!look_at_lane(onlooker, &onlooker->looks[i], &here))
			return false;
		*left -= begin - here;
	}
	return true;
}

bool
onlooker_look(struct onlooker *onlooker, onlooker_fn fn, void *context, uint64_t max)
{
	uint64_t left = max;
	find_lanes(onlooker);
	onlooker->fn = fn;
	onlooker->context = context;
	for (uint32_t i = 0; i < onlooker->n_looks; i++)
		if (!note_all(&onlooker->looks[i]))
			return false;
	/* Each has its share; what the quiet ones leave of theirs is for the busy ones. */
	return onlooker->n_looks > 0 &&
	       look_at_lanes(onlooker, max / onlooker->n_looks + 1, &left) &&
	       look_at_lanes(onlooker, max, &left) && !onlooker->segment.hit;
}

struct share
onlooker_share(struct onlooker *onlooker)
{
	struct share sum = {0}, told = onlooker->told;
	for (uint32_t i = 0; i < onlooker->n_looks; i++) {
		const struct look *look = &onlooker->looks[i];
		sum.seen += look->seen;
		sum.all += look->all + look->early;
	}
	onlooker->told = sum;
	return (struct share){sum.seen - told.seen, sum.all - told.all};
}

bool
onlooker_is_past(const struct onlooker *onlooker, uint32_t lane, uint64_t seq)
{
	return lane < onlooker->n_looks && onlooker->looks[lane].seen > 0 &&
	       ahead(onlooker->looks[lane].next_seq, seq) > 0;
}
