/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report_parts.h"

struct report_text {
	struct report_text *next;
	char text[];
};

const char *
report_keep(struct report *report, const char *text)
{
	size_t n = strlen(text) + 1;
	struct report_text *copy = malloc(sizeof *copy + n);
	if (copy == NULL)
		return NULL;
	copy->next = report->texts;
	report->texts = copy;
	return memcpy(copy->text, text, n);
}

double
report_rate(const struct report *report, uint64_t recent)
{
	uint64_t ns = fleet_interval_ns(report->fleet);
	return ns > 0 ? (double)recent * 1e9 / (double)ns : 0;
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
		const char *text = report_keep(report, item->text);
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
		const char *line = report_keep(report, kept->text);
		if (line == NULL)
			return -ENOMEM;
		report->tail[report->n_tail++].line = line;
	}
	return 0;
}

/* ---- the whole ---- */

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

int
report_make(struct report *report, const struct fleet *fleet, const struct selection *selection,
	    unsigned parts)
{
	*report = (struct report){.fleet = fleet};
	int err = choose(report, selection);
	if (err == 0)
		err = report_make_processes(report, (parts & REPORT_PROCESSES) != 0);
	if (err == 0 && (parts & REPORT_EVENTS) != 0)
		err = report_make_events(report, selection);
	if (err == 0 && (parts & REPORT_FUNCTIONS) != 0)
		err = report_make_functions(report);
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
