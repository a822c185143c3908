/* SPDX-License-Identifier: MIT */
/*
 * Audit lines a second of one core, written to /dev/null, beside the same content built as a
 * jansson object and dumped, line by line. Both sides run in turn, several times; the lowest
 * figure of each counts, in processor time of this thread. Before that, jansson reads our lines
 * and must find in them what it was given itself.
 *
 * usage: bench_json [ROUNDS]      (with one round it is short enough for callgrind)
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "value.h"

#define EVENTS 256          /* of each sort, all a little different */
#define ROUND_LINES 40000
#define WRITE_BYTES 65536   /* as the sinks do */
#define KEY "web1:1234:88123456:9f3c"
#define PID 1234
#define RATE_TARGET 3        /* million lines a second */
#define RATIO_TARGET 10
#define START_NS UINT64_C(1795359601123456789)

/* One event in both forms. */
struct sample {
	struct event event;
	uint8_t values[512];
	uint8_t *end;
	json_t *args;             /* as jansson holds it */
	const char *path, *host;  /* what the roles show at the top level; NULL: none */
	json_t *argv;
	int port;
};

enum { OPEN, CONNECT, POPEN, CUSTOM, SORTS, MIX = SORTS };
static const char *const titles[] = {
	"open, with caller", "socket.connect, with caller", "subprocess.Popen, with caller",
	"custom, two ints", "the mix: 12, 3, 1, 4 of 20 lines",
};
static const char mix[] = {OPEN, OPEN, CUSTOM, OPEN, CONNECT, OPEN, OPEN, OPEN, CUSTOM, OPEN,
			   POPEN, OPEN, OPEN, CONNECT, CUSTOM, OPEN, CONNECT, OPEN, CUSTOM, OPEN};
static struct sample samples[SORTS][EVENTS];

/* ---- what the events hold ---- */

static size_t budget = 1 << 20;
static struct prepared prepared[SORTS] = {[0 ... SORTS - 1] = {.budget = &budget}};
static struct prepared prepared_sites[16] = {[0 ... 15] = {.budget = &budget}};
static const struct site sites[] = {
	{"load", "/srv/app/service/settings.py", "service.settings", 32, &prepared_sites[0]},
	{"create_connection", "/usr/lib/python3.11/socket.py", "socket", 842, &prepared_sites[1]},
	{"Client.fetch", "/srv/app/service/client.py", "service.client", 207, &prepared_sites[2]},
	{"Popen._execute_child", "/usr/lib/python3.11/subprocess.py", "subprocess", 1835,
	 &prepared_sites[3]},
	{"Worker.convert", "/srv/app/service/worker.py", "service.worker", 118, &prepared_sites[4]},
	{"Path.open", "/usr/lib/python3.11/pathlib.py", "pathlib", 1044, &prepared_sites[5]},
};

static void
put(struct sample *s, const void *bytes, size_t n)
{
	memcpy(s->end, bytes, n);
	s->end += n;
}

static void
put_tag(struct sample *s, uint8_t tag)
{
	put(s, &tag, 1);
}

static void
put_str(struct sample *s, const char *text)
{
	uint8_t len = (uint8_t)strlen(text);
	put_tag(s, VALUE_STR8);
	put(s, &len, 1);
	put(s, text, len);
}

static void
put_int(struct sample *s, int32_t n)
{
	put_tag(s, VALUE_INT32);
	put(s, &n, sizeof n);
}

static void
put_head(struct sample *s, uint8_t tag, uint32_t n)
{
	uint64_t full = n;
	put_tag(s, tag);
	put(s, &n, sizeof n);
	put(s, &full, sizeof full);
}

static struct sample *
begin(unsigned sort, unsigned i, const char *name, unsigned n_args)
{
	struct sample *s = &samples[sort][i];
	s->end = s->values;
	s->args = json_object();
	s->event = (struct event){
		.type = EVENT_AUDIT,
		.lane = 0,
		.tid = 1234 + i % 3,
		.name = name,
		.info = event_info_find(name),
		.prepared = &prepared[sort],
		.n_args = n_args,
		.values = s->values,
	};
	return s;
}

static void
make_open(unsigned i)
{
	static const char *const folders[] = {"/etc", "/srv/app/data", "/var/lib/service/cache/v2",
					      "/usr/share/zoneinfo/Europe", "/tmp"};
	static const char *const names[] = {"config.json", "passwd", "part-%05u.parquet",
					    "session_%u.db", "index.html"};
	char path[128], name[64];
	struct sample *s = begin(OPEN, i, "open", 3);
	snprintf(name, sizeof name, names[i % 5], i);
	snprintf(path, sizeof path, "%s/%s", folders[i / 5 % 5], name);
	put_str(s, path);
	put_str(s, "r");
	put_int(s, 524288);
	s->path = strdup(path);
	s->event.at = &sites[5];
	s->event.caller = &sites[0];
	json_object_set_new(s->args, "path", json_string(path));
	json_object_set_new(s->args, "mode", json_string("r"));
	json_object_set_new(s->args, "flags", json_integer(524288));
}

static void
make_connect(unsigned i)
{
	char host[32];
	uint8_t len;
	struct sample *s = begin(CONNECT, i, "socket.connect", 2);
	snprintf(host, sizeof host, "10.%u.%u.%u", i % 7, i % 100, i % 251);
	len = (uint8_t)strlen("socket.socket");
	put_tag(s, VALUE_OBJECT);
	put(s, &len, 1);
	put(s, "socket.socket", len);
	put_head(s, VALUE_TUPLE, 2);
	put_str(s, host);
	put_int(s, (int)(8000 + i));
	s->host = strdup(host);
	s->port = (int)(8000 + i);
	s->event.at = &sites[1];
	s->event.caller = &sites[2];
	json_object_set_new(s->args, "self", json_pack("{s:s}", "_type", "socket.socket"));
	json_object_set_new(s->args, "address", json_pack("[s,i]", host, s->port));
}

static void
make_popen(unsigned i)
{
	static const char *const fixed[] = {"/usr/bin/convert", "-resize", "800x600", "-strip"};
	char from[64], to[64];
	struct sample *s = begin(POPEN, i, "subprocess.Popen", 4);
	snprintf(from, sizeof from, "/srv/app/data/in/%u.png", 1000 * i);
	snprintf(to, sizeof to, "/srv/app/data/out/%u.webp", 1000 * i);
	put_str(s, fixed[0]);
	put_head(s, VALUE_LIST, 6);
	s->argv = json_array();
	for (unsigned k = 0; k < 4; k++) {
		put_str(s, fixed[k]);
		json_array_append_new(s->argv, json_string(fixed[k]));
	}
	put_str(s, from);
	put_str(s, to);
	put_tag(s, VALUE_NONE);
	put_tag(s, VALUE_NONE);
	json_array_append_new(s->argv, json_string(from));
	json_array_append_new(s->argv, json_string(to));
	s->path = fixed[0];
	s->event.at = &sites[3];
	s->event.caller = &sites[4];
	json_object_set_new(s->args, "executable", json_string(fixed[0]));
	json_object_set(s->args, "args", s->argv);
	json_object_set_new(s->args, "cwd", json_null());
	json_object_set_new(s->args, "env", json_null());
}

static void
make_custom(unsigned i)
{
	struct sample *s = begin(CUSTOM, i, "service.request", 2);
	put_int(s, (int)i);
	put_int(s, (int)(i * 7919));
	s->event.at = &sites[2];
	json_object_set_new(s->args, "_0", json_integer(i));
	json_object_set_new(s->args, "_1", json_integer(i * 7919));
}

/* ---- the two sides ---- */

static struct json json;
static struct json_source source;
static int dev_null;

static void
discard(const char *text, size_t n)
{
	if (write(dev_null, text, n) != (ssize_t)n)
		abort();
}

static void
ours(const struct event *event)
{
	if (json_event(&json, &source, event) < 0)
		abort();
	if (json.out.len >= WRITE_BYTES) {
		discard(json.out.text, json.out.len);
		line_cut(&json.out, 0);
	}
}

/*
 * What an application would build: every value is made anew for this line. Only the digits of
 * the time are ours, which takes a cost from jansson's side.
 */
static json_t *
site_object(const struct site *site)
{
	json_t *object = json_object();
	json_object_set_new(object, "func", json_string(site->func));
	json_object_set_new(object, "file", json_string(site->file));
	json_object_set_new(object, "line", json_integer(site->line));
	return object;
}

static json_t *
build(const struct sample *s)
{
	static struct line_clock clock;
	static char time_room[128];
	struct line time = {.text = time_room, .room = sizeof time_room};
	const struct event *event = &s->event;
	line_time(&time, &clock, event->time_ns);
	json_t *line = json_object();
	json_object_set_new(line, "v", json_integer(1));
	json_object_set_new(line, "type", json_string("audit"));
	json_object_set_new(line, "time", json_stringn(time_room + 8, 30));
	json_object_set_new(line, "ts", json_real((double)(event->time_ns / 1000) / 1e6));
	json_object_set_new(line, "key", json_string(KEY));
	json_object_set_new(line, "lane", json_integer(event->lane));
	json_object_set_new(line, "seq", json_integer((json_int_t)event->seq));
	json_object_set_new(line, "pid", json_integer(PID));
	json_object_set_new(line, "tid", json_integer(event->tid));
	json_object_set_new(line, "event", json_string(event->name));
	json_object_set_new(line, "cat", json_string(event->info == NULL ? "custom" :
		category_name((enum category)event->info->category)));
	if (s->path != NULL)
		json_object_set_new(line, "path", json_string(s->path));
	if (s->host != NULL) {
		json_object_set_new(line, "host", json_string(s->host));
		json_object_set_new(line, "port", json_integer(s->port));
	}
	if (s->argv != NULL)
		json_object_set_new(line, "argv", json_deep_copy(s->argv));
	json_object_set_new(line, "args", json_deep_copy(s->args));
	json_object_set_new(line, "at", site_object(event->at));
	if (event->caller != NULL)
		json_object_set_new(line, "caller", site_object(event->caller));
	return line;
}

static char text[WRITE_BYTES + 4096];
static size_t text_len;

static void
jansson(const struct sample *s)
{
	json_t *line = build(s);
	text_len += json_dumpb(line, text + text_len, 4096, JSON_COMPACT | JSON_REAL_PRECISION(16));
	text[text_len++] = '\n';
	json_decref(line);
	if (text_len >= WRITE_BYTES) {
		discard(text, text_len);
		text_len = 0;
	}
}

/* ---- measuring ---- */

static struct sample *
next_sample(unsigned sort, unsigned i)
{
	struct sample *s = sort == MIX ? &samples[(int)mix[i % sizeof mix]][i % EVENTS]
				       : &samples[sort][i % EVENTS];
	s->event.time_ns = START_NS + (uint64_t)i * 21457;
	s->event.seq = 18234 + i;
	return s;
}

static double
round_ns(unsigned sort, bool of_jansson, unsigned n)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < n; i++) {
		struct sample *s = next_sample(sort, i);
		if (of_jansson)
			jansson(s);
		else
			ours(&s->event);
	}
	return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / n;
}

/* Jansson's reading of our line is what it was given. Returns the mean length of a line. */
static size_t
compare(unsigned sort)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < EVENTS; i++) {
		struct sample *s = next_sample(sort, i);
		json_error_t error;
		line_cut(&json.out, 0);
		if (json_event(&json, &source, &s->event) < 0)
			abort();
		bytes += json.out.len;
		json_t *read = json_loadb(json.out.text, json.out.len, JSON_REJECT_DUPLICATES, &error);
		json_t *built = build(s);
		if (read == NULL || !json_equal(read, built)) {
			fprintf(stderr, "bench_json: the sides differ:\n%.*s%s\n", (int)json.out.len,
				json.out.text, json_dumps(built, JSON_COMPACT));
			exit(1);
		}
		json_decref(read);
		json_decref(built);
	}
	line_cut(&json.out, 0);
	return bytes / EVENTS;
}

static const char *
verdict(double rate, double ratio)
{
	static char said[80];
	if (rate >= RATE_TARGET && ratio >= RATIO_TARGET)
		return "met";
	if (rate < RATE_TARGET)
		snprintf(said, sizeof said, "missed by %.2f M", RATE_TARGET - rate);
	else
		snprintf(said, sizeof said, "missed by %.1f x", RATIO_TARGET - ratio);
	return said;
}

static void
print_row(unsigned sort, unsigned rounds)
{
	double our_ns = 1e9, jansson_ns = 1e9;
	size_t bytes = compare(sort);
	for (unsigned i = 0; i < rounds; i++) {
		double ns = round_ns(sort, false, ROUND_LINES);
		our_ns = ns < our_ns ? ns : our_ns;
		ns = round_ns(sort, true, ROUND_LINES / 10);
		jansson_ns = ns < jansson_ns ? ns : jansson_ns;
	}
	double rate = 1e3 / our_ns, ratio = jansson_ns / our_ns;
	printf("%-34s %7zu %8.1f %8.0f %8.2f M %7.1f   >= %d M, %d x  %s\n", titles[sort], bytes,
	       our_ns, jansson_ns, rate, ratio, RATE_TARGET, RATIO_TARGET, verdict(rate, ratio));
}

int
main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 15;
	dev_null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	json_init(&json, true);
	if (dev_null < 0 || json_source_init(&source, KEY, PID, 0x030b0000) < 0)
		return 1;
	for (unsigned i = 0; i < EVENTS; i++) {
		make_open(i);
		make_connect(i);
		make_popen(i);
		make_custom(i);
	}
	for (unsigned sort = 0; sort < SORTS; sort++)
		for (unsigned i = 0; i < EVENTS; i++)
			samples[sort][i].event.values_end = samples[sort][i].end;
	printf("%-34s %7s %8s %8s %10s %7s   %s\n", "JSON lines, one core, to /dev/null", "bytes",
	       "ours ns", "jansson", "lines/s", "ratio", "target");
	for (unsigned sort = 0; sort <= MIX; sort++)
		print_row(sort, rounds);
	return 0;
}
