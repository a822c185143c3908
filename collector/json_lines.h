/* SPDX-License-Identifier: MIT */
/* What json.c, json_call.c, json_process.c and listing.c build their lines of. */
#ifndef COLLECTOR_JSON_LINES_H
#define COLLECTOR_JSON_LINES_H

#include "json.h"

/* {"v":1,"type":...,"time":...,"ts":...,"key":...; returns where it begins, for json_end(). */
size_t json_begin(struct json *json, const struct json_source *source, const char *type,
		  uint64_t time_ns);

/* The notes and the closing brace. 0, or -ENOMEM and the line is taken back. */
int json_end(struct json *json, size_t begin);

/* ,"name":value */
void json_put_number(struct json *json, const char *name, uint64_t n);
void json_put_string(struct json *json, const char *name, const char *text); /* NULL: nothing */

/* ,"ppid":...,"uid":...,"exe":...,"argv":[...],"cwd":... as far as they are known */
void json_put_identity(struct json *json, const struct identity *identity);

/* lane and seq, where there are any, pid and tid */
void json_put_position(struct json *json, const struct json_source *source,
		       const struct event *event);

/* call and return */
int json_call_event(struct json *json, const struct json_source *source,
		    const struct event *event);

#endif
