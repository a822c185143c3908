/* SPDX-License-Identifier: MIT */
/* A segment as `auditd-collect list` shows it. */
#ifndef COLLECTOR_LISTING_H
#define COLLECTOR_LISTING_H

#include <stdint.h>
#include <sys/types.h>

#include "json.h"
#include "peek.h"
#include "table.h"

struct listed {
	char name[SEGMENT_NAME_BYTES];
	uint32_t name_pid, nonce;
	dev_t dev;
	ino_t ino;
	struct identity identity; /* owned */
	uint32_t reader;          /* pid of the collector that holds the lock; 0: none */
	int err;                  /* of peek_segment(); not 0: nothing in peek is valid */
	char why[160];
	struct peek peek;
};

/* The kernel's pid out here; of a dead process the one that it had. */
uint32_t listed_pid(const struct listed *listed);

/* 0 or -ENOMEM. */
int listing_json(struct json *json, uint64_t now_ns, const struct listed *listed);

/* The titles of the columns, which sets up the table; then a row for each. */
void listing_titles(struct table *table);
void listing_row(struct table *table, uint64_t now_ns, const struct listed *listed);

#endif
