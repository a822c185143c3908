/* SPDX-License-Identifier: MIT */
/*
 * `auditd-collect list`: every segment that we may look at, and whose it is. Nothing is
 * touched: see peek.h and locks.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "exit_status.h"
#include "identity.h"
#include "listing.h"
#include "locks.h"
#include "log.h"
#include "places.h"
#include "privileges.h"
#include "verb.h"

static const struct verb verb = {
	.name = "list",
	.help = "usage: auditd-collect list [--format json|text]\n"
		"\n"
		"Show the traced processes, and what killed ones have left (dead).\n"
		"\n"
		"      --format FORMAT   json or text (default: text on a terminal, else json)\n"
		"  -h, --help            print this\n"
		"\n"
		"Exit status: 0 done, 1 failure, 2 usage.\n",
};

struct list {
	struct listed *rows;
	size_t n, room;
	size_t n_foreign;       /* not ours to look at */
	size_t n_refused;
	char first_refused[200];
	bool failed;            /* no memory */
};

static void
list_fini(struct list *list)
{
	for (size_t i = 0; i < list->n; i++)
		identity_fini(&list->rows[i].identity);
	free(list->rows);
}

static struct listed *
new_row(struct list *list)
{
	if (list->n == list->room) {
		size_t room = list->room > 0 ? 2 * list->room : 16;
		struct listed *rows = realloc(list->rows, room * sizeof *rows);
		if (rows == NULL) {
			list->failed = true;
			return NULL;
		}
		list->rows = rows;
		list->room = room;
	}
	return &list->rows[list->n++];
}

/* Opened and identified. */
static void
add(struct list *list, struct segment_found *found)
{
	struct listed *row = new_row(list);
	if (row == NULL)
		return;
	memset(row, 0, sizeof *row);
	memcpy(row->name, found->name, sizeof row->name);
	row->name_pid = found->name_pid;
	row->nonce = found->nonce;
	row->dev = found->dev;
	row->ino = found->ino;
	row->err = peek_segment(found, &row->peek, row->why, sizeof row->why);
	row->identity = found->identity;
	memset(&found->identity, 0, sizeof found->identity);
}

static void
look_at(void *context, struct place *place, const char *name)
{
	struct list *list = context;
	struct segment_header header;
	struct segment_found found;
	char why[200] = "";
	int err = discover_open(place, name, &found, why, sizeof why);
	if (err == 0) {
		discover_header(&found, &header); /* where and when its process began, if it is there yet */
		err = discover_identify(&found, why, sizeof why);
		if (err == 0)
			add(list, &found);
		discover_fini(&found);
	}
	if (err == -EACCES) {
		list->n_foreign++;
	} else if (err != 0 && err != -ENOENT && list->n_refused++ == 0) {
		if (why[0] == '\0')
			snprintf(why, sizeof why, "%s", strerror(err < 0 ? -err : EINVAL));
		memcpy(list->first_refused, why, sizeof why);
	}
}

static void
note_reader(void *context, uint32_t pid, dev_t dev, ino_t ino)
{
	struct list *list = context;
	for (size_t i = 0; i < list->n; i++)
		if (list->rows[i].dev == dev && list->rows[i].ino == ino)
			list->rows[i].reader = pid;
}

/* Those that run first, by pid. */
static int
in_order(const void *a, const void *b)
{
	const struct listed *left = a, *right = b;
	uint32_t left_pid = listed_pid(left), right_pid = listed_pid(right);
	if (left->identity.alive != right->identity.alive)
		return left->identity.alive ? -1 : 1;
	if (left_pid != right_pid)
		return left_pid < right_pid ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* 0 or -errno; a failure was said. */
static int
find(struct list *list)
{
	struct places places;
	int err = places_init(&places, "/dev/shm");
	if (err < 0) {
		log_error("list: /dev/shm: %s", strerror(-err));
	} else {
		places_scan(&places, NULL, NULL);
		for (size_t i = 0; i < places.n; i++)
			places_list(places.items[i], look_at, list);
		if (list->failed) {
			log_error("list: out of memory");
			err = -ENOMEM;
		}
	}
	places_fini(&places);
	if (list->n == 0 || err < 0)
		return err;
	int unknown = locks_each(note_reader, list);
	if (unknown < 0)
		log_note("list: who reads is not known: /proc/locks: %s", strerror(-unknown));
	qsort(list->rows, list->n, sizeof list->rows[0], in_order);
	return 0;
}

static void
put_json(const struct list *list, uint64_t now_ns, struct line *out)
{
	struct json json;
	int err = 0;
	json_init(&json, true);
	for (size_t i = 0; i < list->n && err == 0; i++)
		err = listing_json(&json, now_ns, &list->rows[i]);
	if (err < 0)
		out->failed = true;
	else if (json.out.len > 0)
		line_bytes(out, json.out.text, json.out.len);
	json_fini(&json);
}

static void
put_text(const struct list *list, uint64_t now_ns, struct line *out)
{
	struct table table = {0};
	if (list->n == 0)
		return;
	listing_titles(&table);
	for (size_t i = 0; i < list->n; i++)
		listing_row(&table, now_ns, &list->rows[i]);
	table_print(&table, out);
	table_fini(&table);
}

/* What a reader of the list does not see there. */
static void
say_rest(const struct list *list)
{
	if (list->n_foreign > 0)
		log_note("list: %zu segment%s of other users not shown: run as root",
			 list->n_foreign, list->n_foreign == 1 ? "" : "s");
	else if (list->n == 0)
		log_note("list: nothing is traced; to start something traced: "
			 "auditd-collect -- python3 app.py");
	if (list->n_refused > 0)
		log_note("list: %zu object%s not shown, no segment to trust: %s", list->n_refused,
			 list->n_refused == 1 ? "" : "s", list->first_refused);
}

int
verb_list(int argc, char **argv)
{
	struct verb_options options;
	struct list list = {0};
	struct line out = {0};
	int status;
	if (!verb_parse(&verb, argc, argv, &options, &status))
		return status;
	/*
	 * The names of users come from libraries whose system calls nobody knows: no limit there.
	 */
	privileges_drop(PRIVILEGES_LOOK);
	status = EXIT_FAILED;
	if (find(&list) == 0) {
		uint64_t now_ns = clock_ns(CLOCK_REALTIME);
		if (options.format == FORMAT_JSON)
			put_json(&list, now_ns, &out);
		else
			put_text(&list, now_ns, &out);
		status = verb_print(&verb, &out);
		say_rest(&list);
	}
	list_fini(&list);
	line_fini(&out);
	return status;
}
