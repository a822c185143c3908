/* SPDX-License-Identifier: MIT */
/*
 * What the ids of one segment mean: its definitions (common/defs.h), copied into private
 * memory once and kept as long as the segment is read.
 */
#ifndef COLLECTOR_SYMBOLS_H
#define COLLECTOR_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

struct symbols;

/* `region` is the shared one, of region_bytes; ids are below n_ids. NULL: no memory. */
struct symbols *symbols_new(const uint8_t *region, uint64_t region_bytes, uint32_t n_ids);
void symbols_free(struct symbols *symbols);

/* Take in what was defined since the last call; false: it makes no sense, and never will. */
bool symbols_refresh(struct symbols *symbols);
bool symbols_damaged(const struct symbols *symbols); /* that was said before */

struct symbol_event {
	const char *name;
	const struct event_info *info; /* NULL: a program's own event */
	struct prepared prepared;
};

/* NULL when the id is not defined, or as something else. */
struct symbol_event *symbols_event(const struct symbols *symbols, uint32_t id);
const struct site *symbols_site(const struct symbols *symbols, uint32_t id);
/* Id 0 stands for the functions that found no room in the definitions: "?". */
struct function *symbols_function(struct symbols *symbols, uint32_t id);

/* Ids are below this, so far. */
uint32_t symbols_end(const struct symbols *symbols);

/* The process as it saw itself: exe, cwd, then argv, each NUL-terminated. *n is 0 if unknown. */
const char *symbols_process(const struct symbols *symbols, size_t *n);

#endif
