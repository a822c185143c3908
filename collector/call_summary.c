/* SPDX-License-Identifier: MIT */
#include "call_summary.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "event.h"
#include "safe.h"

struct call_row {
	char *module, *func, *file; /* one block, which `module` begins, of so many bytes: */
	uint32_t bytes;
	uint32_t line;
	bool is_c, has_times;
	int64_t calls, own_ns, cum_ns;
};

void
call_summary_fini(struct call_summary *summary)
{
	for (size_t i = 0; i < summary->n; i++)
		free(summary->rows[i].module);
	free(summary->rows);
}

/* ---- rows ---- */

static int
by_name(const void *a, const void *b)
{
	const struct call_row *left = a, *right = b;
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
	const struct call_row *left = a, *right = b;
	if (left->own_ns != right->own_ns)
		return left->own_ns < right->own_ns ? 1 : -1;
	if (left->calls != right->calls)
		return left->calls < right->calls ? 1 : -1;
	return by_name(a, b);
}

/* Of a damaged segment it may be any number. */
static void
add(int64_t *sum, int64_t n)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)n);
}

static void
free_names(struct call_summary *summary, struct call_row *row)
{
	summary->names_bytes -= row->bytes;
	free(row->module);
}

/* One row for each function; in the order of by_time(). */
static void
merge_rows(struct call_summary *summary)
{
	size_t n = 0;
	if (summary->n == 0)
		return;
	qsort(summary->rows, summary->n, sizeof *summary->rows, by_name);
	for (size_t i = 1; i < summary->n; i++) {
		struct call_row *row = &summary->rows[i], *last = &summary->rows[n];
		if (by_name(row, last) != 0) {
			summary->rows[++n] = *row;
			continue;
		}
		add(&last->calls, row->calls);
		add(&last->own_ns, row->own_ns);
		add(&last->cum_ns, row->cum_ns);
		last->has_times |= row->has_times;
		free_names(summary, row);
	}
	summary->n = n + 1;
	qsort(summary->rows, summary->n, sizeof *summary->rows, by_time);
}

static void
cut(struct call_summary *summary)
{
	while (summary->n > CALL_SUMMARY_ROWS || summary->names_bytes > CALL_SUMMARY_NAMES) {
		struct call_row *row = &summary->rows[--summary->n];
		add(&summary->cut_calls, row->calls);
		add(&summary->cut_own_ns, row->own_ns);
		add(&summary->cut_cum_ns, row->cum_ns);
		free_names(summary, row);
	}
}

static bool
make_room(struct call_summary *summary)
{
	if (summary->n >= 2 * CALL_SUMMARY_ROWS || summary->names_bytes > 2 * CALL_SUMMARY_NAMES) {
		merge_rows(summary);
		cut(summary);
	}
	if (summary->n < summary->room)
		return true;
	size_t room = summary->room > 0 ? 2 * summary->room : 256;
	struct call_row *rows = realloc(summary->rows, room * sizeof *rows);
	if (rows == NULL)
		return false;
	summary->rows = rows;
	summary->room = room;
	return true;
}

static void
add_row(void *context, const struct function *function, const struct function_sums *sums)
{
	struct call_summary *summary = context;
	size_t module = strlen(function->module) + 1, func = strlen(function->func) + 1;
	size_t file = strlen(function->file) + 1;
	char *names = make_room(summary) ? malloc(module + func + file) : NULL;
	if (names == NULL)
		return;
	summary->names_bytes += module + func + file;
	summary->rows[summary->n++] = (struct call_row){
		.bytes = (uint32_t)(module + func + file),
		.module = memcpy(names, function->module, module),
		.func = memcpy(names + module, function->func, func),
		.file = memcpy(names + module + func, function->file, file),
		.line = function->line,
		.is_c = function->is_c,
		.has_times = sums->has_times,
		.calls = (int64_t)sums->calls,
		.own_ns = (int64_t)sums->own_ns,
		.cum_ns = (int64_t)sums->cum_ns,
	};
}

static void
add_summed(void *context, const struct function *function, const struct function_sums *sums)
{
	struct call_summary *summary = context;
	add(&summary->summed, (int64_t)sums->calls);
	add_row(context, function, sums);
}

void
call_summary_add(struct call_summary *summary, struct tracee *tracee)
{
	tracee_functions(tracee, FUNCTIONS_GAINED, add_summed, summary);
	tracee_functions_seen(tracee, add_row, summary);
}

int64_t
call_summary_summed(const struct call_summary *summary)
{
	return summary->summed;
}

/* ---- print ---- */

static void
put_text(struct line *out, const char *text)
{
	struct line plain = {0};
	escape_json(&plain, (const uint8_t *)text, strlen(text));
	if (plain.len >= 2)
		safe_json(out, plain.text + 1, plain.len - 2);
	line_fini(&plain);
}

/* json.decoder.JSONDecoder.decode decoder.py:332 */
static void
put_name(struct line *out, const struct call_row *row)
{
	const char *slash = strrchr(row->file, '/');
	put_text(out, row->module);
	if (row->module[0] != '\0')
		line_char(out, '.');
	put_text(out, row->func);
	if (row->is_c || row->file[0] == '\0')
		return;
	line_char(out, ' ');
	put_text(out, slash != NULL ? slash + 1 : row->file);
	line_char(out, ':');
	line_u64(out, row->line);
}

static void
print_row(FILE *file, const struct call_row *row)
{
	struct line name = {0};
	put_name(&name, row);
	if (row->has_times)
		fprintf(file, "%12" PRId64 "  %12.3f  %12.3f  ", row->calls,
			(double)row->own_ns / 1e6, (double)row->cum_ns / 1e6);
	else
		fprintf(file, "%12" PRId64 "  %12s  %12s  ", row->calls, "-", "-");
	fprintf(file, "%.*s\n", (int)name.len, name.len > 0 ? name.text : "");
	line_fini(&name);
}

/* Of the session: what was called in it, or took time, having been called before. */
static bool
is_of_it(const struct call_row *row)
{
	return row->calls > 0 || row->own_ns > 0 || row->cum_ns > 0;
}

void
call_summary_print(struct call_summary *summary, FILE *file)
{
	size_t n = 0, shown = 0;
	merge_rows(summary);
	for (size_t i = 0; i < summary->n; i++)
		n += is_of_it(&summary->rows[i]);
	if (n == 0)
		return;
	fprintf(file, "\n%12s  %12s  %12s  %s\n", "calls", "own ms", "with callees", "function");
	for (size_t i = 0; i < summary->n && shown < CALL_SUMMARY_SHOWN; i++) {
		if (!is_of_it(&summary->rows[i]))
			continue;
		print_row(file, &summary->rows[i]);
		shown++;
	}
	if (n > shown)
		fprintf(file, "%12zu  more functions\n", n - shown);
	if (summary->cut_calls > 0)
		fprintf(file, "%12" PRId64 "  %12.3f  %12.3f  (more, too many to be kept)\n",
			summary->cut_calls, (double)summary->cut_own_ns / 1e6,
			(double)summary->cut_cum_ns / 1e6);
}
