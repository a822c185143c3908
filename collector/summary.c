/* SPDX-License-Identifier: MIT */
#include "summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "call_summary.h"
#include "safe.h"

/* Of all processes together. What finds no room is added up in one row. */
#define ROWS_MAX 8192
#define NAMES_MAX_BYTES (1u << 20)

struct row {
	char *event;
	int64_t n; /* below 0 between subtract and add */
	enum level level;
};

struct summary {
	struct row *rows; /* sorted by name */
	size_t n, room;
	size_t names_bytes;
	int64_t others; /* of events that have no row */
	int64_t lost[N_LOST_REASONS];
	uint64_t removed, calls, returns;
	struct call_summary functions;
	int64_t before[N_LOST_REASONS]; /* before we came: in none of the others */
	unsigned n_processes;
	int sign; /* of what is being added */
};

struct summary *
summary_new(void)
{
	return calloc(1, sizeof(struct summary));
}

void
summary_free(struct summary *summary)
{
	if (summary == NULL)
		return;
	for (size_t i = 0; i < summary->n; i++)
		free(summary->rows[i].event);
	free(summary->rows);
	call_summary_fini(&summary->functions);
	free(summary);
}

/* Where the event is, or where it belongs. */
static size_t
position(const struct summary *summary, const char *event, bool *found)
{
	size_t low = 0, high = summary->n;
	*found = false;
	while (low < high && !*found) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(event, summary->rows[mid].event);
		*found = order == 0;
		if (order <= 0)
			high = mid;
		else
			low = mid + 1;
	}
	return high;
}

static struct row *
insert(struct summary *summary, size_t at, const char *event)
{
	size_t bytes = strlen(event) + 1;
	if (summary->n >= ROWS_MAX || summary->names_bytes + bytes > NAMES_MAX_BYTES)
		return NULL;
	if (summary->n == summary->room) {
		size_t room = summary->room > 0 ? 2 * summary->room : 64;
		struct row *rows = realloc(summary->rows, room * sizeof *rows);
		if (rows == NULL)
			return NULL;
		summary->rows = rows;
		summary->room = room;
	}
	char *name = strdup(event);
	if (name == NULL)
		return NULL;
	memmove(summary->rows + at + 1, summary->rows + at,
		(summary->n - at) * sizeof *summary->rows);
	summary->rows[at] = (struct row){.event = name};
	summary->names_bytes += bytes;
	summary->n++;
	return &summary->rows[at];
}

/* What a damaged segment says may be any number: then the sum is wrong, and no more. */
static int64_t
plus(int64_t a, uint64_t b)
{
	return (int64_t)((uint64_t)a + b);
}

static void
count(void *context, const char *event, enum level level, uint64_t n)
{
	struct summary *summary = context;
	bool found;
	size_t at = position(summary, event, &found);
	struct row *row = found ? &summary->rows[at] : insert(summary, at, event);
	int64_t *sum = row != NULL ? &row->n : &summary->others;
	*sum = plus(*sum, summary->sign < 0 ? -n : n);
	if (row != NULL)
		row->level = level;
}

static void
add_events(struct summary *summary, struct tracee *tracee, int sign)
{
	summary->sign = sign;
	tracee_counts(tracee, count, summary);
}

void
summary_subtract(struct summary *summary, struct tracee *tracee)
{
	add_events(summary, tracee, -1);
}

void
summary_add(struct summary *summary, struct tracee *tracee)
{
	summary->n_processes++;
	add_events(summary, tracee, 1);
	call_summary_add(&summary->functions, tracee);
}

void
summary_loss(struct summary *summary, const struct event *event, bool ours)
{
	uint64_t before = ours ? 0 : event->lost_before;
	int64_t *lost = &summary->lost[event->lost_reason];
	*lost = plus(*lost, event->lost_count - before);
	summary->before[event->lost_reason] = plus(summary->before[event->lost_reason], before);
}

void
summary_call(struct summary *summary, bool begins)
{
	if (begins)
		summary->calls++;
	else
		summary->returns++;
}

void
summary_removed(struct summary *summary, uint64_t n)
{
	summary->removed += n;
}

uint64_t
summary_lost(const struct summary *summary)
{
	int64_t n = 0;
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		n = plus(n, (uint64_t)summary->lost[i]);
	return (n > 0 ? (uint64_t)n : 0) + summary->removed;
}

void
summary_lost_text(const struct summary *summary, char *text, size_t bytes)
{
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i <= N_LOST_REASONS; i++) {
		bool removed = i == N_LOST_REASONS;
		int64_t n = removed ? (int64_t)summary->removed : summary->lost[i];
		if (n > 0 && used < bytes)
			used += (size_t)snprintf(text + used, bytes - used, "%s%" PRId64 " %s",
						 used > 0 ? ", " : "", n,
						 removed ? "removed unread" : lost_reason_name(i));
	}
}

static int
by_count(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	if (left->n != right->n)
		return left->n < right->n ? 1 : -1;
	return strcmp(left->event, right->event);
}

static const char *
level_name(enum level level)
{
	switch (level) {
	case LEVEL_OFF:
		return "off";
	case LEVEL_COUNT:
		return "count";
	case LEVEL_RECORD:
		return "record";
	case LEVEL_APP:
	case LEVEL_IMPORT:
		return "both"; /* one in the program, the other in importlib */
	case LEVEL_WATCH:
	case LEVEL_UNDEFINED:
	case LEVEL_ASK: /* it did not happen since */
		break;
	}
	return "-";
}

static void
print_name(FILE *file, const char *name)
{
	char *copy = strdup(name);
	if (copy == NULL)
		return;
	safe_text((uint8_t *)copy, strlen(copy));
	fputs(copy, file);
	free(copy);
}

static void
print_losses(const struct summary *summary, FILE *file)
{
	if (summary->removed > 0)
		fprintf(file, "%12" PRIu64 "  lost: removed unread, of dead processes\n",
			summary->removed);
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		if (summary->lost[i] > 0)
			fprintf(file, "%12" PRId64 "  lost: %s\n", summary->lost[i],
				lost_reason_name(i));
	for (unsigned i = 0; i < N_LOST_REASONS; i++)
		if (summary->before[i] > 0)
			fprintf(file, "%12" PRId64 "  lost: %s (before we came)\n", summary->before[i],
				lost_reason_name(i));
}

/* The rows of what has no name here, and of all calls: recorded, and summed up. */
static size_t
add_sums(const struct summary *summary, struct row *rows, size_t n)
{
	rows[n++] = (struct row){"(other names)", summary->others, LEVEL_UNDEFINED};
	rows[n++] = (struct row){"(call)", (int64_t)summary->calls, LEVEL_RECORD};
	rows[n++] = (struct row){"(return)", (int64_t)summary->returns, LEVEL_RECORD};
	rows[n++] = (struct row){"(call)", call_summary_summed(&summary->functions), LEVEL_COUNT};
	return n;
}

void
summary_print(struct summary *summary, FILE *file)
{
	struct row *rows = malloc((summary->n + 4) * sizeof *rows);
	int64_t total = 0;
	if (rows == NULL)
		return;
	if (summary->n > 0)
		memcpy(rows, summary->rows, summary->n * sizeof *rows);
	size_t n = add_sums(summary, rows, summary->n);
	qsort(rows, n, sizeof *rows, by_count);
	for (size_t i = 0; i < n; i++)
		total = plus(total, (uint64_t)rows[i].n);
	fprintf(file, "%12s  %6s  %-6s  %s\n", "events", "share", "level", "name");
	for (size_t i = 0; i < n && rows[i].n > 0; i++) {
		fprintf(file, "%12" PRId64 "  %5.1f%%  %-6s  ", rows[i].n,
			100.0 * (double)rows[i].n / (double)total, level_name(rows[i].level));
		print_name(file, rows[i].event);
		fputc('\n', file);
	}
	fprintf(file, "%12" PRId64 "  in %u process%s, %" PRIu64 " lost\n", total,
		summary->n_processes, summary->n_processes == 1 ? "" : "es",
		summary_lost(summary));
	print_losses(summary, file);
	free(rows);
	call_summary_print(&summary->functions, file);
}
