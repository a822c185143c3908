/* SPDX-License-Identifier: MIT */
/* Functions, a row for each: those of the same name and place are one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "report_parts.h"

static int
by_function(const void *a, const void *b)
{
	const struct function *left = ((const struct function_row *)a)->function;
	const struct function *right = ((const struct function_row *)b)->function;
	int order = strcmp(left->func, right->func);
	if (order == 0)
		order = strcmp(left->module, right->module);
	if (order == 0)
		order = strcmp(left->file, right->file);
	return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static int
by_time(const void *a, const void *b)
{
	const struct function_row *left = a, *right = b;
	int order = more(left->own_ns, right->own_ns);
	if (order == 0)
		order = more(left->calls.recent, right->calls.recent);
	if (order == 0)
		order = more(left->calls.total, right->calls.total);
	return order != 0 ? order : by_function(a, b);
}

static size_t
add_functions(const struct watched *watched, struct function_row *rows)
{
	size_t n = 0;
	enum clock_kind clock = (enum clock_kind)watched->header.clock_kind;
	for (uint32_t id = 0; watched->now.stats != NULL && id < watched->now.n_ids; id++) {
		const struct call_stats *now = &watched->now.stats[id];
		struct call_stats before = moment_stats(&watched->before, id);
		struct call_stats base = moment_stats(&watched->base, id);
		bool moved = now->calls > base.calls || now->own_ticks > base.own_ticks ||
			     now->cum_ticks > base.cum_ticks;
		const struct function *function = moved ? symbols_function(watched->symbols, id) : NULL;
		if (function == NULL)
			continue;
		rows[n++] = (struct function_row){
			.function = function,
			.calls = figure(watched, now->calls, before.calls, base.calls),
			.has_times = call_stats_timed(now),
			.own_ns = plus(calibrate_duration(clock, less(now->own_ticks, base.own_ticks)), 0),
			.cum_ns = plus(calibrate_duration(clock, less(now->cum_ticks, base.cum_ticks)), 0),
		};
	}
	return n;
}

static size_t
merge_functions(struct function_row *rows, size_t n)
{
	size_t kept = 0;
	qsort(rows, n, sizeof *rows, by_function);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || by_function(&rows[kept - 1], &rows[i]) != 0) {
			rows[kept++] = rows[i];
			continue;
		}
		struct function_row *last = &rows[kept - 1];
		add_figure(&last->calls, rows[i].calls);
		last->own_ns = plus(last->own_ns, rows[i].own_ns);
		last->cum_ns = plus(last->cum_ns, rows[i].cum_ns);
		last->has_times |= rows[i].has_times;
	}
	return kept;
}

int
report_make_functions(struct report *report)
{
	size_t room = 1;
	for (size_t i = 0; i < report->n_watched; i++) {
		for (uint32_t id = 0; id < report->watched[i]->now.n_ids; id++) {
			struct call_stats now = moment_stats(&report->watched[i]->now, id);
			room += !call_stats_empty(&now);
		}
	}
	report->functions = malloc(room * sizeof *report->functions);
	if (report->functions == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < report->n_watched; i++)
		report->n_functions +=
			add_functions(report->watched[i], report->functions + report->n_functions);
	report->n_functions = merge_functions(report->functions, report->n_functions);
	qsort(report->functions, report->n_functions, sizeof *report->functions, by_time);
	return 0;
}
