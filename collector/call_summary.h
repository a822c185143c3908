/* SPDX-License-Identifier: MIT */
/*
 * The functions that took the most time of their own, or, where no times are known, that were
 * called most often, of all processes that were read. The same function of several of them is
 * one row.
 */
#ifndef COLLECTOR_CALL_SUMMARY_H
#define COLLECTOR_CALL_SUMMARY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tracee.h"

#define CALL_SUMMARY_SHOWN 20
/* That are kept, of all processes together; what took least time of its own, or where no times are
 * known was called least, goes first. */
#define CALL_SUMMARY_ROWS (1u << 14)
#define CALL_SUMMARY_NAMES (2u << 20) /* bytes */

struct call_row;

/* A zeroed one is empty. */
struct call_summary {
	struct call_row *rows;
	size_t n, room;
	size_t names_bytes;
	int64_t cut_calls, cut_own_ns, cut_cum_ns; /* of rows that were not kept */
	int64_t summed;
};

void call_summary_fini(struct call_summary *summary);

/* The functions of a tracee, of which we have seen the end, or enough: what they gained meanwhile. */
void call_summary_add(struct call_summary *summary, struct tracee *tracee);

/* Calls that were summed up by the hook, and not recorded. */
int64_t call_summary_summed(const struct call_summary *summary);

/* Nothing when it is empty. */
void call_summary_print(struct call_summary *summary, FILE *file);

#endif
