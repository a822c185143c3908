/* SPDX-License-Identifier: MIT */
/*
 * Puts the lines of many lanes in the order of their time. A line waits until it is as old
 * as the window (50 ms): every lane is read more often than that, so whatever happened
 * before it has come in by then. A line that comes later is let through at once.
 *
 * Within one source (a lane) the order of merge_add() is kept, whatever the times say.
 *
 * Where the system's clock is set back, what came before that has a time that is yet to come.
 * Who waits for four windows by a clock that nobody sets has met that: everything leaves, and
 * what the times were is forgotten.
 *
 * While there is only one source, lines need not come here at all: see merge_idle().
 *
 * Memory is bounded by max_bytes of lines: beyond it the oldest leave early.
 */
#ifndef COLLECTOR_MERGE_H
#define COLLECTOR_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MERGE_WINDOW_NS 50000000u
#define MERGE_MAX_BYTES (64u << 20)

struct merge;

/* A line leaves. `channel` is what merge_add() was given; the bytes are valid in the call. */
typedef void (*merge_out_fn)(void *context, unsigned channel, const char *line, size_t n);

/* One lane of one process. The caller's storage, zeroed at first. */
struct merge_source {
	uint64_t last_ns;
	uint64_t era; /* as the merge counts them: how often the clock was set back */
};

/* NULL: no memory. */
struct merge *merge_new(uint64_t window_ns, size_t max_bytes, merge_out_fn out, void *context);
void merge_free(struct merge *merge); /* lines still inside are dropped: flush first */

/* Copies the line. Without memory for it, everything leaves, and it too, at once. */
void merge_add(struct merge *merge, struct merge_source *source, uint64_t time_ns,
	       unsigned channel, const char *line, size_t n);

/*
 * Let go of every line that is old enough at now_ns (Unix time); steady_ns: CLOCK_MONOTONIC then.
 */
void merge_release(struct merge *merge, uint64_t now_ns, uint64_t steady_ns);
void merge_flush(struct merge *merge);

/* All that merge_add() was given so far has left, once merge_is_past(): in the order of time, so
 * lines that come later may hold it up for as long as the window. */
struct merge_mark {
	uint64_t time_ns, order, era;
};
struct merge_mark merge_mark(const struct merge *merge);
bool merge_is_past(const struct merge *merge, const struct merge_mark *mark);

/* Nothing is held: a line may bypass without overtaking another. */
bool merge_idle(const struct merge *merge);

#endif
