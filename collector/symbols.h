/* SPDX-License-Identifier: MIT */
/*
 * What the ids of one segment mean: its definitions (common/defs.h), copied into private
 * memory once and kept as long as the segment is read.
 *
 * All processes together have a bound, beyond which one that has its share takes in no more.
 */
#ifndef COLLECTOR_SYMBOLS_H
#define COLLECTOR_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

#define SYMBOLS_OF_ALL_BYTES (512u << 20)
#define SYMBOLS_ALWAYS_BYTES (1u << 20) /* of one, whatever the others have */

struct symbols;

/* `region` is the shared one, of region_bytes; ids are below n_ids. NULL: no memory. */
struct symbols *symbols_new(const uint8_t *region, uint64_t region_bytes, uint32_t n_ids);
void symbols_free(struct symbols *symbols);

/*
 * Take in what was defined since the last call; false: it makes no sense, and never will, or there
 * is no room for it.
 */
bool symbols_refresh(struct symbols *symbols);
bool symbols_damaged(const struct symbols *symbols); /* that was said before */
bool symbols_refused(const struct symbols *symbols); /* for want of room */

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
