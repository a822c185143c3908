/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "escape.h"
#include "json_lines.h"
#include "print.h"
#include "python_version.h"

static void
put_rate(struct line *out, double rate)
{
	/* Three digits behind the point are more than a clock is good for. */
	line_double(out, (double)(int64_t)(rate * 1000 + 0.5) / 1000);
}

static void
put_figure(struct json *json, const struct report *report, const char *name, struct figure figure,
	   uint64_t unit)
{
	uint64_t total = figure.total < (uint64_t)JSON_SAFE_INT / unit ? figure.total * unit
								       : (uint64_t)JSON_SAFE_INT;
	line_literal(&json->out, ",\"");
	line_string(&json->out, name);
	line_literal(&json->out, "\":{\"total\":");
	encode_count(&json->out, total);
	line_literal(&json->out, ",\"rate\":");
	put_rate(&json->out, report_rate(report, figure.recent) * (double)unit);
	line_char(&json->out, '}');
}

static void
put_text(struct json *json, const char *name, const char *text)
{
	line_literal(&json->out, ",\"");
	line_string(&json->out, name);
	line_literal(&json->out, "\":");
	escape_json(&json->out, (const uint8_t *)text, strlen(text));
}

static void
begin_list(struct json *json, const char *name)
{
	line_literal(&json->out, ",\"");
	line_string(&json->out, name);
	line_literal(&json->out, "\":[");
}

/* In a list, the text of an object's first member, which has no comma before it. */
static void
begin_object(struct json *json, size_t i, const char *name)
{
	if (i > 0)
		line_char(&json->out, ',');
	line_literal(&json->out, "{\"");
	line_string(&json->out, name);
	line_literal(&json->out, "\":");
}

static void
put_process(struct json *json, const struct report *report, const struct process_row *row)
{
	const struct watched *watched = row->watched;
	const struct identity *identity = &watched->found.identity;
	char python[PYTHON_VERSION_BYTES];
	python_version(python, watched->header.python_hex);
	escape_json(&json->out, (const uint8_t *)watched->key, strlen(watched->key));
	json_put_number(json, "pid", watched_pid(watched));
	put_text(json, "state", watched->ended_ns != 0 ? "ended" : "live");
	json_put_identity(json, identity);
	put_text(json, "python", python);
	put_text(json, "coverage", coverage_name(watched->header.coverage));
	json_put_number(json, "threads", watched->n_threads);
	json_put_number(json, "lanes", watched->n_lanes);
	put_figure(json, report, "events", row->events, 1);
	put_figure(json, report, "calls", row->calls, 1);
	put_figure(json, report, "call_events", row->call_events, 1);
	put_figure(json, report, "recorded", row->recorded, 1);
	put_figure(json, report, "lost", row->lost, 1);
	put_figure(json, report, "no_reader", row->unread, 1);
	put_figure(json, report, "bytes", row->slots, SLOT_BYTES);
	json_put_number(json, "ring_slots", watched->ring_slots);
	json_put_number(json, "unread_slots", watched->unread_slots);
	json_put_number(json, "high_water_slots", watched->high_water_slots);
	line_literal(&json->out, ",\"rates\":{");
	for (unsigned i = 0, n = 0; i < N_CATEGORIES; i++) {
		if (row->recent_by_category[i] == 0)
			continue;
		line_string(&json->out, n++ > 0 ? ",\"" : "\"");
		line_string(&json->out, category_name((enum category)i));
		line_literal(&json->out, "\":");
		put_rate(&json->out, report_rate(report, row->recent_by_category[i]));
	}
	line_literal(&json->out, "}}");
}

static void
put_event(struct json *json, const struct report *report, const struct event_row *row)
{
	escape_json(&json->out, (const uint8_t *)row->name, strlen(row->name));
	put_text(json, "cat", category_name(row->category));
	put_text(json, "level", event_row_level(row));
	if (row->last != NULL)
		put_text(json, "last", row->last);
	json_put_number(json, "total", row->n.total);
	line_literal(&json->out, ",\"rate\":");
	put_rate(&json->out, report_rate(report, row->n.recent));
	line_char(&json->out, '}');
}

static void
put_function(struct json *json, const struct report *report, const struct function_row *row)
{
	const struct function *function = row->function;
	escape_json(&json->out, (const uint8_t *)function->func, strlen(function->func));
	put_text(json, "kind", function->is_c ? "c" : "py");
	put_text(json, "module", function->module);
	if (function->file[0] != '\0') {
		put_text(json, "file", function->file);
		json_put_number(json, "line", function->line);
	}
	json_put_number(json, "calls", row->calls.total);
	line_literal(&json->out, ",\"rate\":");
	put_rate(&json->out, report_rate(report, row->calls.recent));
	if (row->has_times) {
		json_put_number(json, "own_ns", row->own_ns);
		json_put_number(json, "cum_ns", row->cum_ns);
	}
	line_char(&json->out, '}');
}

static void
put_loss(struct json *json, const struct report *report, const struct loss_row *row)
{
	escape_json(&json->out, (const uint8_t *)lost_reason_name(row->reason),
		    strlen(lost_reason_name(row->reason)));
	json_put_number(json, "total", row->n.total);
	line_literal(&json->out, ",\"rate\":");
	put_rate(&json->out, report_rate(report, row->n.recent));
	line_char(&json->out, '}');
}

static void
put_target(struct json *json, const struct report *report, const struct target_row *row)
{
	escape_json(&json->out, (const uint8_t *)row->text, strlen(row->text));
	put_text(json, "kind", target_is_name(row->is));
	json_put_number(json, "total", row->total);
	json_put_number(json, "error", row->error);
	line_literal(&json->out, ",\"rate\":");
	put_rate(&json->out, report_rate(report, row->recent));
	line_char(&json->out, '}');
}

static void
put_tail(struct json *json, const struct report *report, const struct tail_row *row)
{
	(void)report;
	escape_json(&json->out, (const uint8_t *)row->line, strlen(row->line));
	line_char(&json->out, '}');
}

static void
put_header(struct json *json, const struct report *report)
{
	const struct header_figures *header = &report->header;
	line_literal(&json->out, ",\"interval\":");
	put_rate(&json->out, (double)fleet_interval_ns(report->fleet) / 1e9);
	json_put_number(json, "alive", header->n_alive);
	json_put_number(json, "ended", header->n_ended);
	put_figure(json, report, "sum_events", header->events, 1);
	put_figure(json, report, "sum_calls", header->calls, 1);
	put_figure(json, report, "sum_call_events", header->call_events, 1);
	put_figure(json, report, "sum_recorded", header->recorded, 1);
	put_figure(json, report, "sum_lost", header->lost, 1);
	put_figure(json, report, "sum_no_reader", header->unread, 1);
	put_figure(json, report, "sum_bytes", header->slots, SLOT_BYTES);
}

/* 1 only when nothing was missed. */
static void
put_share(struct json *json, const struct records *records)
{
	json_put_number(json, "records_seen", records->share.seen);
	line_literal(&json->out, ",\"share_seen\":");
	line_double(&json->out, floor(records_share(records) * 10000) / 10000);
}

#define PUT_LIST(member, first, put) \
	do { \
		begin_list(json, #member); \
		for (size_t i = 0; i < report->n_##member && (most == 0 || i < most); i++) { \
			begin_object(json, i, first); \
			put(json, report, &report->member[i]); \
		} \
		line_char(&json->out, ']'); \
	} while (0)

int
print_json(struct json *json, const struct report *report, uint64_t most, unsigned parts)
{
	size_t begin = json_begin(json, NULL, "top", report->fleet->realtime_ns);
	put_header(json, report);
	if ((parts & REPORT_PROCESSES) != 0)
		PUT_LIST(processes, "key", put_process);
	if ((parts & REPORT_EVENTS) != 0)
		PUT_LIST(events, "event", put_event);
	if ((parts & REPORT_FUNCTIONS) != 0)
		PUT_LIST(functions, "func", put_function);
	if ((parts & REPORT_LOSSES) != 0)
		PUT_LIST(losses, "reason", put_loss);
	if ((parts & REPORT_RECORDS) != 0) {
		json_put_number(json, "read", report->fleet->records.n_read);
		json_put_number(json, "read_by_others", report->fleet->records.n_others);
		put_share(json, &report->fleet->records);
	}
	if ((parts & REPORT_TARGETS) != 0)
		PUT_LIST(targets, "target", put_target);
	if ((parts & REPORT_TAIL) != 0)
		PUT_LIST(tail, "line", put_tail);
	return json_end(json, begin);
}
