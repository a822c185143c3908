/* SPDX-License-Identifier: MIT */
/*
 * A traced process as the collector sees it: one attached segment. Who it is (identity.h)
 * was found out by discover.c from the kernel; what it says comes from the
 * segment, which is not trusted: see common/segment.h.
 */
#ifndef COLLECTOR_TRACEE_H
#define COLLECTOR_TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook_settings.h"
#include "identity.h"
#include "segment.h"

struct event; /* event.h */
struct tracee;

/* Called with each event in the order of its lane. The event is valid during the call. */
typedef void (*tracee_event_fn)(void *context, struct tracee *tracee, const struct event *event);

/* No value is one of enum discover_outcome: some functions hand on both. */
enum tracee_outcome {
	TRACEE_NOT_READY = 11, /* try again in a moment */
	TRACEE_BUSY = 12,      /* another collector reads it: tracee_open's why says whose */
	TRACEE_YIELDS = 14,    /* the same, but it was asked to leave: try again soon */
	TRACEE_CONDEMNED = 13, /* damaged or truncated while we read: give it up, close it */
};

/*
 * Attach to the object behind fd (already verified to be a regular file of the right owner,
 * mode and name; ownership of fd passes to the tracee on success). Takes the lock, checks,
 * maps, announces ourselves as the reader and publishes `settings`. `identity` is moved into
 * the tracee on success. 0, a positive outcome, or -errno; `why` is then a sentence.
 */
int tracee_open(struct tracee **tracee, int fd, const char *name, struct identity *identity,
		const struct settings *settings, char *why, size_t why_bytes);

/*
 * Note how far the lanes are. What tracee_drain() hands over happened before: whoever looks
 * for new processes in between knows all those that were there when it happened.
 */
void tracee_note(struct tracee *tracee);

/*
 * Hand every event up to there to fn, at most `max` of them, and a few more when there are many
 * lanes. The hook gets the room back with tracee_release(), which a caller does when the lines
 * are written: who is killed before that leaves them to be read again. Returns how many events
 * were handed over, or -TRACEE_CONDEMNED with tracee_why() set.
 *
 * Losses come as events of type EVENT_LOST at their place in the lane. What was held before we
 * came is skipped and accounted as filtered, unless tracee_backlog(tracee, true) is called
 * before the first drain (it must be for a process that we launched or that started after us).
 * Losses behind the last record, and those that reached no lane, come with the first drain
 * after a tracee_tick().
 */
int64_t tracee_drain(struct tracee *tracee, tracee_event_fn fn, void *context, uint64_t max);
void tracee_release(struct tracee *tracee);

/*
 * For lines that wait: mark what was read so far, and give its room back when that is written.
 * tracee_relieve() gives all back of a lane where an eighth of the ring waits, so that no event is
 * lost for want of room; should this collector be killed before it has written the lines, the
 * next one tells how many are lost.
 */
void tracee_mark(struct tracee *tracee);
void tracee_release_marked(struct tracee *tracee);
void tracee_relieve(struct tracee *tracee);
void tracee_backlog(struct tracee *tracee, bool wanted);

/* From now on tracee_release() gives nothing back: as if we had not come. */
void tracee_release_nothing(struct tracee *tracee);

/* Nothing is read while *enough is true. */
void tracee_read_until(struct tracee *tracee, const bool *enough);

/* Once a second: heartbeat, clock calibration; the next drain looks for losses at the end. */
void tracee_tick(struct tracee *tracee);

/* The heartbeat alone, at any time, also in the middle of a drain. */
void tracee_beat(struct tracee *tracee);

/* The process is gone: for the last time, for a hostile one may write on. */
void tracee_note_last(struct tracee *tracee);

/* Something is unread of what was noted. */
bool tracee_has_more(const struct tracee *tracee);

/*
 * The process is gone: drains what is left, then accounts what was never committed (EVENT_LOST
 * reason killed) through fn. tracee_account() is final after it. Then close. The object is to be
 * removed once all that is written; until then it is as it was for the next collector. False: it
 * was enough before all was read (tracee_read_until); the rest can be read by calling it again.
 */
bool tracee_finish(struct tracee *tracee, tracee_event_fn fn, void *context);

/* Condemned: what its lanes say was still to be read is accounted as damaged, through fn. */
void tracee_give_up(struct tracee *tracee, tracee_event_fn fn, void *context);

/* Other settings from now on. */
void tracee_ask(struct tracee *tracee, const struct settings *settings);

/* We only look, and leave when another collector asks for the place; does one? */
void tracee_give_way(struct tracee *tracee);
bool tracee_is_asked(const struct tracee *tracee);

/* Withdraw settings and heartbeat, unmap, unlock. Neither releases nor unlinks. */
void tracee_close(struct tracee *tracee);

const struct identity *tracee_identity(const struct tracee *tracee);
const struct segment_header *tracee_header(const struct tracee *tracee); /* private copy */
const char *tracee_key(const struct tracee *tracee);   /* host:pid:start-time:nonce */
const char *tracee_parent(const struct tracee *tracee);/* key of the parent's segment, or NULL */
const char *tracee_why(const struct tracee *tracee);   /* why condemned */
/* Where it was at its start, as it says itself; the caller frees; or NULL. */
char *tracee_first_cwd(const struct tracee *tracee);
bool tracee_is_first_reader(const struct tracee *tracee); /* nobody read it before us */
bool tracee_ended_cleanly(const struct tracee *tracee);
uint32_t *tracee_wake_word(struct tracee *tracee);     /* futex for the main loop */
void tracee_set_waiting(struct tracee *tracee, bool waiting);

/* The account; attempted = counted + recorded + lost_hook,
 * recorded = emitted + filtered + lost_collector (emitted/filtered are kept by the caller). */
struct account {
	uint64_t attempted, counted, recorded, lost_hook;
	uint64_t emitted, filtered, lost_collector;
	uint64_t lost[N_LOST_REASONS];
	uint64_t high_water_slots, ring_slots;
};
/* Are calls traced there at this moment, as its hook says? */
bool tracee_traces_calls(const struct tracee *tracee);

void tracee_account(struct tracee *tracee, struct account *account);
/*
 * The caller says what became of an event that it was handed: audit events, calls, returns, and
 * notices that have a lane. EVENT_LOST and notices of EVENT_NO_LANE are no events of the program:
 * not counted.
 */
void tracee_emitted(struct tracee *tracee, uint64_t n);
void tracee_filtered(struct tracee *tracee, uint64_t n);

/* Exact counters by event: calls fn for every event name with a count above 0. The name "?" has
 * what was raised when the definitions were full. */
typedef void (*tracee_count_fn)(void *context, const char *event, enum level level, uint64_t n);
void tracee_counts(struct tracee *tracee, tracee_count_fn fn, void *context);

/* What is summed up for one function. Without `has_times` only `calls` is known. */
struct function_sums {
	bool has_times;
	uint64_t calls, primitive, own_ns, cum_ns;
};
struct function; /* event.h */
typedef void (*tracee_function_fn)(void *context, const struct function *function,
				   const struct function_sums *sums);

enum which_functions {
	FUNCTIONS_GAINED,  /* what was added to them since we came; with a backlog, all */
	FUNCTIONS_SINCE,   /* to which anything was added since then: all of their sums */
	FUNCTIONS_CHANGED, /* whose sums are not what they were at the last call with this */
};
void tracee_functions(struct tracee *tracee, enum which_functions which, tracee_function_fn fn,
		      void *context);

/* Functions whose calls were handed over as events, wanted ones: only `calls` is known. */
void tracee_functions_seen(struct tracee *tracee, tracee_function_fn fn, void *context);

/* Calls and returns of which anything is known, whatever became of them. */
uint64_t tracee_calls(struct tracee *tracee);

#endif
