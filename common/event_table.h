/* SPDX-License-Identifier: MIT */
/*
 * The audit events that CPython 3.8-3.15 raises on Linux: arguments, category, default
 * level. Generated from audit-events.tsv, which says where each fact comes from.
 */
#ifndef COMMON_EVENT_TABLE_H
#define COMMON_EVENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "levels.h"

#define CATEGORIES(X) \
	X(FILE, "file") X(NET, "net") X(PROC, "proc") X(CODE, "code") X(IMPORT, "import") \
	X(NATIVE, "native") X(THREAD, "thread") X(DB, "db") X(INTROSPECT, "introspect") \
	X(RUNTIME, "runtime") X(MISC, "misc") X(CUSTOM, "custom") /* sys.audit of a library */

enum category {
#define X(name, text) CATEGORY_##name,
	CATEGORIES(X)
#undef X
	N_CATEGORIES
};

/* What an argument is to a reader of the stream; decides its top-level field. */
enum arg_role {
	ROLE_NONE,
	ROLE_PATH,    /* str, bytes, or an int, which is then an fd */
	ROLE_PATH2,
	ROLE_FD,
	ROLE_HOST,
	ROLE_PORT,
	ROLE_ARGV,    /* a sequence, recorded whole; or one str */
	ROLE_ADDRESS, /* socket address: (host, port, ...), str or bytes of AF_UNIX, ... */
	ROLE_URL,
};

struct event_arg {
	const char *name;
	uint8_t role;   /* enum arg_role */
	uint8_t since;  /* minor version that added it; 0: as old as the event */
	bool secret;    /* recorded as its length unless revealed */
};

struct event_info {
	const char *name;
	uint8_t category; /* enum category */
	uint8_t level;    /* enum level: the default */
	uint8_t since;    /* minor version of CPython */
	uint8_t n_args;
	const struct event_arg *args;
};

/* Documented, but raised under another name. */
struct event_alias {
	const char *documented;
	const char *raised;
};

/* NULL when the name is not CPython's own. */
const struct event_info *event_info_find(const char *name);

/* The name that CPython raises for a documented one; NULL when there is none. */
const char *event_alias_find(const char *documented);
const struct event_alias *event_alias_all(size_t *n);

/* All of them, sorted by name. */
const struct event_info *event_info_all(size_t *n);

const char *category_name(enum category category);
/* By name without the leading @; -1 when there is no such category. */
int category_find(const char *name, size_t len);

#endif
