/* SPDX-License-Identifier: MIT */
/*
 * From events to lines: asks the filter, encodes for every channel that is wanted, and hands
 * the lines on in the order of their time. While everything comes from one lane, lines are
 * encoded straight into the block that is written; otherwise merge.h holds them for a moment.
 */
#ifndef COLLECTOR_PRINTER_H
#define COLLECTOR_PRINTER_H

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"
#include "json.h"
#include "merge.h"
#include "outputs.h"
#include "text.h"

struct printer {
	struct outputs *outputs;
	struct filter *filter; /* NULL: everything passes */
	struct merge *merge;
	bool hold;             /* more than one lane: merge */
	bool failed;           /* there was no memory for a line */
	uint64_t n_bytes;      /* of all lines that were encoded */
	struct json json;
	struct text text;
};

/* What lines of one tracee need. */
struct printer_source {
	struct json_source json;
	uint32_t pid;
	const char *cwd;            /* for relative paths; NULL: not known */
	struct merge_source *lanes; /* 0: those of no lane, then lane 0, ... */
	uint32_t n_lanes;
};

/* `outputs` and `filter` stay the caller's. 0 or -ENOMEM. */
int printer_init(struct printer *printer, struct outputs *outputs, struct filter *filter,
		 bool redact);
void printer_fini(struct printer *printer);

int printer_source_init(struct printer_source *source, const char *key, uint32_t pid,
			uint32_t python_hex);
void printer_source_fini(struct printer_source *source);

/* False: the filter did not let it pass. */
bool printer_event(struct printer *printer, struct printer_source *source,
		   const struct event *event);

void printer_start(struct printer *printer, struct printer_source *source, uint64_t time_ns,
		   const struct tracee *tracee);
void printer_untraced(struct printer *printer, uint64_t time_ns, const struct identity *identity);

/* Its functions. */
void printer_functions(struct printer *printer, struct printer_source *source, uint64_t time_ns,
		       struct tracee *tracee, enum which_functions which);

/* The account of a tracee: counts, stats. */
void printer_stats(struct printer *printer, struct printer_source *source, uint64_t time_ns,
		   struct tracee *tracee);

/* Its last line, behind all others. `status` as of waitpid, -1: not known. */
void printer_exit(struct printer *printer, struct printer_source *source, uint64_t time_ns,
		  const char *how, int status, const struct account *account);

/* `source` may be NULL: about none of the tracees. */
void printer_notice(struct printer *printer, struct printer_source *source, const char *what,
		    const char *detail);

/* Every line that printer_mark() came behind is written; or nothing waits at all. */
struct merge_mark printer_mark(const struct printer *printer);
bool printer_is_past(const struct printer *printer, const struct merge_mark *mark);
bool printer_idle(const struct printer *printer);

/* End of a round: lines that are old enough go to the sinks; with `all`, every line. */
void printer_flush(struct printer *printer, bool all);

#endif
