/* SPDX-License-Identifier: MIT */
/*
 * What `list` and `top` write into the cells of their tables (table.h). Names of strangers are
 * made harmless here.
 */
#ifndef COLLECTOR_CELLS_H
#define COLLECTOR_CELLS_H

#include "table.h"
#include "tracee.h"

void cell_number(struct table *table, uint64_t n);

/* As PYAUDITD_RING has it: 256k, 4m. A ring is a power of two. */
void cell_size(struct table *table, uint64_t bytes);

/* 59s, 12m, 3h, 5d; of times of the same clock. */
void cell_age(struct table *table, uint64_t now_ns, uint64_t since_ns);

void cell_user(struct table *table, uint32_t uid);

/* Text of anybody's, and a command line, redacted: neither ends the cell. */
void cell_text(struct line *out, const char *text);
void cell_command(struct table *table, const struct identity *identity);

#endif
