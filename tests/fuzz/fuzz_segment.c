/* SPDX-License-Identifier: MIT */
/*
 * Attach to these bytes: an object that is written by the input while it is read. The input is a
 * byte of flags (1: what is held is wanted; 2: a top looks on), then steps: a byte, and what it
 * takes. A region is where the header at that moment says that it is.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "json.h"
#include "onlooker.h"
#include "tracee.h"
#include "watched.h"

#define PID 4321
#define NONCE 0xabcdu
#define MOST_BYTES (UINT64_C(1) << 36)
#define STEPS 128

enum step {
	STEP_WRITE,   /* u8 region, u16 at, u8 n: n words of 8 bytes, from word `at` of it on */
	STEP_ROUND,   /* one round of the collector; the first attaches */
	STEP_SIZE,    /* u32 pages */
	STEP_AGAIN,   /* the collector goes, another comes */
	STEP_TICK,
	STEP_ACCOUNT,
	N_STEPS,
};

static int object;
static bool backlog, looks_on;
static struct tracee *tracee;
static struct watched *watched;
static struct onlooker *onlooker;
static struct json json;
static struct json_source source;

/* ---- the object ---- */

static struct segment_header
read_header(void)
{
	struct segment_header header;
	memset(&header, 0, sizeof header);
	if (pread(object, &header, sizeof header, 0) < 0)
		memset(&header, 0, sizeof header);
	return header;
}

static uint64_t
region(const struct segment_layout *at, unsigned which)
{
	switch (which % 11) {
	case 1: return at->control;
	case 2: return at->levels;
	case 3: return at->defs;
	case 4: return at->lanes;
	case 5: return at->lanes + at->counters;
	case 6: return at->lanes + at->slots;
	case 7: return segment_lane_offset(at, 1);
	case 8: return segment_lane_offset(at, 1) + at->slots;
	case 9: return at->call_tables;
	case 10: return at->total_bytes;
	default: return 0;
	}
}

static void
put(struct input *input)
{
	struct segment_header header = read_header();
	struct segment_layout at = segment_layout(&header);
	uint64_t offset = region(&at, (unsigned)input_number(input, 1));
	offset += 8 * input_number(input, 2);
	size_t n = 8 * input_number(input, 1);
	const uint8_t *bytes = input_take(input, &n);
	if (offset < MOST_BYTES && pwrite(object, bytes, n, (off_t)offset) < 0)
		return; /* a size that no file has */
}

/* ---- the collector ---- */

static void
take(void *context, struct tracee *from, const struct event *event)
{
	(void)context;
	show_event(event);
	if (event->type == EVENT_AUDIT || event->type == EVENT_CALL || event->type == EVENT_RETURN)
		tracee_emitted(from, 1);
}

static void
take_function(void *context, const struct function *function, const struct function_sums *sums)
{
	(void)context;
	NEED(json_function(&json, &source, 1, function, sums) == 0);
	show_check(json.out.text, json.out.len, true);
	line_cut(&json.out, 0);
}

static void
take_count(void *context, const char *event, enum level level, uint64_t n)
{
	(void)context;
	json_count(&json, event, level, n);
}

static void
account(void)
{
	struct account sums;
	tracee_account(tracee, &sums);
	tracee_functions(tracee, FUNCTIONS_CHANGED, take_function, NULL);
	tracee_functions_seen(tracee, take_function, NULL);
	json_counts_begin(&json, &source, 1);
	tracee_counts(tracee, take_count, NULL);
	NEED(json_counts_end(&json) == 0);
	NEED(json_stats(&json, &source, 1, &sums) == 0);
	for (size_t from = 0, n; from < json.out.len; from += n) {
		n = (size_t)((char *)memchr(json.out.text + from, '\n', json.out.len - from) -
			     (json.out.text + from)) + 1;
		show_check(json.out.text + from, n, true);
	}
	line_cut(&json.out, 0);
	tracee_calls(tracee);
	tracee_traces_calls(tracee);
}

static void
announce(void)
{
	NEED(json_start(&json, &source, 1, tracee_identity(tracee), tracee_header(tracee),
			tracee_parent(tracee)) == 0);
	show_check(json.out.text, json.out.len, true);
	line_cut(&json.out, 0);
}

static bool
attach(void)
{
	char name[SEGMENT_NAME_BYTES], why[200] = "";
	struct identity identity = {.ns_pid = PID};
	struct call_settings calls = {.level = CALL_LEVEL_STATS};
	struct settings settings = {.events = backlog ? "" : "all", .stack = backlog ? -1 : 3,
				    .calls = backlog ? NULL : &calls};
	segment_name(name, 0, PID, NONCE);
	int fd = dup(object);
	int err = tracee_open(&tracee, fd, name, &identity, &settings, why, sizeof why);
	if (err != 0) {
		NEED(why[0] != '\0');
		close(fd);
		tracee = NULL;
		return false;
	}
	announce();
	tracee_backlog(tracee, backlog);
	return true;
}

/* ---- beside it ---- */

static void
see(void *context, const struct event *event)
{
	NEED(context == &looks_on && event->type == EVENT_AUDIT);
	show_event(event);
}

static void
leave_looker(void)
{
	onlooker_close(onlooker);
	if (watched != NULL)
		watched_close(watched);
	onlooker = NULL;
	watched = NULL;
}

static void
look_on(void)
{
	char why[200];
	struct segment_found found = {.fd = dup(object), .maps = -1, .name_pid = PID, .nonce = NONCE};
	segment_name(found.name, 0, PID, NONCE);
	if (watched == NULL && watched_open(&watched, &found, NULL, why, sizeof why) != 0)
		watched = NULL;
	discover_fini(&found);
	if (watched == NULL || (onlooker == NULL && onlooker_open(&onlooker, watched) != 0))
		return;
	watched_look(watched, 1);
	if (!onlooker_look(onlooker, see, &looks_on, 200))
		leave_looker();
	else
		onlooker_share(onlooker);
}

/* False: given up. */
static bool
round_of_collector(void)
{
	if (looks_on)
		look_on();
	if (tracee == NULL && !attach())
		return true;
	tracee_note(tracee);
	int64_t n = tracee_drain(tracee, take, NULL, 200);
	if (n < 0) {
		NEED(n == -TRACEE_CONDEMNED && tracee_why(tracee)[0] != '\0');
		return false;
	}
	tracee_release(tracee);
	return true;
}

static void
detach(bool condemned)
{
	if (tracee == NULL)
		return;
	if (condemned)
		tracee_give_up(tracee, take, NULL);
	else
		tracee_finish(tracee, take, NULL);
	account();
	tracee_ended_cleanly(tracee);
	tracee_close(tracee);
	tracee = NULL;
}

static bool
step(struct input *input)
{
	uint64_t pages;
	switch ((enum step)(input_number(input, 1) % N_STEPS)) {
	case STEP_WRITE:
		put(input);
		break;
	case STEP_ROUND:
		return round_of_collector();
	case STEP_SIZE:
		pages = input_number(input, 4);
		return pages * SEGMENT_PAGE > MOST_BYTES ||
		       ftruncate(object, (off_t)(pages * SEGMENT_PAGE)) == 0;
	case STEP_AGAIN:
		if (tracee != NULL)
			tracee_close(tracee);
		tracee = NULL;
		break;
	case STEP_TICK:
		if (tracee != NULL)
			tracee_tick(tracee);
		break;
	case STEP_ACCOUNT:
		if (tracee != NULL)
			account();
		break;
	case N_STEPS:
		break;
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, bytes + n};
	show_begin();
	bool good = true;
	if (source.key.text == NULL) {
		json_init(&json, true);
		NEED(json_source_init(&source, "host:1:2:3", 1, 0x030b0000) == 0);
	}
	object = memfd_create("segment", MFD_CLOEXEC);
	NEED(object >= 0);
	unsigned flags = (unsigned)input_number(&input, 1);
	backlog = flags & 1;
	looks_on = flags & 2;
	for (unsigned i = 0; i < STEPS && good && input.at < input.end; i++)
		good = step(&input);
	if (good)
		good = round_of_collector();
	detach(!good);
	leave_looker();
	close(object);
	return 0;
}
