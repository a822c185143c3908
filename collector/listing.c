/* SPDX-License-Identifier: MIT */
#include "listing.h"

#include <errno.h>

#include "cells.h"
#include "json_lines.h"
#include "key.h"
#include "python_version.h"

/* Who the process is to us: a segment of one that runs, or what is left of it. */
static const char *
state_name(const struct listed *listed)
{
	if (!listed->identity.alive)
		return "dead";
	return listed->err == 0 && listed->peek.header.stopped != 0 ? "stopped" : "live";
}

uint32_t
listed_pid(const struct listed *listed)
{
	return listed->identity.alive ? listed->identity.pid : listed->name_pid;
}

/* ---- JSON ---- */

static const char *const mode_names[] = {
	[LANE_DROP] = "drop", [LANE_OVERWRITE] = "overwrite", [LANE_BLOCK] = "block",
};

/* What the segment says. */
static void
put_json_peek(struct json *json, const struct peek *peek)
{
	const struct segment_header *header = &peek->header;
	char python[PYTHON_VERSION_BYTES];
	python_version(python, header->python_hex);
	json_put_string(json, "python", python);
	json_put_string(json, "coverage", coverage_name(header->coverage));
	json_put_number(json, "started", header->start_realtime_ns / 1000000000u);
	line_char(&json->out, '.');
	line_digits(&json->out, header->start_realtime_ns / 1000 % 1000000, 6);
	json_put_string(json, "mode", mode_names[header->mode]);
	json_put_number(json, "ring_slots", header->lane0_slots);
	json_put_number(json, "lanes", peek->lanes);
	json_put_number(json, "attempted", peek->attempted);
	json_put_number(json, "counted", peek->counted);
	json_put_number(json, "recorded", peek->recorded);
	json_put_number(json, "lost_hook", peek->lost_hook);
}

int
listing_json(struct json *json, uint64_t now_ns, const struct listed *listed)
{
	struct json_source source = {0};
	char key[KEY_BYTES];
	bool known = listed->err == 0;
	if (known) {
		key_format(key, listed->name_pid, listed->peek.header.start_time, listed->nonce);
		if (json_source_init(&source, key, listed_pid(listed), 0) < 0)
			return -ENOMEM;
	}
	size_t begin = json_begin(json, known ? &source : NULL, "segment", now_ns);
	json_put_number(json, "pid", listed_pid(listed));
	json_put_string(json, "state", state_name(listed));
	json_put_identity(json, &listed->identity);
	json_put_string(json, "segment", listed->name);
	if (known)
		put_json_peek(json, &listed->peek);
	else
		json_put_string(json, "detail", listed->why);
	if (listed->reader != 0)
		json_put_number(json, "reader", listed->reader);
	json_source_fini(&source);
	return json_end(json, begin);
}

/* ---- text ---- */

static const struct {
	const char *title;
	bool right;
} columns[] = {
	{"PID", true},      {"USER", false},   {"PYTHON", false}, {"COVERAGE", false},
	{"STATE", false},   {"LANES", true},   {"ATTEMPTED", true}, {"RECORDED", true},
	{"LOST", true},     {"RING", true},    {"READER", true},  {"AGE", true},
	{"COMMAND", false},
};
#define N_COLUMNS (sizeof columns / sizeof columns[0])
_Static_assert(N_COLUMNS <= TABLE_COLUMNS, "they fit into a table");

void
listing_titles(struct table *table)
{
	table->n_columns = N_COLUMNS;
	for (unsigned i = 0; i < N_COLUMNS; i++) {
		table->right |= (uint32_t)columns[i].right << i;
		table_string(table, columns[i].title);
	}
}

static void
put_number(struct table *table, uint64_t n)
{
	line_u64(&table->text, n);
	table_cell(table);
}

/* PYTHON and COVERAGE; then, behind STATE, the numbers. */
static void
put_python(struct table *table, const struct listed *listed)
{
	char python[PYTHON_VERSION_BYTES] = "-";
	if (listed->err == 0)
		python_version(python, listed->peek.header.python_hex);
	table_string(table, python);
	table_string(table, listed->err == 0 ? coverage_name(listed->peek.header.coverage) : "-");
}

static void
put_numbers(struct table *table, const struct listed *listed)
{
	const struct peek *peek = &listed->peek;
	if (listed->err != 0) {
		for (int i = 0; i < 5; i++)
			table_string(table, "-");
		return;
	}
	put_number(table, peek->lanes);
	put_number(table, peek->attempted);
	put_number(table, peek->recorded);
	put_number(table, peek->lost_hook);
	put_size(&table->text, (uint64_t)peek->header.lane0_slots * SLOT_BYTES);
	table_cell(table);
}

void
listing_row(struct table *table, uint64_t now_ns, const struct listed *listed)
{
	put_number(table, listed_pid(listed));
	put_user(&table->text, listed->identity.uid);
	table_cell(table);
	put_python(table, listed);
	table_string(table, state_name(listed));
	put_numbers(table, listed);
	if (listed->reader != 0)
		put_number(table, listed->reader);
	else
		table_string(table, "-");
	if (listed->err == 0)
		put_age(&table->text, now_ns, listed->peek.header.start_realtime_ns);
	else
		line_char(&table->text, '-');
	table_cell(table);
	if (listed->identity.argv != NULL && listed->identity.argv[0] != NULL)
		put_command(&table->text, &listed->identity, true);
	else if (listed->err == 0)
		line_char(&table->text, '?');
	if (listed->err != 0) {
		line_string(&table->text, listed->identity.argv != NULL ? "  (" : "(");
		put_text(&table->text, listed->why);
		line_char(&table->text, ')');
	}
	table_cell(table);
}
