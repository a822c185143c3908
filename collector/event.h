/* SPDX-License-Identifier: MIT */
/*
 * One decoded event, a view into private memory of the drain: cheap to make, valid during the
 * callback only. Arguments stay encoded (common/value.h) until an encoder walks them; all of
 * it was checked when the event was made, so encoders need no bounds of their own.
 */
#ifndef COLLECTOR_EVENT_H
#define COLLECTOR_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_table.h"
#include "record.h"

enum event_type {
	EVENT_AUDIT,
	EVENT_CALL,
	EVENT_RETURN,
	EVENT_LOST,
	EVENT_NOTICE,
};

/*
 * A place where the JSON encoder keeps, as one malloc block, what it worked out for a
 * definition. It belongs to whoever owns the definition, who frees it with free(). `budget` is
 * what all those of one owner may still take together, in bytes.
 */
struct prepared {
	void *block;
	size_t *budget;
};

/* May a block of n bytes be kept there? Then it is paid for. */
static inline bool
prepared_may_keep(struct prepared *prepared, size_t n)
{
	if (prepared == NULL || n > *prepared->budget)
		return false;
	*prepared->budget -= n;
	return true;
}

/* A Python call site. Strings are UTF-8 as in common/value.h, NUL-terminated. */
struct site {
	const char *func, *file, *module;
	uint32_t line;
	struct prepared *prepared; /* NULL: nothing is kept */
};

/* What is called: strings as above. Of a C function there is no file, "", and no line, 0. */
struct function {
	const char *func, *file, *module;
	uint32_t line;
	bool is_c;
	struct prepared *prepared; /* NULL: nothing is kept */
	uint64_t n_calls;          /* EVENT_CALLs that were wanted, so far */
};

#define EVENT_NO_LANE UINT32_MAX

struct event {
	enum event_type type;
	uint64_t time_ns;   /* Unix time */
	uint64_t seq;
	uint32_t lane, tid; /* lane: EVENT_NO_LANE for a loss that reached no lane */
	/* EVENT_AUDIT */
	const char *name;
	const struct event_info *info; /* NULL: a program's own event */
	struct prepared *prepared;     /* NULL: nothing is kept */
	unsigned n_args;
	const uint8_t *values, *values_end; /* n_args values */
	uint32_t n_args_full;               /* more than n_args: the others were left out */
	const struct site *at, *caller;     /* NULL when there is none */
	const struct site *const *stack;    /* further frames */
	unsigned n_stack;
	/* EVENT_CALL and EVENT_RETURN */
	enum call_event call;
	struct function *function;
	uint32_t greenlet;    /* 0: the thread's own stack, or there are none */
	uint32_t depth;       /* calls of the two that are open, this one included */
	bool has_duration;    /* a return whose call was seen, and nothing between is missing */
	uint64_t duration_ns;
	/* EVENT_LOST; no seq, tid 0. From and to are 0 when lane is EVENT_NO_LANE. */
	uint64_t lost_count, lost_seq_from, lost_seq_to;
	uint64_t lost_before; /* of them no_reader or overwritten, before we came */
	unsigned lost_reason; /* enum lost_reason */
	/* EVENT_NOTICE; one that the collector makes itself has EVENT_NO_LANE */
	const char *what, *detail;
};

#endif
