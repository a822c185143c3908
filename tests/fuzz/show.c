/* SPDX-License-Identifier: MIT */
#include <jansson.h>

#include "defs.h"
#include "filter.h"
#include "fuzz.h"
#include "json.h"
#include "symbols.h"
#include "text.h"

/* ---- lines ---- */

/* Length of the UTF-8 sequence at `at`; 0: there is none. */
static size_t
sequence(const uint8_t *at, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	uint32_t code = n < 2 ? at[0] : at[0] & (0x7fu >> n);
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (n > 1 && (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
		return 0;
	/* C0, DEL, C1: what a terminal obeys. */
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : n;
}

void
show_check(const char *text, size_t n, bool json)
{
	json_error_t error;
	NEED(n > 0 && text[n - 1] == '\n');
	for (size_t i = 0, step; i < n - 1; i += step) {
		/* JSON escapes what it must; the rest is for a program and not for a terminal. */
		step = json && (uint8_t)text[i] == 0x7f ? 1
							: sequence((const uint8_t *)text + i, n - 1 - i);
		NEED(step > 0);
	}
	if (!json)
		return;
	json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	if (line == NULL)
		fprintf(stderr, "%s\n%.*s", error.text, (int)n, text);
	NEED(line != NULL && json_is_object(line));
	json_decref(line);
}

/* ---- events ---- */

static struct json json, plain_json;
static struct text text;
static struct json_source source;
static struct filter *filter;

static void
begin(void)
{
	static const char *const globs[] = {"/etc/*", "*.key", "/tmp/[a-f]?x", "plain/path"};
	static const char *const addrs[] = {"[::1]:80", "10.0.0.1", ":443", "*.example.com"};
	char why[400];
	json_init(&json, true);
	json_init(&plain_json, false);
	text_init(&text, true);
	filter = filter_new();
	NEED(filter != NULL && json_source_init(&source, "host:1:2:3", 1, 0x030b0000) == 0);
	for (size_t i = 0; i < 4; i++) {
		NEED(filter_add_path(filter, globs[i], why, sizeof why) == 0);
		NEED(filter_add_addr(filter, addrs[i], why, sizeof why) == 0);
	}
}

static void
check_and_empty(struct line *line, bool is_json)
{
	show_check(line->text, line->len, is_json);
	line_cut(line, 0);
}

static unsigned n_shown;

void
show_begin(void)
{
	if (filter == NULL)
		begin();
	n_shown = 0;
}

void
show_event(const struct event *event)
{
	filter_match(filter, event, "/srv/app");
	if (n_shown++ >= SHOW_WHOLE) {
		NEED(json_event(&json, &source, event) == 0);
		line_cut(&json.out, 0);
		return;
	}
	filter_match(filter, event, NULL);
	NEED(json_event(&json, &source, event) == 0);
	check_and_empty(&json.out, true);
	NEED(json_event(&plain_json, &source, event) == 0);
	check_and_empty(&plain_json.out, true);
	NEED(text_event(&text, 1, event) == 0);
	check_and_empty(&text.out, false);
}

/* ---- definitions ---- */

static _Alignas(8) uint8_t region[4096];

static void
define(uint32_t id, enum def_kind kind, const void *bytes, size_t n)
{
	uint64_t used;
	struct def def = {id, (uint16_t)kind, (uint16_t)n};
	memcpy(&used, region, sizeof used);
	uint8_t *at = region + DEFS_HEAD_BYTES + used;
	NEED(used + def_bytes(n) <= sizeof region - DEFS_HEAD_BYTES);
	memcpy(at, &def, sizeof def);
	memcpy(at + sizeof def, bytes, n);
	used += def_bytes(n);
	memcpy(region, &used, sizeof used);
}

struct symbols *
show_symbols(void)
{
	static struct symbols *symbols;
	static const char *const events[] = {
		"open", "socket.connect", "subprocess.Popen", "os.rename", "app.own",
		"urllib.Request", "import", "os.putenv", "exec", "\x1b[31m\xff"};
	static const char code[] = "\x07\0\0\0app\0/srv/app/main.py\0Class.method";
	static const char cfunc[] = "\0\0\0\0builtins\0\0str.join";
	static const uint32_t site[] = {32, 12};
	if (symbols != NULL)
		return symbols;
	for (uint32_t i = 0; i < sizeof events / sizeof events[0]; i++)
		define(i + 1, DEF_EVENT, events[i], strlen(events[i]));
	define(32, DEF_CODE, code, sizeof code);
	define(33, DEF_CFUNC, cfunc, sizeof cfunc);
	define(34, DEF_SITE, site, sizeof site);
	symbols = symbols_new(region, sizeof region, 4096);
	NEED(symbols != NULL && symbols_refresh(symbols));
	return symbols;
}
