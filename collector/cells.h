/* SPDX-License-Identifier: MIT */
/*
 * What `list` and `top` write into the cells of their tables. Each appends text; names of
 * strangers are made harmless here.
 */
#ifndef COLLECTOR_CELLS_H
#define COLLECTOR_CELLS_H

#include "line.h"
#include "tracee.h"

/* As PYAUDITD_RING has it: 256k, 4m. A ring is a power of two. */
void put_size(struct line *out, uint64_t bytes);

/* 59s, 12m, 3h, 5d; of times of the same clock. */
void put_age(struct line *out, uint64_t now_ns, uint64_t since_ns);

void put_user(struct line *out, uint32_t uid);

/* Text of anybody's. */
void put_text(struct line *out, const char *text);

/* A command line, redacted; cut, it ends with "..."; "?" when it is not known. `folder`: where the
 * program lies stands before its name. */
void put_command(struct line *out, const struct identity *identity, bool folder);

#endif
