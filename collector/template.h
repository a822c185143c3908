/* SPDX-License-Identifier: MIT */
/*
 * The parts of lines that are the same each time, worked out once per definition and kept in
 * its struct prepared (event.h): an event's name, category and argument names, a call site's
 * whole object, and what a function is called and where it stands.
 */
#ifndef COLLECTOR_TEMPLATE_H
#define COLLECTOR_TEMPLATE_H

#include "event.h"
#include "line.h"

/* Arguments whose names are prepared; the others are rare and called "_N". */
#define TEMPLATE_ARGS 16

struct event_template {
	uint32_t bytes;     /* of the block */
	uint32_t head_len;  /* ,"event":"open","cat":"file" */
	bool name_percent;
	bool redact;        /* events of this category carry command lines and URLs */
	bool has_roles;
	uint8_t n_args;
	struct {
		const char *key;      /* "path":  with a comma before it, but for the first */
		uint32_t key_len;
		const char *name;     /* for the notes: path, _0 */
		uint32_t name_len;
		uint8_t role;         /* enum arg_role */
	} args[TEMPLATE_ARGS];
	char text[];
};

struct site_template {
	uint32_t bytes;    /* of the block */
	uint32_t len;      /* {"func":"load","file":"/srv/app.py","line":32} */
	bool func_percent, file_percent;
	char text[];
};

struct function_template {
	uint32_t bytes;      /* of the block */
	uint32_t func_len;   /* ,"func":"JSONDecoder.decode" */
	uint32_t module_len; /* and ,"module":"json.decoder" */
	uint32_t len;        /* and ,"file":"/usr/lib/...","line":332 */
	bool func_percent, module_percent, file_percent;
	char text[];
};

/* One malloc block each; NULL: no memory. */
struct event_template *event_template_new(const struct event *event, unsigned python_minor);
struct site_template *site_template_new(const struct site *site);
struct function_template *function_template_new(const struct function *function);

/* "Secrets may stand in the plain strings of this event": category proc or net. */
bool event_carries_secrets(const struct event *event);

#endif
