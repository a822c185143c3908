/* SPDX-License-Identifier: MIT */
#include "head.h"

#include "print.h"

/* ---- figures ---- */

struct words {
	const char *process, *processes, *ended, *events, *calls, *recorded, *bytes;
};

static const struct words whole = {" process", " processes", ", ", "events/s",
				   "calls/s",  "recorded/s", "bytes/s"};
static const struct words brief = {" proc", " proc", " ", "ev/s", "call/s", "rec/s", "B/s"};

static void
put_named_rate(struct line *out, const struct report *report, const char *name, uint64_t recent)
{
	line_literal(out, "  ");
	put_rate(out, report_rate(report, recent));
	line_char(out, ' ');
	line_string(out, name);
}

static void
put_figures(struct line *out, const struct report *report, const struct words *words)
{
	const struct header_figures *header = &report->header;
	struct line_clock clock = {0};
	size_t begin = out->len;
	line_time_of_day(out, &clock, report->fleet->realtime_ns);
	if (out->len >= begin + sizeof "15:00:01" - 1)
		out->len = begin + sizeof "15:00:01" - 1;
	line_literal(out, "  ");
	line_u64(out, header->n_alive);
	line_string(out, header->n_alive == 1 ? words->process : words->processes);
	if (header->n_ended > 0) {
		line_string(out, words->ended);
		line_u64(out, header->n_ended);
		line_literal(out, " ended");
	}
	put_named_rate(out, report, words->events, header->events.recent);
	put_named_rate(out, report, words->calls, header->calls.recent + header->call_events.recent);
	put_named_rate(out, report, words->recorded, header->recorded.recent);
	put_named_rate(out, report, header->lost.recent > 0 ? "LOST/s" : "lost/s",
		       header->lost.recent);
	put_named_rate(out, report, words->bytes, header->slots.recent * SLOT_BYTES);
}

void
head_figures(const struct report *report, size_t width, struct line *out)
{
	size_t begin = out->len;
	put_figures(out, report, &whole);
	if (out->len - begin <= width)
		return;
	line_cut(out, begin);
	put_figures(out, report, &brief);
}

/* ---- the last minute ---- */

void
head_history(const struct browse *browse, const struct report *report,
	     const struct history *history, bool utf8, size_t width, struct line *out)
{
	size_t begin = out->len, most = 0, legend = sizeof "  events/s, most 9999" - 1;
	if ((view_get(browse->view)->part & REPORT_RECORDS) != 0) {
		print_share(report, out);
		line_literal(out, "  ");
		most = out->len - begin;
	}
	most += history_put(history, utf8, width > most + legend ? width - most - legend : 0, out);
	if (most + legend > width)
		return;
	line_literal(out, "  events/s");
	if (most + sizeof "  events/s of the last minute, most 9999" - 1 <= width)
		line_literal(out, " of the last minute");
	line_literal(out, ", most ");
	put_rate(out, history_most(history));
}

/* ---- where somebody is ---- */

static void
put_views(enum view_id here, bool names, struct line *out)
{
	for (int i = 0; i < N_VIEWS; i++) {
		line_string(out, i == (int)here ? "[" : " ");
		line_u64(out, (uint64_t)i + 1);
		if (names || i == (int)here) {
			line_char(out, ' ');
			line_string(out, view_get((enum view_id)i)->name);
		}
		if (names || i == (int)here)
			line_string(out, i == (int)here ? "]" : " ");
	}
}

static void
put_choices(const struct browse *browse, struct line *out)
{
	const struct view *view = view_get(browse->view);
	line_literal(out, "  by ");
	line_string(out, view->columns[browse->views[browse->view].sort].name);
	line_string(out, browse->views[browse->view].invert ? " inverted" : "");
	line_string(out, browse->paused ? "  PAUSED" : "");
	if (browse->process[0] != '\0') {
		line_literal(out, "  pid ");
		line_u64(out, browse->process_pid);
	}
	if (browse->user[0] != '\0') {
		line_literal(out, "  user ");
		line_string(out, browse->user);
	}
	if (browse->views[browse->view].filter[0] != '\0') {
		line_literal(out, "  filter ");
		line_string(out, browse->views[browse->view].filter);
	}
}

void
head_place(const struct browse *browse, size_t width, struct line *out)
{
	size_t begin = out->len;
	put_views(browse->view, true, out);
	put_choices(browse, out);
	if (out->len - begin <= width)
		return;
	line_cut(out, begin);
	put_views(browse->view, false, out);
	put_choices(browse, out);
}
