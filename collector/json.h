/* SPDX-License-Identifier: MIT */
/*
 * Schema 1: one JSON object a line (doc/schema.md). Lines are appended to `out`, whole or, if
 * there is no memory (-ENOMEM), not at all; the owner writes them and empties it with
 * line_cut(&json->out, 0). One struct json serves all tracees; not for two threads.
 *
 *	struct json json;  json_init(&json, true);
 *	struct json_source source;  json_source_init(&source, key, pid, python_hex);
 *	json_event(&json, &source, event);  write(fd, json.out.text, json.out.len);
 */
#ifndef COLLECTOR_JSON_H
#define COLLECTOR_JSON_H

#include "encode.h"
#include "event.h"
#include "line.h"
#include "tracee.h"

struct json {
	struct line out;
	struct encoder encoder;
	struct line_clock clock;
	bool redact;
	size_t counts_begin; /* where an unfinished line of json_counts_begin() starts */
	bool counts_any;
};

/* With `redact`, passwords and the like in argv and URLs are replaced (redact.h). */
void json_init(struct json *json, bool redact);
void json_fini(struct json *json);

/* What all lines of one tracee have in common. */
struct json_source {
	struct line key;     /* ,"key":"web1:1234:88123456:9f3c" */
	struct line pid;     /* ,"pid":1234 */
	unsigned python_minor;
};

/* Copies key. 0 or -ENOMEM. */
int json_source_init(struct json_source *source, const char *key, uint32_t pid,
		     uint32_t python_hex);
void json_source_fini(struct json_source *source);

/* audit, call, return, lost, notice. 0 or -ENOMEM; so do all below. */
int json_event(struct json *json, const struct json_source *source, const struct event *event);

/* process: start; `parent` may be NULL. */
int json_start(struct json *json, const struct json_source *source, uint64_t time_ns,
	       const struct identity *identity, const struct segment_header *header,
	       const char *parent);
/* A process without a segment (coverage none): no key. */
int json_start_untraced(struct json *json, uint64_t time_ns, const struct identity *identity);
/* process: exit; `how`: "clean", "killed", ...; `status` as of waitpid, -1: not known. */
int json_exit(struct json *json, const struct json_source *source, uint64_t time_ns,
	      const char *how, int status, const struct account *account);

/* func */
int json_function(struct json *json, const struct json_source *source, uint64_t time_ns,
		  const struct function *function, const struct function_sums *sums);

int json_stats(struct json *json, const struct json_source *source, uint64_t time_ns,
	       const struct account *account);

/* counts: between begin and end, json_count() for each event; a tracee_count_fn. */
void json_counts_begin(struct json *json, const struct json_source *source, uint64_t time_ns);
void json_count(void *json, const char *event, enum level level, uint64_t n);
int json_counts_end(struct json *json); /* no line when there was no event */

/* notice of the collector's own; `source` may be NULL. */
int json_notice(struct json *json, const struct json_source *source, uint64_t time_ns,
		const char *what, const char *detail);

#endif
