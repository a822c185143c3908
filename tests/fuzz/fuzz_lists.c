/* SPDX-License-Identifier: MIT */
/*
 * The lists that people write: of events, of functions and files of calls, patterns of paths and
 * addresses. A byte that says which, then two texts, NUL between them: the list, and what it is
 * applied to.
 */
#include <errno.h>

#include "call_rules.h"
#include "filter.h"
#include "fuzz.h"
#include "levels.h"
#include "value.h"

#define BYTES 8192

static char list[BYTES + 1], word[BYTES + 1], why[400];

static void
use_levels(bool lenient)
{
	static struct level_rules rules;
	int err = level_rules_parse(&rules, list, lenient, why, sizeof why);
	NEED(err == 0 || why[0] != '\0');
	NEED(rules.n_rules <= LEVELS_MAX_RULES);
	/* The same text without a place for the reason. */
	static struct level_rules again;
	NEED(level_rules_parse(&again, list, lenient, NULL, 0) == err);
	NEED(memcmp(&rules, &again, sizeof rules) == 0);
	enum level level = level_rules_apply(&rules, word);
	NEED(level >= LEVEL_OFF && level <= LEVEL_IMPORT);
	level_rules_apply(&rules, "open");
	for (unsigned i = 0; i < rules.n_rules; i++)
		level_rule_fits_any(&rules, i);
}

static void
use_calls(void)
{
	static struct call_rules rules;
	char *files = strchr(list, ';');
	if (files != NULL)
		*files++ = '\0';
	int err = call_rules_parse(&rules, list, files != NULL ? files : "", why, sizeof why);
	NEED(err == 0 || why[0] != '\0');
	NEED(rules.n_globs <= CALL_RULES_MAX && rules.n_paths <= CALL_RULES_MAX);
	call_rules_apply(&rules, "app.main", word, "/srv/app/main.py", false);
	call_rules_apply(&rules, word, "f", word, true);
}

/* An event that opens a file, or connects, of that name. */
static void
match(struct filter *filter, const char *event, size_t n)
{
	static uint8_t values[2 * BYTES];
	uint32_t len = (uint32_t)n, two = 2;
	uint64_t full = 2;
	uint8_t *at = values;
	*at++ = VALUE_TUPLE;
	memcpy(at, &two, 4);
	memcpy(at + 4, &full, 8);
	at += 12;
	*at++ = VALUE_STR;
	memcpy(at, &len, 4);
	memcpy(at + 4, word, n);
	at += 4 + n;
	*at++ = VALUE_INT8;
	*at++ = 80;
	struct event audit = {
		.type = EVENT_AUDIT,
		.name = event,
		.info = event_info_find(event),
		.n_args = 1,
		.n_args_full = 1,
		.values = event[0] == 'o' ? values + 13 : values,
		.values_end = at,
	};
	if (event[0] == 's') { /* socket.connect: the socket, then the address */
		static uint8_t both[2 * BYTES + 1];
		both[0] = VALUE_NONE;
		memcpy(both + 1, values, (size_t)(at - values));
		audit.n_args = audit.n_args_full = 2;
		audit.values = both;
		audit.values_end = both + 1 + (at - values);
		filter_match(filter, &audit, "/srv");
		return;
	}
	filter_match(filter, &audit, "/srv");
	filter_match(filter, &audit, NULL);
}

static void
use_filter(bool path, size_t n)
{
	struct filter *filter = filter_new();
	int err = path ? filter_add_path(filter, list, why, sizeof why)
		       : filter_add_addr(filter, list, why, sizeof why);
	NEED(err == 0 || why[0] != '\0');
	if (err == 0)
		match(filter, path ? "open" : "socket.connect", n);
	filter_free(filter);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, bytes + n};
	unsigned what = (unsigned)input_number(&input, 1) % 5;
	size_t left = BYTES, len, rest;
	const uint8_t *text = input_take(&input, &left);
	memcpy(list, text, left);
	list[left] = '\0';
	len = strlen(list);
	rest = len < left ? left - len - 1 : 0;
	memcpy(word, list + len + 1, rest);
	word[rest] = '\0';
	memset(why, 0, sizeof why);
	if (what < 2)
		use_levels(what == 1);
	else if (what == 2)
		use_calls();
	else
		use_filter(what == 3, rest);
	return 0;
}
