/* SPDX-License-Identifier: MIT */
/*
 * What the views show, as rows of numbers: added up over the processes of a fleet, sorted. Rows
 * point into the fleet and are valid until its next look. Texts of events are the report's own:
 * the fleet's are gone when the next one is read, and that may be before the look.
 */
#ifndef COLLECTOR_TOP_REPORT_H
#define COLLECTOR_TOP_REPORT_H

#include "fleet.h"

/* A counter since the beginning (or the last reset), and since the look before. */
struct figure {
	uint64_t total, recent;
};

struct process_row {
	const struct watched *watched;
	struct figure events, calls, call_events, recorded, lost, unread, slots;
	uint64_t recent_by_category[N_CATEGORIES];
	unsigned depth; /* below its parent, when sorted as a tree */
};

struct event_row {
	const char *name;
	enum category category;
	uint8_t level; /* enum level; LEVEL_UNDEFINED: not the same everywhere */
	struct figure n;
	const char *last;      /* what it was about, as the tail has it; NULL: not known */
	uint64_t last_time_ns; /* Unix time */
};

struct function_row {
	const struct function *function;
	struct figure calls;
	bool has_times;
	uint64_t own_ns, cum_ns;
};

struct loss_row {
	enum lost_reason reason;
	struct figure n;
};

struct target_row {
	const char *text;
	uint8_t is; /* enum target_is */
	uint64_t recent, total, error;
};

struct tail_row {
	const char *line;
};

/* Of all processes together. */
struct header_figures {
	size_t n_alive, n_ended;
	struct figure events, calls, call_events, recorded, lost, unread, slots;
};

struct report {
	const struct fleet *fleet;
	const struct watched **watched; /* those that are selected */
	size_t n_watched;
	struct header_figures header;
	struct process_row *processes;
	size_t n_processes;
	struct event_row *events;
	size_t n_events;
	struct function_row *functions;
	size_t n_functions;
	struct loss_row losses[N_LOST_REASONS]; /* those that happened */
	size_t n_losses;
	struct target_row *targets;
	size_t n_targets;
	struct tail_row *tail; /* the newest first */
	size_t n_tail;
	struct report_text *texts; /* of targets, lines and last arguments */
};

enum report_part {
	REPORT_PROCESSES = 1,
	REPORT_EVENTS = 2,
	REPORT_FUNCTIONS = 4,
	REPORT_LOSSES = 8,
	REPORT_TARGETS = 16,
	REPORT_TAIL = 32,
};

/* Parts that are made of the events themselves. */
#define REPORT_RECORDS (REPORT_TARGETS | REPORT_TAIL)

/*
 * Fill in the header and the parts that are wanted; in the order of most in the last interval
 * (functions: of own time, then calls), then of most at all. 0 or -ENOMEM. report_fini() in
 * every case.
 */
int report_make(struct report *report, const struct fleet *fleet,
		const struct selection *selection, unsigned parts);
void report_fini(struct report *report);

/* Put children below their parents, which keep their order among each other. 0 or -ENOMEM. */
int report_make_tree(struct report *report);

/* off, count, record, both (one in the program, the other in importlib), mixed, or "-". */
const char *event_row_level(const struct event_row *row);

/* A figure per second. */
double report_rate(const struct report *report, uint64_t recent);

#endif
