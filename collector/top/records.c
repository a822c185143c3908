/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calibrate.h"
#include "escape.h"
#include "roles.h"
#include "safe.h"
#include "tracee.h"

#define TICK_NS 1000000000u
#define RETRY_NS 3000000000u /* a collector that asked for the place has it by then */
#define SHARE 16384          /* events of one process at a time */
#define LOOK_SHARE 8192      /* the same where somebody else reads: nobody waits for us */
#define LINES_MOST 4000      /* made as text in an interval: they cost a microsecond each */

void
records_init(struct records *records)
{
	memset(records, 0, sizeof *records);
	text_init(&records->text, true);
}

void
records_fini(struct records *records)
{
	sketch_fini(&records->targets);
	sketch_fini(&records->chosen);
	text_fini(&records->text);
	for (size_t i = 0; i < RECORDS_TAIL; i++)
		free(records->tail[i].text);
	wishes_fini(&records->wishes);
	for (size_t i = 0; i < RECORDS_EVENTS; i++) {
		free(records->last[i].name);
		free(records->last[i].text);
	}
}

/* ---- targets ---- */

static bool
is_of_some(const struct selection *selection)
{
	return selection->key != NULL || selection->by_user;
}

void
records_choose(struct records *records, const struct selection *selection)
{
	const struct selection *choice = &records->choice;
	const char *key = selection->key != NULL ? selection->key : "";
	if (choice->by_user == selection->by_user && choice->uid == selection->uid &&
	    strcmp(records->choice_key, key) == 0)
		return;
	snprintf(records->choice_key, sizeof records->choice_key, "%s", key);
	records->choice = *selection;
	if (selection->key != NULL)
		records->choice.key = records->choice_key;
	sketch_reset(&records->chosen);
}

const struct sketch *
records_targets(const struct records *records)
{
	return is_of_some(&records->choice) ? &records->chosen : &records->targets;
}

static void
count_text(struct records *records, enum target_is is, const struct line *json)
{
	struct line safe = {0};
	safe_json(&safe, json->text, json->len);
	if (!safe.failed && safe.len > 0) {
		sketch_add(&records->targets, is, safe.text, safe.len);
		if (records->counts_chosen)
			sketch_add(&records->chosen, is, safe.text, safe.len);
	}
	line_fini(&safe);
}

static void
count_value(struct records *records, enum target_is is, const struct value *value)
{
	struct line json = {0};
	if (!value_is_text(value) || value->len == 0)
		return;
	escape_json_bare(&json, value->bytes, value->len);
	count_text(records, is, &json);
	line_fini(&json);
}

static void
count_address(struct records *records, const struct roles *roles)
{
	struct line json = {0};
	if (!value_is_text(&roles->host))
		return;
	escape_json_bare(&json, roles->host.bytes, roles->host.len);
	if (roles->has_port) {
		line_char(&json, ':');
		line_u64(&json, roles->port);
	}
	count_text(records, TARGET_IS_ADDRESS, &json);
	line_fini(&json);
}

/* Of a sequence. */
static bool
value_first(const struct value *sequence, struct value *first)
{
	if (!value_is_sequence(sequence) || sequence->len == 0)
		return false;
	value_read(sequence->bytes, first);
	return true;
}

/* The name of the program alone: command lines may hold secrets. */
static void
count_command(struct records *records, const struct roles *roles)
{
	struct value first;
	if (roles->argv.tag == 0)
		return;
	if (roles->argv_is_one) {
		const uint8_t *blank = memchr(roles->argv.bytes, ' ', roles->argv.len);
		first = roles->argv;
		if (blank != NULL)
			first.len = (uint32_t)(blank - roles->argv.bytes);
	} else if (!value_first(&roles->argv, &first)) {
		return;
	}
	count_value(records, TARGET_IS_COMMAND, &first);
}

static void
count_targets(struct records *records, const struct event *event, unsigned python_minor)
{
	struct roles roles;
	struct value module;
	if (strcmp(event->name, "import") == 0 && event->n_args > 0) {
		value_read(event->values, &module);
		if (value_is_text(&module))
			count_value(records, TARGET_IS_MODULE, &module);
		return;
	}
	roles_read(&roles, event, python_minor);
	count_value(records, TARGET_IS_PATH, &roles.path);
	count_value(records, TARGET_IS_PATH, &roles.path2);
	count_address(records, &roles);
	count_command(records, &roles);
}

/* ---- lines ---- */

static struct records_last *
last_of(struct records *records, const char *event)
{
	uint32_t hash = 2166136261u;
	for (const char *at = event; *at != '\0'; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	for (unsigned i = 0; i < 8; i++) {
		struct records_last *last = &records->last[(hash + i) % RECORDS_EVENTS];
		if (last->name == NULL || strcmp(last->name, event) == 0)
			return last;
	}
	return NULL;
}

const struct records_last *
records_last(const struct records *records, const char *event)
{
	const struct records_last *last = last_of((struct records *)(uintptr_t)records, event);
	return last != NULL && last->name != NULL ? last : NULL;
}

/* What stands behind the name of the event. */
static const char *
details_of(const char *line, const char *event)
{
	const char *at = strstr(line, event);
	if (at == NULL)
		return line;
	at += strlen(event);
	return at + strspn(at, " ");
}

static void
keep_line(struct records *records, const struct watched *watched, const struct event *event,
	  char *line)
{
	struct records_last *last = last_of(records, event->name);
	struct records_line *kept = &records->tail[records->tail_next];
	free(kept->text);
	kept->text = line;
	kept->uid = watched->found.identity.uid;
	memcpy(kept->key, watched->key, sizeof kept->key);
	records->tail_next = (records->tail_next + 1) % RECORDS_TAIL;
	if (last == NULL)
		return;
	if (last->name == NULL)
		last->name = strdup(event->name);
	free(last->text);
	last->text = strdup(details_of(line, event->name));
	last->time_ns = event->time_ns;
	last->uid = kept->uid;
	memcpy(last->key, kept->key, sizeof last->key);
}

const struct records_line *
records_line(const struct records *records, size_t i)
{
	size_t first = records->tail[records->tail_next].text != NULL ? records->tail_next : 0;
	const struct records_line *line = &records->tail[(first + i) % RECORDS_TAIL];
	return i < RECORDS_TAIL && line->text != NULL ? line : NULL;
}

struct reading_one {
	struct records *records;
	const struct watched *watched;
};

/* An onlooker_fn. */
static void
take_event(void *context, const struct event *event)
{
	const struct reading_one *one = context;
	struct records *records = one->records;
	struct line *out = &records->text.out;
	records->counts_chosen = is_of_some(&records->choice) &&
				 selection_has(&records->choice, one->watched->key,
					       one->watched->found.identity.uid);
	count_targets(records, event, one->watched->header.python_hex >> 16 & 0xff);
	if (records->n_lines >= LINES_MOST)
		return;
	records->n_lines++;
	line_cut(out, 0);
	if (text_event(&records->text, watched_pid(one->watched), event) == 0 && out->len > 0) {
		char *line = strndup(out->text, out->len - 1); /* without its newline */
		if (line != NULL)
			keep_line(records, one->watched, event, line);
	}
}

/* A tracee_event_fn. */
static void
read_event(void *context, struct tracee *tracee, const struct event *event)
{
	const struct reading_one *one = context;
	struct share *share = &one->records->share;
	const struct onlooker *onlooker = one->watched->onlooker;
	if (event->type == EVENT_LOST) {
		/* What the hook dropped was never a record. */
		if (!LOST_IS_HOOKS(event->lost_reason))
			share->all += event->lost_count;
		return;
	}
	if (event->lane == EVENT_NO_LANE)
		return;
	tracee_emitted(tracee, 1);
	if (onlooker != NULL && onlooker_is_past(onlooker, event->lane, event->seq))
		return;
	share->seen++;
	share->all++;
	if (event->type == EVENT_AUDIT)
		take_event(context, event);
}

/* ---- reading ---- */

/* A lock of our own: that of a descriptor that is only copied would be shared. */
static void
try_to_open(const struct records *records, struct watched *watched, uint64_t now_ns)
{
	static const struct settings none = {.stack = -1, .gives_way = true};
	struct identity identity = {
		.pid = watched->found.identity.pid,
		.alive = true,
		.clock_offset_ns = watched->found.identity.clock_offset_ns,
	};
	char path[40], why[200];
	watched->next_try_ns = now_ns + RETRY_NS;
	snprintf(path, sizeof path, "/proc/self/fd/%d", watched->found.fd);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (tracee_open(&watched->tracee, fd, watched->found.name, &identity, &none, why,
			sizeof why) != 0) {
		watched->tracee = NULL;
		close(fd);
		return;
	}
	tracee_backlog(watched->tracee, true);
	wishes_tell(&records->wishes, watched);
	tracee_give_way(watched->tracee);
}

/* False: its segment makes no sense. */
static bool
drain(struct records *records, struct watched *watched, uint64_t now_ns)
{
	struct reading_one one = {records, watched};
	if (now_ns - watched->ticked_ns >= TICK_NS) {
		tracee_tick(watched->tracee);
		watched->ticked_ns = now_ns;
	}
	tracee_note(watched->tracee);
	int64_t n = tracee_drain(watched->tracee, read_event, &one, SHARE);
	if (n >= 0)
		tracee_release(watched->tracee);
	return n >= 0;
}

static void
stop_looking_on(struct watched *watched)
{
	onlooker_close(watched->onlooker);
	watched->onlooker = NULL;
}

/* Somebody else reads it. */
static void
look_on(struct records *records, struct watched *watched, uint64_t now_ns)
{
	struct reading_one one = {records, watched};
	if (watched->onlooker == NULL && onlooker_open(&watched->onlooker, watched) != 0)
		return;
	if (now_ns - watched->ticked_ns >= TICK_NS) {
		calibrate_tick((enum clock_kind)watched->header.clock_kind);
		watched->ticked_ns = now_ns;
	}
	bool makes_sense = onlooker_look(watched->onlooker, take_event, &one, LOOK_SHARE);
	struct share share = onlooker_share(watched->onlooker);
	records->share.seen += share.seen;
	records->share.all += share.all;
	if (!makes_sense) {
		watched->damaged = true;
		stop_looking_on(watched);
	}
}

static void
give_way(struct watched *watched, uint64_t now_ns)
{
	tracee_close(watched->tracee);
	watched->tracee = NULL;
	watched->next_try_ns = now_ns + RETRY_NS;
	/* The new one begins where we ended. */
	stop_looking_on(watched);
}

void
records_read(struct records *records, struct watched *watched, uint64_t now_ns)
{
	bool runs = watched_runs(watched);
	if (watched->damaged)
		return;
	if (watched->tracee == NULL && now_ns >= watched->next_try_ns && runs)
		try_to_open(records, watched, now_ns);
	if (watched->tracee != NULL && tracee_is_asked(watched->tracee))
		give_way(watched, now_ns);
	if (watched->tracee == NULL) {
		records->n_others += runs;
		if (runs || watched->onlooker != NULL)
			look_on(records, watched, now_ns);
		if (!runs)
			stop_looking_on(watched);
		return;
	}
	records->n_read++;
	if (!drain(records, watched, now_ns)) {
		watched->damaged = true;
		tracee_close(watched->tracee);
		watched->tracee = NULL;
	} else if (!runs) {
		records_leave(records, watched);
	}
}

/* Its hook has done with it. That of a crash, or that is to be kept, is for who writes it down. */
static bool
is_left_to_its_reader(const struct tracee *tracee)
{
	const struct segment_header *header = tracee_header(tracee);
	return tracee_ended_cleanly(tracee) && header->mode != LANE_OVERWRITE &&
	       (header->flags & SEGMENT_KEEP) == 0;
}

void
records_leave(struct records *records, struct watched *watched)
{
	struct reading_one one = {records, watched};
	if (watched->tracee == NULL) {
		stop_looking_on(watched);
		return;
	}
	if (!watched_runs(watched)) {
		tracee_finish(watched->tracee, read_event, &one);
		if (watched->place != NULL && is_left_to_its_reader(watched->tracee))
			discover_unlink(watched->place, &watched->found);
	}
	tracee_close(watched->tracee);
	watched->tracee = NULL;
	stop_looking_on(watched);
}

double
records_share(const struct records *records)
{
	const struct share *share = &records->share;
	return share->seen < share->all ? (double)share->seen / (double)share->all : 1;
}

void
records_reset(struct records *records)
{
	sketch_reset(&records->targets);
	sketch_reset(&records->chosen);
	records->share = (struct share){0};
}

void
records_tick(struct records *records)
{
	sketch_tick(&records->targets);
	sketch_tick(&records->chosen);
	records->n_lines = 0;
}
