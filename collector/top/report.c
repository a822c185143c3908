/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "saturating.h"

struct report_text {
	struct report_text *next;
	char text[];
};

/* A copy that lives as long as the report; NULL: there is no memory. */
static const char *
keep(struct report *report, const char *text)
{
	size_t n = strlen(text) + 1;
	struct report_text *copy = malloc(sizeof *copy + n);
	if (copy == NULL)
		return NULL;
	copy->next = report->texts;
	report->texts = copy;
	return memcpy(copy->text, text, n);
}

static struct figure
figure(const struct watched *watched, uint64_t now, uint64_t before, uint64_t base)
{
	bool known = watched->before.time_ns != 0 || watched->is_new;
	return (struct figure){less(now, base), known ? less(now, before) : 0};
}

#define FIGURE(watched, member) \
	figure((watched), (watched)->now.tally.member, (watched)->before.tally.member, \
	       (watched)->base.tally.member)

static void
add_figure(struct figure *sum, struct figure n)
{
	sum->total = plus(sum->total, n.total);
	sum->recent = plus(sum->recent, n.recent);
}

double
report_rate(const struct report *report, uint64_t recent)
{
	uint64_t ns = fleet_interval_ns(report->fleet);
	return ns > 0 ? (double)recent * 1e9 / (double)ns : 0;
}

/* ---- processes ---- */

static struct figure
lost_figure(const struct watched *watched)
{
	return figure(watched, tally_lost(&watched->now.tally), tally_lost(&watched->before.tally),
		      tally_lost(&watched->base.tally));
}

static struct process_row
process_row(const struct watched *watched)
{
	struct process_row row = {
		.watched = watched,
		.events = FIGURE(watched, events),
		.calls = FIGURE(watched, calls),
		.call_events = FIGURE(watched, call_events),
		.recorded = FIGURE(watched, recorded),
		.lost = lost_figure(watched),
		.unread = FIGURE(watched, lost[LOST_NO_READER]),
		.slots = FIGURE(watched, slots),
	};
	for (unsigned i = 0; i < N_CATEGORIES; i++)
		row.recent_by_category[i] = FIGURE(watched, by_category[i]).recent;
	return row;
}

static void
add_to_header(struct header_figures *header, const struct process_row *row)
{
	if (row->watched->ended_ns == 0)
		header->n_alive++;
	else
		header->n_ended++;
	add_figure(&header->events, row->events);
	add_figure(&header->calls, row->calls);
	add_figure(&header->call_events, row->call_events);
	add_figure(&header->recorded, row->recorded);
	add_figure(&header->lost, row->lost);
	add_figure(&header->unread, row->unread);
	add_figure(&header->slots, row->slots);
}

static int
more(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int
by_activity(const void *a, const void *b)
{
	const struct process_row *left = a, *right = b;
	int order = more(left->events.recent + left->calls.recent + left->call_events.recent,
			 right->events.recent + right->calls.recent + right->call_events.recent);
	if (order == 0)
		order = more(left->events.total, right->events.total);
	return order != 0 ? order : (left->watched->found.name_pid > right->watched->found.name_pid) -
					    (left->watched->found.name_pid < right->watched->found.name_pid);
}

static int
make_processes(struct report *report, bool wanted)
{
	if (wanted) {
		report->processes = calloc(report->n_watched + 1, sizeof *report->processes);
		if (report->processes == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < report->n_watched; i++) {
		struct process_row row = process_row(report->watched[i]);
		add_to_header(&report->header, &row);
		if (wanted)
			report->processes[report->n_processes++] = row;
	}
	if (wanted)
		qsort(report->processes, report->n_processes, sizeof *report->processes, by_activity);
	return 0;
}

/* ---- the tree ---- */

struct family {
	struct process_row *rows; /* in the order that they had */
	size_t n;
	bool *placed;
	struct process_row *to;
	size_t n_to;
};

static uint32_t
pid_of(const struct process_row *row)
{
	return row->watched->found.identity.pid;
}

static bool
is_child(const struct process_row *row, const struct process_row *parent)
{
	return row->watched->found.identity.ppid == pid_of(parent) && pid_of(parent) != 0;
}

static void
place(struct family *family, size_t i, unsigned depth)
{
	if (family->placed[i])
		return;
	family->placed[i] = true;
	family->rows[i].depth = depth;
	family->to[family->n_to++] = family->rows[i];
	for (size_t k = 0; k < family->n; k++)
		if (is_child(&family->rows[k], &family->rows[i]))
			place(family, k, depth + 1);
}

static bool
has_parent(const struct family *family, size_t i)
{
	for (size_t k = 0; k < family->n; k++)
		if (k != i && is_child(&family->rows[i], &family->rows[k]))
			return true;
	return false;
}

int
report_make_tree(struct report *report)
{
	struct family family = {.rows = report->processes, .n = report->n_processes};
	family.placed = calloc(family.n + 1, sizeof *family.placed);
	family.to = calloc(family.n + 1, sizeof *family.to);
	if (family.placed == NULL || family.to == NULL) {
		free(family.placed);
		free(family.to);
		return -ENOMEM;
	}
	for (size_t i = 0; i < family.n; i++)
		if (!has_parent(&family, i))
			place(&family, i, 0);
	for (size_t i = 0; i < family.n; i++)
		place(&family, i, 0); /* pids that were used again may make a circle */
	free(family.placed);
	free(report->processes);
	report->processes = family.to;
	return 0;
}

/* ---- events ---- */

static int
by_name(const void *a, const void *b)
{
	const struct event_row *left = a, *right = b;
	return strcmp(left->name, right->name);
}

static int
by_count(const void *a, const void *b)
{
	const struct event_row *left = a, *right = b;
	int order = more(left->n.recent, right->n.recent);
	if (order == 0)
		order = more(left->n.total, right->n.total);
	return order != 0 ? order : by_name(a, b);
}

static size_t
add_events(const struct watched *watched, struct event_row *rows)
{
	size_t n = 0;
	for (uint32_t id = 0; id < watched->now.n_ids; id++) {
		const struct symbol_event *event = symbols_event(watched->symbols, id);
		uint64_t count = watched->now.counts[id];
		if (count == 0 || (event == NULL && id != 0))
			continue;
		rows[n++] = (struct event_row){
			.name = event != NULL ? event->name : "?",
			.category = event != NULL && event->info != NULL
					    ? (enum category)event->info->category
					    : CATEGORY_CUSTOM,
			.level = watched->levels[id],
			.n = figure(watched, count, moment_count(&watched->before, id),
				    moment_count(&watched->base, id)),
		};
	}
	return n;
}

static size_t
merge_events(struct event_row *rows, size_t n)
{
	size_t kept = 0;
	qsort(rows, n, sizeof *rows, by_name);
	for (size_t i = 0; i < n; i++) {
		struct event_row *last = kept > 0 ? &rows[kept - 1] : NULL;
		if (last == NULL || strcmp(last->name, rows[i].name) != 0) {
			rows[kept++] = rows[i];
			continue;
		}
		add_figure(&last->n, rows[i].n);
		if (last->level != rows[i].level)
			last->level = LEVEL_UNDEFINED;
	}
	return kept;
}

static int
make_events(struct report *report, const struct selection *selection)
{
	size_t room = 1;
	for (size_t i = 0; i < report->n_watched; i++)
		for (uint32_t id = 0; id < report->watched[i]->now.n_ids; id++)
			room += report->watched[i]->now.counts[id] != 0;
	report->events = malloc(room * sizeof *report->events);
	if (report->events == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < report->n_watched; i++)
		report->n_events += add_events(report->watched[i], report->events + report->n_events);
	report->n_events = merge_events(report->events, report->n_events);
	for (size_t i = 0; i < report->n_events; i++) {
		const struct records_last *last =
			records_last(&report->fleet->records, report->events[i].name);
		if (last != NULL && selection_has(selection, last->key, last->uid)) {
			report->events[i].last = keep(report, last->text);
			report->events[i].last_time_ns = last->time_ns;
		}
	}
	qsort(report->events, report->n_events, sizeof *report->events, by_count);
	return 0;
}

const char *
event_row_level(const struct event_row *row)
{
	switch ((enum level)row->level) {
	case LEVEL_OFF:
		return "off";
	case LEVEL_COUNT:
		return "count";
	case LEVEL_RECORD:
		return "record";
	case LEVEL_APP:
	case LEVEL_IMPORT:
		return "both";
	case LEVEL_UNDEFINED:
		return "mixed";
	case LEVEL_ASK: /* the program takes up another one at the next such event */
	case LEVEL_WATCH:
		break;
	}
	return "-";
}

/* ---- functions ---- */

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
		const struct function *function =
			now->calls > base.calls ? symbols_function(watched->symbols, id) : NULL;
		if (function == NULL)
			continue;
		rows[n++] = (struct function_row){
			.function = function,
			.calls = figure(watched, now->calls, before.calls, base.calls),
			.has_times = now->primitive > 0,
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

static int
make_functions(struct report *report)
{
	size_t room = 1;
	for (size_t i = 0; i < report->n_watched; i++)
		for (uint32_t id = 0; id < report->watched[i]->now.n_ids; id++)
			room += moment_stats(&report->watched[i]->now, id).calls != 0;
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

/* ---- losses ---- */

static void
make_losses(struct report *report)
{
	for (unsigned reason = 0; reason < N_LOST_REASONS; reason++) {
		struct loss_row row = {.reason = reason};
		for (size_t i = 0; i < report->n_watched; i++)
			add_figure(&row.n, FIGURE(report->watched[i], lost[reason]));
		if (row.n.total > 0)
			report->losses[report->n_losses++] = row;
	}
}

static int
choose(struct report *report, const struct selection *selection)
{
	const struct fleet *fleet = report->fleet;
	report->watched = malloc((fleet->n + 1) * sizeof *report->watched);
	if (report->watched == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < fleet->n; i++) {
		const struct watched *watched = fleet->items[i];
		if (selection_has(selection, watched->key, watched->found.identity.uid))
			report->watched[report->n_watched++] = watched;
	}
	return 0;
}

/* ---- records ---- */

static int
make_targets(struct report *report)
{
	const struct sketch *targets = records_targets(&report->fleet->records);
	report->targets = malloc((targets->n + 1) * sizeof *report->targets);
	if (report->targets == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < targets->n; i++) {
		const struct sketch_item *item = &targets->items[i];
		const char *text = keep(report, item->text);
		if (text == NULL)
			return -ENOMEM;
		report->targets[report->n_targets++] =
			(struct target_row){text, item->is, item->before, item->n, item->error};
	}
	return 0;
}

static int
make_tail(struct report *report, const struct selection *selection)
{
	const struct records *records = &report->fleet->records;
	size_t n = 0;
	report->tail = malloc(RECORDS_TAIL * sizeof *report->tail);
	if (report->tail == NULL)
		return -ENOMEM;
	while (records_line(records, n) != NULL)
		n++;
	while (n-- > 0) {
		const struct records_line *kept = records_line(records, n);
		if (!selection_has(selection, kept->key, kept->uid))
			continue;
		const char *line = keep(report, kept->text);
		if (line == NULL)
			return -ENOMEM;
		report->tail[report->n_tail++].line = line;
	}
	return 0;
}

int
report_make(struct report *report, const struct fleet *fleet, const struct selection *selection,
	    unsigned parts)
{
	*report = (struct report){.fleet = fleet};
	int err = choose(report, selection);
	if (err == 0)
		err = make_processes(report, (parts & REPORT_PROCESSES) != 0);
	if (err == 0 && (parts & REPORT_EVENTS) != 0)
		err = make_events(report, selection);
	if (err == 0 && (parts & REPORT_FUNCTIONS) != 0)
		err = make_functions(report);
	if (err == 0 && (parts & REPORT_LOSSES) != 0)
		make_losses(report);
	if (err == 0 && (parts & REPORT_TARGETS) != 0)
		err = make_targets(report);
	if (err == 0 && (parts & REPORT_TAIL) != 0)
		err = make_tail(report, selection);
	return err;
}

void
report_fini(struct report *report)
{
	free(report->watched);
	free(report->processes);
	free(report->events);
	free(report->functions);
	free(report->targets);
	free(report->tail);
	while (report->texts != NULL) {
		struct report_text *text = report->texts;
		report->texts = text->next;
		free(text);
	}
}
