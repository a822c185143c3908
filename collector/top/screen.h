/* SPDX-License-Identifier: MIT */
/*
 * The terminal, by ncurses. Built without it, or on a terminal that cannot move its cursor,
 * screen_open() says so, and the caller prints instead.
 */
#ifndef COLLECTOR_TOP_SCREEN_H
#define COLLECTOR_TOP_SCREEN_H

#include <stdbool.h>

#include "browse.h"
#include "history.h"

/* 0, or -ENOTSUP with `why` a sentence. On every way out, a crash too, the terminal is restored. */
int screen_open(char *why, size_t why_bytes);
void screen_close(void);

/* Rows of a view that fit. */
size_t screen_rows(void);

/* What is arranged already. */
void screen_draw(const struct browse *browse, struct report *report, const struct history *history);

/* A character or a browse_key; -1: none is waiting. */
int screen_key(void);

#endif
