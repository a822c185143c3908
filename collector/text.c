/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <sys/wait.h>

#include "escape.h"
#include "roles.h"
#include "safe.h"
#include "template.h"

void
text_init(struct text *text, bool redact)
{
	memset(text, 0, sizeof *text);
	text->redact = redact;
}

void
text_fini(struct text *text)
{
	line_fini(&text->out);
	line_fini(&text->plain);
	encoder_fini(&text->encoder);
}

/* Where the columns end; a longer entry pushes the rest of its line. */
enum { TIME_END = 16, PID_END = 33, EVENT_END = 53 };

static void
pad_to(struct text *text, size_t begin, size_t column)
{
	do
		line_char(&text->out, ' ');
	while (text->out.len - begin < column && !text->out.failed);
}

static int
end(struct text *text, size_t begin)
{
	line_char(&text->out, '\n');
	if (!text->out.failed)
		return 0;
	line_cut(&text->out, begin);
	return -ENOMEM;
}

/* What the encoder wrote into text->plain; without its quotes, if it has any. */
static void
put_plain(struct text *text)
{
	const char *from = text->plain.text;
	size_t n = text->plain.len;
	if (n >= 2 && from[0] == '"') {
		from++;
		n -= 2;
	}
	safe_json(&text->out, from, n);
	text->out.failed |= text->plain.failed;
	line_cut(&text->plain, 0);
}

static const struct where nowhere = {.name = ""};

static void
put_string(struct text *text, const char *s)
{
	encode_text(&text->encoder, &text->plain, (const uint8_t *)s, strlen(s), 0, &nowhere);
	put_plain(text);
}

/* Is something missing since the notes of what is cut were so long? */
static void
put_if_cut(struct text *text, size_t notes)
{
	if (text->encoder.trunc.len > notes)
		line_literal(&text->out, "...");
}

static void
put_text_value(struct text *text, const struct value *value, unsigned flags)
{
	size_t notes = text->encoder.trunc.len;
	encode_text_value(&text->encoder, &text->plain, value, flags, &nowhere);
	put_plain(text);
	put_if_cut(text, notes);
}

/* `event`: whose thread and greenlet are said; NULL: of none. */
static size_t
put_begin(struct text *text, uint32_t pid, const struct event *event, uint64_t time_ns,
	  const char *name)
{
	size_t begin = text->out.len;
	encoder_begin(&text->encoder, text->redact);
	line_time_of_day(&text->out, &text->clock, time_ns);
	pad_to(text, begin, TIME_END);
	line_u64(&text->out, pid);
	if (event != NULL && event->tid != pid) {
		line_char(&text->out, '/');
		line_u64(&text->out, event->tid);
	}
	if (event != NULL && event->greenlet != 0) {
		line_char(&text->out, '#');
		line_u64(&text->out, event->greenlet);
	}
	pad_to(text, begin, PID_END);
	put_string(text, name);
	pad_to(text, begin, EVENT_END);
	return begin;
}

int
text_header(struct text *text)
{
	size_t begin = text->out.len;
	line_literal(&text->out, "TIME");
	pad_to(text, begin, TIME_END);
	line_literal(&text->out, "PID/TID");
	pad_to(text, begin, PID_END);
	line_literal(&text->out, "EVENT");
	pad_to(text, begin, EVENT_END);
	line_literal(&text->out, "DETAILS  AT");
	return end(text, begin);
}

/* The elements of an argv, a blank between them. */
static void
put_argv(struct text *text, const struct value *argv)
{
	size_t notes = text->encoder.trunc.len;
	encode_strings(&text->encoder, &text->plain, argv, &nowhere);
	put_plain(text);
	put_if_cut(text, notes);
}

static void
put_address(struct text *text, const struct roles *roles)
{
	bool brackets = roles->has_port && memchr(roles->host.bytes, ':', roles->host.len) != NULL;
	if (brackets)
		line_char(&text->out, '[');
	put_text_value(text, &roles->host, 0);
	if (brackets)
		line_char(&text->out, ']');
	if (roles->has_port) {
		line_char(&text->out, ':');
		line_u64(&text->out, roles->port);
	}
}

/* What has a role comes first and without its name: people look for it. */
static void
put_roles(struct text *text, const struct roles *roles)
{
	struct line *out = &text->out;
	size_t begin = out->len;
	if (roles->path.tag != 0)
		put_text_value(text, &roles->path, 0);
	if (roles->path2.tag != 0) {
		line_literal(out, " -> ");
		put_text_value(text, &roles->path2, 0);
	}
	if (roles->has_fd) {
		line_literal(out, "fd ");
		line_i64(out, roles->fd);
	}
	if (roles->host.tag != 0)
		put_address(text, roles);
	if (roles->argv.tag != 0) {
		if (out->len > begin)
			line_char(out, ' ');
		if (roles->argv_is_one)
			put_text_value(text, &roles->argv, ENCODE_ELEMENT);
		else
			put_argv(text, &roles->argv);
	}
	if (out->len > begin)
		line_char(out, ' ');
}

/* The role's field was already shown; None and "some object" tell a reader nothing. */
static bool
is_worth_showing(const struct event_arg *arg, const struct value *value, const struct roles *roles)
{
	if (value->tag == VALUE_NONE || value->tag == VALUE_OBJECT)
		return false;
	if (arg == NULL || arg->role == ROLE_NONE || arg->role == ROLE_URL)
		return true;
	if (arg->role == ROLE_PORT)
		return !value_is_int(value);
	bool shown = roles->host.tag != 0 && value->len <= 2;
	return arg->role == ROLE_ADDRESS && !value_is_text(value) && !shown;
}

static void
put_args(struct text *text, const struct event *event, const struct roles *roles)
{
	const uint8_t *at = event->values;
	for (unsigned i = 0; i < event->n_args; i++) {
		const struct event_arg *arg = roles_arg(event->info, i, 0);
		struct value value;
		value_read(at, &value);
		if (is_worth_showing(arg, &value, roles)) {
			if (arg != NULL)
				line_string(&text->out, arg->name);
			else
				line_char(&text->out, '_');
			if (arg == NULL)
				line_u64(&text->out, i);
			line_char(&text->out, '=');
			size_t notes = text->encoder.trunc.len;
			encode_value(&text->encoder, &text->plain, at, &nowhere);
			safe_json(&text->out, text->plain.text, text->plain.len);
			line_cut(&text->plain, 0);
			put_if_cut(text, notes);
			line_char(&text->out, ' ');
		}
		at = value_skip(at);
	}
	if (event->n_args_full > event->n_args)
		line_literal(&text->out, "... ");
}

/* load app.py:32; of the file its last part. */
static void
put_site(struct text *text, const struct site *site)
{
	const char *slash = strrchr(site->file, '/');
	line_char(&text->out, ' ');
	put_string(text, site->func);
	line_char(&text->out, ' ');
	put_string(text, slash != NULL ? slash + 1 : site->file);
	line_char(&text->out, ':');
	line_u64(&text->out, site->line);
}

static int
put_audit(struct text *text, uint32_t pid, const struct event *event)
{
	struct roles roles;
	size_t begin = put_begin(text, pid, event, event->time_ns, event->name);
	text->encoder.redact = text->redact && event_carries_secrets(event);
	roles_read(&roles, event, 0);
	put_roles(text, &roles);
	put_args(text, event, &roles);
	/* The user's own line says more than the standard library's. */
	const struct site *site = event->caller != NULL ? event->caller : event->at;
	if (site != NULL)
		put_site(text, site);
	return end(text, begin);
}

static int
put_lost(struct text *text, uint32_t pid, const struct event *event)
{
	size_t begin = put_begin(text, pid, NULL, event->time_ns, "-- lost --");
	line_u64(&text->out, event->lost_count);
	line_literal(&text->out, " events, ");
	line_string(&text->out, lost_reason_name(event->lost_reason));
	return end(text, begin);
}

/* ---- functions ---- */

#define MOST_INDENTED 40

/* decode decoder.py:332, or the module of a C function. */
static void
put_function(struct text *text, const struct function *function)
{
	const char *slash = strrchr(function->file, '/');
	put_string(text, function->func);
	line_char(&text->out, ' ');
	if (function->is_c) {
		put_string(text, function->module);
		return;
	}
	put_string(text, slash != NULL ? slash + 1 : function->file);
	line_char(&text->out, ':');
	line_u64(&text->out, function->line);
}

/* 18.2 us: three digits or four, and one behind the point. */
static void
put_duration(struct text *text, uint64_t ns)
{
	static const char *const units[] = {" us", " ms", " s"};
	uint64_t unit_ns = 1000;
	unsigned i = 0;
	for (; i < 2 && ns >= 1000 * unit_ns; i++)
		unit_ns *= 1000;
	line_u64(&text->out, ns / unit_ns);
	line_char(&text->out, '.');
	line_digits(&text->out, ns % unit_ns / (unit_ns / 10), 1);
	line_string(&text->out, units[i]);
}

static const char *
call_word_of(enum call_event call)
{
	switch (call) {
	case CALL_PY_START:
		return "call";
	case CALL_PY_RESUME:
		return "resume";
	case CALL_C_CALL:
		return "c call";
	case CALL_PY_RETURN:
		return "return";
	case CALL_PY_YIELD:
		return "yield";
	case CALL_PY_UNWIND:
		return "unwind";
	case CALL_C_RETURN:
		return "c return";
	case CALL_C_RAISE:
		return "c exception";
	}
	return "?";
}

static int
put_call(struct text *text, uint32_t pid, const struct event *event)
{
	size_t begin = put_begin(text, pid, event, event->time_ns,
				 call_word_of(event->call));
	for (uint32_t i = 1; i < event->depth && i < MOST_INDENTED; i++)
		line_literal(&text->out, "  ");
	if (event->type == EVENT_CALL) {
		put_function(text, event->function);
		return end(text, begin);
	}
	put_string(text, event->function->func);
	if (event->has_duration) {
		line_char(&text->out, ' ');
		put_duration(text, event->duration_ns);
	}
	return end(text, begin);
}

int
text_function(struct text *text, uint32_t pid, uint64_t time_ns, const struct function *function,
	      const struct function_sums *sums)
{
	size_t begin = put_begin(text, pid, NULL, time_ns, "-- func --");
	put_function(text, function);
	line_literal(&text->out, "  calls ");
	line_u64(&text->out, sums->calls);
	if (sums->has_times) {
		line_literal(&text->out, " (primitive ");
		line_u64(&text->out, sums->primitive);
		line_literal(&text->out, "), own ");
		put_duration(text, sums->own_ns);
		line_literal(&text->out, ", cumulative ");
		put_duration(text, sums->cum_ns);
	}
	return end(text, begin);
}

int
text_event(struct text *text, uint32_t pid, const struct event *event)
{
	switch (event->type) {
	case EVENT_AUDIT:
		return put_audit(text, pid, event);
	case EVENT_CALL:
	case EVENT_RETURN:
		return put_call(text, pid, event);
	case EVENT_LOST:
		return put_lost(text, pid, event);
	case EVENT_NOTICE:
		return text_notice(text, pid, event->time_ns, event->what, event->detail);
	}
	return 0;
}

int
text_start(struct text *text, uint64_t time_ns, const struct identity *identity, unsigned coverage)
{
	size_t begin = put_begin(text, identity->pid, NULL, time_ns, "-- process --");
	if (identity->argv != NULL) {
		encode_argv(&text->encoder, &text->plain, identity->argv, &nowhere);
		put_plain(text);
	} else if (identity->exe != NULL) {
		put_string(text, identity->exe);
	}
	line_literal(&text->out, "  (seen from: ");
	line_string(&text->out, coverage_name(coverage));
	if (identity->alive && identity->ns_pid != identity->pid) {
		line_literal(&text->out, "; inside: pid ");
		line_u64(&text->out, identity->ns_pid);
	}
	line_char(&text->out, ')');
	return end(text, begin);
}

int
text_exit(struct text *text, uint32_t pid, uint64_t time_ns, const char *how, int status,
	  const struct account *account)
{
	size_t begin = put_begin(text, pid, NULL, time_ns, "-- exit --");
	put_string(text, how);
	if (status != -1 && WIFEXITED(status)) {
		line_literal(&text->out, ", status ");
		line_u64(&text->out, (uint64_t)WEXITSTATUS(status));
	} else if (status != -1 && WIFSIGNALED(status)) {
		line_literal(&text->out, ", signal ");
		line_u64(&text->out, (uint64_t)WTERMSIG(status));
	}
	uint64_t lost = account->lost_hook + account->lost_collector;
	if (lost > 0) {
		line_literal(&text->out, ", ");
		line_u64(&text->out, lost);
		line_literal(&text->out, " events lost");
	}
	return end(text, begin);
}

int
text_notice(struct text *text, uint32_t pid, uint64_t time_ns, const char *what,
	    const char *detail)
{
	size_t begin = put_begin(text, pid, NULL, time_ns, "-- notice --");
	put_string(text, what);
	if (detail != NULL && detail[0] != '\0') {
		line_literal(&text->out, ": ");
		put_string(text, detail);
	}
	return end(text, begin);
}
