/* SPDX-License-Identifier: MIT */
/* Lines about a process and the account of its tracing. */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>

#include "escape.h"
#include "json_lines.h"
#include "python_version.h"

void
json_put_number(struct json *json, const char *name, uint64_t n)
{
	line_literal(&json->out, ",\"");
	line_string(&json->out, name);
	line_literal(&json->out, "\":");
	encode_count(&json->out, n);
}

/* NULL: not known, left out. */
static void
put_string(struct json *json, const char *name, const char *text, unsigned flags)
{
	struct where where = {.name = name, .name_len = strlen(name)};
	if (text == NULL)
		return;
	line_literal(&json->out, ",\"");
	line_string(&json->out, name);
	line_literal(&json->out, "\":");
	encode_text(&json->encoder, &json->out, (const uint8_t *)text, strlen(text), flags,
		    &where);
}

void
json_put_string(struct json *json, const char *name, const char *text)
{
	put_string(json, name, text, 0);
}

static void
put_pid(struct json *json, const struct json_source *source)
{
	line_bytes(&json->out, source->pid.text, source->pid.len);
}

void
json_put_identity(struct json *json, const struct identity *identity)
{
	static const struct where where = {.name = "argv", .name_len = 4};
	/* Of one that is gone, `pid` is this already: out here, nobody knows. */
	if (identity->alive && identity->ns_pid != identity->pid)
		json_put_number(json, "ns_pid", identity->ns_pid);
	json_put_number(json, "ppid", identity->ppid);
	json_put_number(json, "uid", identity->uid);
	put_string(json, "exe", identity->exe, ENCODE_RAW);
	if (identity->argv != NULL) {
		line_literal(&json->out, ",\"argv\":");
		encode_argv(&json->encoder, &json->out, identity->argv, &where);
	}
	put_string(json, "cwd", identity->cwd, ENCODE_RAW);
}

int
json_start(struct json *json, const struct json_source *source, uint64_t time_ns,
	   const struct identity *identity, const struct segment_header *header,
	   const char *parent)
{
	char python[PYTHON_VERSION_BYTES];
	size_t begin = json_begin(json, source, "process", time_ns);
	python_version(python, header->python_hex);
	json_put_string(json, "action", "start");
	put_pid(json, source);
	json_put_identity(json, identity);
	json_put_string(json, "python", python);
	json_put_string(json, "coverage", coverage_name(header->coverage));
	json_put_string(json, "parent", parent);
	return json_end(json, begin);
}

int
json_start_untraced(struct json *json, uint64_t time_ns, const struct identity *identity)
{
	size_t begin = json_begin(json, NULL, "process", time_ns);
	json_put_string(json, "action", "start");
	json_put_number(json, "pid", identity->pid);
	json_put_identity(json, identity);
	json_put_string(json, "coverage", coverage_name(COVERAGE_NONE));
	return json_end(json, begin);
}

int
json_exit(struct json *json, const struct json_source *source, uint64_t time_ns, const char *how,
	  int status, const struct account *account)
{
	size_t begin = json_begin(json, source, "process", time_ns);
	json_put_string(json, "action", "exit");
	put_pid(json, source);
	json_put_string(json, "exit", how);
	if (status != -1 && WIFEXITED(status))
		json_put_number(json, "status", (uint64_t)WEXITSTATUS(status));
	else if (status != -1 && WIFSIGNALED(status))
		json_put_number(json, "signal", (uint64_t)WTERMSIG(status));
	json_put_number(json, "attempted", account->attempted);
	json_put_number(json, "lost_hook", account->lost_hook);
	json_put_number(json, "lost_collector", account->lost_collector);
	return json_end(json, begin);
}

static void
put_loss(struct json *json, const char **comma, const char *reason, uint64_t n)
{
	if (n == 0)
		return;
	line_string(&json->out, *comma);
	line_string(&json->out, reason);
	line_literal(&json->out, "\":");
	encode_count(&json->out, n);
	*comma = ",\"";
}

/* By reason; those that have no name share one, for no name may stand there twice. */
static void
put_losses(struct json *json, const struct account *account)
{
	const char *comma = "\"", *no_name = lost_reason_name(N_LOST_REASONS);
	uint64_t others = 0;
	line_literal(&json->out, ",\"lost\":{");
	for (unsigned i = 0; i < N_LOST_REASONS; i++) {
		if (strcmp(lost_reason_name(i), no_name) == 0)
			others += account->lost[i];
		else
			put_loss(json, &comma, lost_reason_name(i), account->lost[i]);
	}
	put_loss(json, &comma, no_name, others);
	line_char(&json->out, '}');
}

int
json_stats(struct json *json, const struct json_source *source, uint64_t time_ns,
	   const struct account *account)
{
	size_t begin = json_begin(json, source, "stats", time_ns);
	put_pid(json, source);
	json_put_number(json, "attempted", account->attempted);
	json_put_number(json, "counted", account->counted);
	json_put_number(json, "recorded", account->recorded);
	json_put_number(json, "lost_hook", account->lost_hook);
	json_put_number(json, "emitted", account->emitted);
	json_put_number(json, "filtered", account->filtered);
	json_put_number(json, "lost_collector", account->lost_collector);
	put_losses(json, account);
	json_put_number(json, "high_water_slots", account->high_water_slots);
	json_put_number(json, "ring_slots", account->ring_slots);
	return json_end(json, begin);
}

void
json_counts_begin(struct json *json, const struct json_source *source, uint64_t time_ns)
{
	json->counts_begin = json_begin(json, source, "counts", time_ns);
	json->counts_any = false;
	put_pid(json, source);
	line_literal(&json->out, ",\"events\":{");
}

void
json_count(void *context, const char *event, enum level level, uint64_t n)
{
	struct json *json = context;
	(void)level;
	if (json->counts_any)
		line_char(&json->out, ',');
	json->counts_any = true;
	if (escape_json(&json->out, (const uint8_t *)event, strlen(event))) {
		struct where events = {.name = "events", .name_len = 6};
		struct where where = {.up = &events, .name = event, .name_len = strlen(event)};
		encode_note(&json->encoder, &where, ENCODE_PERCENT);
	}
	line_char(&json->out, ':');
	encode_count(&json->out, n);
}

int
json_counts_end(struct json *json)
{
	if (!json->counts_any) {
		line_cut(&json->out, json->counts_begin);
		return 0;
	}
	line_char(&json->out, '}');
	return json_end(json, json->counts_begin);
}

int
json_notice(struct json *json, const struct json_source *source, uint64_t time_ns,
	    const char *what, const char *detail)
{
	size_t begin = json_begin(json, source, "notice", time_ns);
	if (source != NULL)
		put_pid(json, source);
	json_put_string(json, "what", what);
	json_put_string(json, "detail", detail);
	return json_end(json, begin);
}
