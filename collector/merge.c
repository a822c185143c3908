/* SPDX-License-Identifier: MIT */
#include "merge.h"

#include <stdlib.h>
#include <string.h>

struct held {
	uint64_t time_ns;
	uint64_t order; /* of arrival: decides between equal times */
	char *line;
	uint32_t n;
	uint32_t channel;
};

/* A binary heap, earliest first. */
struct merge {
	struct held *heap;
	size_t n, room;
	size_t bytes, max_bytes;
	uint64_t window_ns, next_order;
	uint64_t latest_ns; /* of all that ever came, in this era */
	uint64_t era;
	struct merge_mark watched; /* that is to be past soon: it was set at watched_ns */
	uint64_t watched_ns;       /* 0: it is not */
	merge_out_fn out;
	void *context;
};

struct merge *
merge_new(uint64_t window_ns, size_t max_bytes, merge_out_fn out, void *context)
{
	struct merge *merge = calloc(1, sizeof *merge);
	if (merge != NULL) {
		merge->window_ns = window_ns;
		merge->max_bytes = max_bytes;
		merge->out = out;
		merge->context = context;
	}
	return merge;
}

void
merge_free(struct merge *merge)
{
	if (merge == NULL)
		return;
	for (size_t i = 0; i < merge->n; i++)
		free(merge->heap[i].line);
	free(merge->heap);
	free(merge);
}

static bool
before(const struct held *a, const struct held *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

static void
sift_up(struct merge *merge, struct held item)
{
	size_t i = merge->n++;
	while (i > 0 && before(&item, &merge->heap[(i - 1) / 2])) {
		merge->heap[i] = merge->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	merge->heap[i] = item;
}

static struct held
take_first(struct merge *merge)
{
	struct held first = merge->heap[0];
	struct held moved = merge->heap[--merge->n];
	size_t i = 0;
	for (size_t child; (child = 2 * i + 1) < merge->n; i = child) {
		if (child + 1 < merge->n && before(&merge->heap[child + 1], &merge->heap[child]))
			child++;
		if (before(&moved, &merge->heap[child]))
			break;
		merge->heap[i] = merge->heap[child];
	}
	merge->heap[i] = moved;
	return first;
}

static void
let_first_go(struct merge *merge)
{
	struct held first = take_first(merge);
	merge->bytes -= first.n;
	merge->out(merge->context, first.channel, first.line, first.n);
	free(first.line);
}

static bool
make_room(struct merge *merge)
{
	if (merge->n < merge->room)
		return true;
	size_t room = merge->room > 0 ? 2 * merge->room : 256;
	struct held *heap = realloc(merge->heap, room * sizeof *heap);
	if (heap == NULL)
		return false;
	merge->heap = heap;
	merge->room = room;
	return true;
}

void
merge_add(struct merge *merge, struct merge_source *source, uint64_t time_ns, unsigned channel,
	  const char *line, size_t n)
{
	if (source->era != merge->era)
		*source = (struct merge_source){.era = merge->era};
	/* Clocks of two processors may disagree by a little; a lane's own order does not. */
	if (time_ns < source->last_ns)
		time_ns = source->last_ns;
	source->last_ns = time_ns;
	if (time_ns > merge->latest_ns)
		merge->latest_ns = time_ns;
	char *copy = make_room(merge) ? malloc(n > 0 ? n : 1) : NULL;
	if (copy == NULL) {
		merge_flush(merge);
		merge->out(merge->context, channel, line, n);
		return;
	}
	memcpy(copy, line, n);
	sift_up(merge, (struct held){time_ns, merge->next_order++, copy, (uint32_t)n, channel});
	merge->bytes += n;
	while (merge->bytes > merge->max_bytes)
		let_first_go(merge);
}

void
merge_flush(struct merge *merge)
{
	while (merge->n > 0)
		let_first_go(merge);
}

struct merge_mark
merge_mark(const struct merge *merge)
{
	return (struct merge_mark){merge->latest_ns, merge->next_order, merge->era};
}

bool
merge_is_past(const struct merge *merge, const struct merge_mark *mark)
{
	const struct held end = {.time_ns = mark->time_ns, .order = mark->order};
	return merge->n == 0 || mark->era != merge->era || !before(&merge->heap[0], &end);
}

/* A mark is past a window after it was set, unless the clock was set back. */
static void
look_for_set_back(struct merge *merge, uint64_t steady_ns)
{
	if (merge->watched_ns == 0 || merge_is_past(merge, &merge->watched)) {
		merge->watched = merge_mark(merge);
		merge->watched_ns = merge->n > 0 ? steady_ns : 0;
	} else if (steady_ns - merge->watched_ns > 4 * merge->window_ns) {
		merge_flush(merge);
		merge->latest_ns = merge->watched_ns = 0;
		merge->era++;
	}
}

void
merge_release(struct merge *merge, uint64_t now_ns, uint64_t steady_ns)
{
	while (merge->n > 0 && merge->heap[0].time_ns + merge->window_ns <= now_ns)
		let_first_go(merge);
	look_for_set_back(merge, steady_ns);
}

bool
merge_idle(const struct merge *merge)
{
	return merge->n == 0;
}
