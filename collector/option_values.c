/* SPDX-License-Identifier: MIT */
#include "option_values.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "event_table.h"
#include "segment.h"

#define STACK_MAX 64 /* frames; the hook walks no further */

/* Digits only, all of `value`; false also when it is above `max`. */
static bool
number(const char *value, uint64_t max, uint64_t *n)
{
	char *end;
	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	*n = strtoull(value, &end, 10);
	return errno == 0 && *end == '\0' && *n <= max;
}

static int
append_string(struct string_list *list, const char *value)
{
	const char **items = realloc(list->items, (list->n + 1) * sizeof *items);
	if (items == NULL)
		return -ENOMEM;
	items[list->n++] = value;
	list->items = items;
	return 0;
}

/* Append to a comma-separated list in a buffer. */
static int
append_item(char *list, size_t list_bytes, const char *item)
{
	size_t have = strlen(list), more = strlen(item);
	if (have + (have > 0) + more + 1 > list_bytes)
		return -E2BIG;
	if (have > 0)
		list[have++] = ',';
	memcpy(list + have, item, more + 1);
	return 0;
}

int
option_pid(struct options *options, const char *value, char *why, size_t size)
{
	char one[24];
	for (const char *at = value;; at++) {
		size_t n = strcspn(at, ",");
		uint64_t pid = 0;
		snprintf(one, sizeof one, "%.*s", (int)(n < sizeof one ? n : sizeof one - 1), at);
		if (!number(one, INT32_MAX, &pid) || pid == 0) {
			snprintf(why, size, "--pid %s: '%s' is no process id", value, one);
			return -EINVAL;
		}
		uint32_t *pids = realloc(options->pids, (options->n_pids + 1) * sizeof *pids);
		if (pids == NULL)
			return -ENOMEM;
		pids[options->n_pids++] = (uint32_t)pid;
		options->pids = pids;
		at += n;
		if (*at == '\0')
			return 0;
	}
}

int
option_name(struct options *options, const char *value, char *why, size_t size)
{
	if (*value == '\0' || options->name != NULL) {
		snprintf(why, size, "--name takes one pattern, once");
		return -EINVAL;
	}
	options->name = value;
	return 0;
}

/* --post-mortem --all is understood, too. */
int
option_post_mortem(struct options *options, const char *value, char *why, size_t size)
{
	uint32_t uid, pid, nonce;
	uint64_t number_of;
	char name[SEGMENT_NAME_BYTES];
	const char *bare = value + strspn(value, "/");
	int n = snprintf(name, sizeof name, "/%s", bare);
	bool all = strcmp(value, "all") == 0 || strcmp(value, "--all") == 0;
	bool is_name = (size_t)n < sizeof name && segment_name_parse(name, &uid, &pid, &nonce) == 0;
	if (all || is_name || (number(value, INT32_MAX, &number_of) && number_of > 0))
		return append_string(&options->post_mortem, bare);
	snprintf(why, size, "--post-mortem %s: a process id, the name of a segment (see auditd-collect "
			    "list) or all", value);
	return -EINVAL;
}

int
option_events(struct options *options, const char *value, char *why, size_t size)
{
	struct level_rules rules;
	if (strncmp(value, "trace=", 6) == 0) /* as strace has it */
		value += 6;
	if (*value == '\0') {
		snprintf(why, size, "-e needs a list of events (see auditd-collect events)");
		return -EINVAL;
	}
	if (append_item(options->events, sizeof options->events, value) < 0) {
		snprintf(why, size, "the event list is longer than %zu bytes",
			 sizeof options->events - 1);
		return -EINVAL;
	}
	int n = snprintf(why, size, "-e %.200s: ", value);
	if (level_rules_parse(&rules, options->events, false, why + n, size - (size_t)n) < 0)
		return -EINVAL;
	return 0;
}

int
option_path(struct options *options, const char *value, char *why, size_t size)
{
	if (*value == '\0') {
		snprintf(why, size, "--path needs a pattern");
		return -EINVAL;
	}
	return append_string(&options->paths, value);
}

/* HOST, HOST:PORT, :PORT, [V6]:PORT; a bare IPv6 address has more than one colon. */
int
option_addr(struct options *options, const char *value, char *why, size_t size)
{
	const char *colon = strrchr(value, ':');
	uint64_t port = 0;
	bool bare_v6 = colon != NULL && strchr(value, ':') != colon && value[0] != '[';
	if (value[0] == '[')
		colon = strchr(value, ']') != NULL ? strchr(strchr(value, ']'), ':') : NULL;
	if (*value == '\0' || (value[0] == '[' && strchr(value, ']') == NULL) ||
	    (colon != NULL && !bare_v6 && !number(colon + 1, 65535, &port))) {
		snprintf(why, size, "--addr %s: write HOST, HOST:PORT or [IPV6]:PORT", value);
		return -EINVAL;
	}
	return append_string(&options->addrs, value);
}

int
option_stack(struct options *options, const char *value, char *why, size_t size)
{
	uint64_t n;
	if (!number(value, STACK_MAX, &n)) {
		snprintf(why, size, "--stack %s: a number of frames, 0 to %d", value, STACK_MAX);
		return -EINVAL;
	}
	options->stack = (int)n;
	return 0;
}

/* EVENT.ARG, where EVENT has dots of its own: the last one divides. */
int
option_reveal(struct options *options, const char *value, char *why, size_t size)
{
	char event[128];
	const char *dot = strrchr(value, '.');
	const struct event_info *info = NULL;
	if (dot != NULL && (size_t)(dot - value) < sizeof event) {
		snprintf(event, sizeof event, "%.*s", (int)(dot - value), value);
		info = event_info_find(event);
	}
	if (info == NULL) {
		snprintf(why, size, "--reveal %s: write EVENT.ARG, as auditd-collect events has them",
			 value);
		return -EINVAL;
	}
	bool found = false;
	for (unsigned i = 0; i < info->n_args; i++)
		found |= strcmp(info->args[i].name, dot + 1) == 0;
	if (!found) {
		snprintf(why, size, "--reveal %s: %s has no argument '%s'", value, event, dot + 1);
		return -EINVAL;
	}
	if (append_item(options->reveal, sizeof options->reveal, value) < 0) {
		snprintf(why, size, "--reveal: longer than %zu bytes together",
			 sizeof options->reveal - 1);
		return -EINVAL;
	}
	return 0;
}

int
option_output(struct options *options, const char *value, char *why, size_t size)
{
	if (*value == '\0' || strcmp(value, "|") == 0 || strcmp(value, "unix:") == 0) {
		snprintf(why, size, "-o needs -, a file, unix:PATH, fd:N or '|program'");
		return -EINVAL;
	}
	return append_string(&options->outputs, value);
}

int
option_format(struct options *options, const char *value, char *why, size_t size)
{
	if (options_parse_format(value, &options->format) == 0)
		return 0;
	snprintf(why, size, "--format %s: json or text", value);
	return -EINVAL;
}

/* Seconds, fractions allowed, above 0. */
static int
seconds(const char *option, const char *value, uint64_t *ns, char *why, size_t size)
{
	char *end;
	double s = strtod(value, &end);
	if (end == value || *end != '\0' || !isfinite(s) || s < 0.001 || s > 1e9) {
		snprintf(why, size, "--%s %s: a number of seconds", option, value);
		return -EINVAL;
	}
	*ns = (uint64_t)(s * 1e9);
	return 0;
}

int
option_stats_interval(struct options *options, const char *value, char *why, size_t size)
{
	return seconds("stats-interval", value, &options->stats_interval_ns, why, size);
}

int
option_duration(struct options *options, const char *value, char *why, size_t size)
{
	return seconds("duration", value, &options->duration_ns, why, size);
}

int
option_max_events(struct options *options, const char *value, char *why, size_t size)
{
	if (number(value, UINT64_MAX, &options->max_events) && options->max_events > 0)
		return 0;
	snprintf(why, size, "--max-events %s: a number above 0", value);
	return -EINVAL;
}

/* ---- calls ---- */

static int
append_rule(char *list, const char *option, const char *item, char *why, size_t size)
{
	if (*item == '\0') {
		snprintf(why, size, "--%s needs a list", option);
		return -EINVAL;
	}
	if (append_item(list, CALL_RULES_BYTES, item) < 0) {
		snprintf(why, size, "--%s: longer than %d bytes together", option,
			 CALL_RULES_BYTES - 1);
		return -EINVAL;
	}
	return 0;
}

int
option_calls(struct options *options, const char *value, char *why, size_t size)
{
	options->calls_wanted = true;
	return value != NULL ? append_rule(options->calls.match, "calls", value, why, size) : 0;
}

int
option_no_c_calls(struct options *options, const char *value, char *why, size_t size)
{
	(void)value, (void)why, (void)size;
	options->calls_option = "no-c-calls";
	options->calls.no_c = 1;
	return 0;
}

int
option_max_depth(struct options *options, const char *value, char *why, size_t size)
{
	uint64_t n;
	options->calls_option = "max-depth";
	if (!number(value, UINT32_MAX, &n) || n == 0) {
		snprintf(why, size, "--max-depth %s: a number above 0", value);
		return -EINVAL;
	}
	options->calls.max_depth = (uint32_t)n;
	return 0;
}

int
option_calls_file(struct options *options, const char *value, char *why, size_t size)
{
	options->calls_option = "calls-file";
	return append_rule(options->calls.files, "calls-file", value, why, size);
}

int
option_calls_backend(struct options *options, const char *value, char *why, size_t size)
{
	options->calls_option = "calls-backend";
	if (call_backend_parse(value, &options->calls.backend) == 0)
		return 0;
	snprintf(why, size, "--calls-backend %s: auto, profile, monitoring or eval", value);
	return -EINVAL;
}

/* Off is what leaving out --calls means. */
int
option_calls_level(struct options *options, const char *value, char *why, size_t size)
{
	uint32_t level = CALL_LEVEL_OFF;
	options->calls_option = "calls-level";
	if (call_level_parse(value, &level) == 0 && level != CALL_LEVEL_OFF) {
		options->calls.level = level;
		return 0;
	}
	snprintf(why, size, "--calls-level %s: record, stats or count", value);
	return -EINVAL;
}
