/* SPDX-License-Identifier: MIT */
/* Lines about what happened: audit, lost, notice. The others are in json_call.c, json_process.c. */
#include "json.h"

#include <errno.h>
#include <stdlib.h>

#include "escape.h"
#include "json_lines.h"
#include "roles.h"
#include "template.h"

void
json_init(struct json *json, bool redact)
{
	memset(json, 0, sizeof *json);
	json->redact = redact;
}

void
json_fini(struct json *json)
{
	line_fini(&json->out);
	encoder_fini(&json->encoder);
}

int
json_source_init(struct json_source *source, const char *key, uint32_t pid, uint32_t python_hex)
{
	memset(source, 0, sizeof *source);
	source->python_minor = python_hex >> 16 & 0xff;
	line_literal(&source->key, ",\"key\":");
	escape_json(&source->key, (const uint8_t *)key, strlen(key));
	line_literal(&source->pid, ",\"pid\":");
	line_u64(&source->pid, pid);
	if (!source->key.failed && !source->pid.failed)
		return 0;
	json_source_fini(source);
	return -ENOMEM;
}

void
json_source_fini(struct json_source *source)
{
	line_fini(&source->key);
	line_fini(&source->pid);
}

size_t
json_begin(struct json *json, const struct json_source *source, const char *type,
	   uint64_t time_ns)
{
	struct line *out = &json->out;
	size_t begin = out->len;
	encoder_begin(&json->encoder, json->redact);
	line_reserve(out, 512);
	line_literal(out, "{\"v\":1,\"type\":\"");
	line_string(out, type);
	line_literal(out, "\",");
	line_time(out, &json->clock, time_ns);
	if (source != NULL)
		line_bytes(out, source->key.text, source->key.len);
	return begin;
}

int
json_end(struct json *json, size_t begin)
{
	struct line *out = &json->out;
	encoder_notes(&json->encoder, out);
	line_literal(out, "}\n");
	if (__builtin_expect(!out->failed, 1))
		return 0;
	line_cut(out, begin);
	return -ENOMEM;
}

static const struct where at_args = {.name = "args", .name_len = 4};

static void
put_text_role(struct json *json, const char *key, size_t key_len, const struct value *value)
{
	struct where where = {.name = key, .name_len = key_len};
	line_literal(&json->out, ",\"");
	line_bytes(&json->out, key, key_len);
	line_literal(&json->out, "\":");
	encode_text_value(&json->encoder, &json->out, value, 0, &where);
}

static void
put_argv_role(struct json *json, const struct roles *roles)
{
	struct where where = {.name = "argv", .name_len = 4};
	struct where first = {.up = &where, .index = 0};
	line_literal(&json->out, ",\"argv\":");
	if (!roles->argv_is_one) {
		encode_strings(&json->encoder, &json->out, &roles->argv, &where);
		return;
	}
	line_char(&json->out, '[');
	encode_text_value(&json->encoder, &json->out, &roles->argv, ENCODE_ELEMENT, &first);
	line_char(&json->out, ']');
}

static void
put_roles(struct json *json, const struct roles *roles)
{
	struct line *out = &json->out;
	if (roles->path.tag != 0)
		put_text_role(json, "path", 4, &roles->path);
	if (roles->path2.tag != 0)
		put_text_role(json, "path2", 5, &roles->path2);
	if (roles->has_fd) {
		line_literal(out, ",\"fd\":");
		line_i64(out, roles->fd);
	}
	if (roles->host.tag != 0)
		put_text_role(json, "host", 4, &roles->host);
	if (roles->has_port) {
		line_literal(out, ",\"port\":");
		line_u64(out, roles->port);
	}
	if (roles->argv.tag != 0)
		put_argv_role(json, roles);
}

/* An argument beyond those that templates name. */
static const uint8_t *
put_surplus(struct json *json, const uint8_t *at, unsigned i)
{
	struct line name = {.text = (char[16]){0}, .room = 16};
	line_char(&name, '_');
	line_u64(&name, i);
	struct where where = {.up = &at_args, .name = name.text, .name_len = name.len};
	line_literal(&json->out, ",\"");
	line_bytes(&json->out, name.text, name.len);
	line_literal(&json->out, "\":");
	return encode_value(&json->encoder, &json->out, at, &where);
}

static void
put_args(struct json *json, const struct event_template *template, const struct event *event)
{
	const uint8_t *at = event->values;
	line_literal(&json->out, ",\"args\":{");
	for (unsigned i = 0; i < event->n_args; i++) {
		if (i >= template->n_args) {
			at = put_surplus(json, at, i);
			continue;
		}
		struct where where = {.up = &at_args, .name = template->args[i].name,
				      .name_len = template->args[i].name_len};
		line_bytes(&json->out, template->args[i].key, template->args[i].key_len);
		at = encode_value(&json->encoder, &json->out, at, &where);
	}
	line_char(&json->out, '}');
	if (event->n_args_full > event->n_args)
		encode_trunc(&json->encoder, &at_args, event->n_args_full);
}

static void
put_site(struct json *json, const struct site *site, const struct where *where)
{
	struct site_template *template = site->prepared != NULL ? site->prepared->block : NULL;
	bool kept = template != NULL;
	if (!kept) {
		template = site_template_new(site);
		if (template == NULL) {
			json->out.failed = true;
			return;
		}
		kept = prepared_may_keep(site->prepared, template->bytes);
		if (kept)
			site->prepared->block = template;
	}
	line_bytes(&json->out, template->text, template->len);
	if (template->func_percent || template->file_percent) {
		struct where func = {.up = where, .name = "func", .name_len = 4};
		struct where file = {.up = where, .name = "file", .name_len = 4};
		if (template->func_percent)
			encode_note(&json->encoder, &func, ENCODE_PERCENT);
		if (template->file_percent)
			encode_note(&json->encoder, &file, ENCODE_PERCENT);
	}
	if (!kept)
		free(template);
}

static void
put_sites(struct json *json, const struct event *event)
{
	static const struct where at = {.name = "at", .name_len = 2};
	static const struct where caller = {.name = "caller", .name_len = 6};
	static const struct where stack = {.name = "stack", .name_len = 5};
	if (event->at != NULL) {
		line_literal(&json->out, ",\"at\":");
		put_site(json, event->at, &at);
	}
	if (event->caller != NULL) {
		line_literal(&json->out, ",\"caller\":");
		put_site(json, event->caller, &caller);
	}
	if (event->n_stack == 0)
		return;
	line_literal(&json->out, ",\"stack\":[");
	for (unsigned i = 0; i < event->n_stack; i++) {
		struct where frame = {.up = &stack, .index = i};
		if (i > 0)
			line_char(&json->out, ',');
		put_site(json, event->stack[i], &frame);
	}
	line_char(&json->out, ']');
}

void
json_put_position(struct json *json, const struct json_source *source, const struct event *event)
{
	struct line *out = &json->out;
	if (event->lane != EVENT_NO_LANE) {
		line_literal(out, ",\"lane\":");
		line_u64(out, event->lane);
		line_literal(out, ",\"seq\":");
		line_u64(out, event->seq);
	}
	line_bytes(out, source->pid.text, source->pid.len);
	line_literal(out, ",\"tid\":");
	line_u64(out, event->tid);
}

static int
put_audit(struct json *json, const struct json_source *source, const struct event *event,
	  const struct event_template *template)
{
	size_t begin = json_begin(json, source, "audit", event->time_ns);
	json->encoder.redact = json->redact && template->redact;
	json_put_position(json, source, event);
	line_bytes(&json->out, template->text, template->head_len);
	if (template->name_percent) {
		struct where where = {.name = "event", .name_len = 5};
		encode_note(&json->encoder, &where, ENCODE_PERCENT);
	}
	if (template->has_roles) {
		struct roles roles;
		roles_begin(&roles);
		const uint8_t *at = event->values;
		for (unsigned i = 0; i < event->n_args && i < template->n_args; i++)
			at = roles_take(&roles, (enum arg_role)template->args[i].role, at);
		put_roles(json, &roles);
	}
	put_args(json, template, event);
	put_sites(json, event);
	return json_end(json, begin);
}

static int
audit_line(struct json *json, const struct json_source *source, const struct event *event)
{
	struct event_template *template = event->prepared != NULL ? event->prepared->block : NULL;
	if (template != NULL)
		return put_audit(json, source, event, template);
	template = event_template_new(event, source->python_minor);
	if (template == NULL)
		return -ENOMEM;
	int err = put_audit(json, source, event, template);
	if (prepared_may_keep(event->prepared, template->bytes))
		event->prepared->block = template;
	else
		free(template);
	return err;
}

static int
lost_line(struct json *json, const struct json_source *source, const struct event *event)
{
	struct line *out = &json->out;
	size_t begin = json_begin(json, source, "lost", event->time_ns);
	line_bytes(out, source->pid.text, source->pid.len);
	if (event->lane != EVENT_NO_LANE)
		json_put_number(json, "lane", event->lane);
	json_put_number(json, "count", event->lost_count);
	line_literal(out, ",\"reason\":\"");
	line_string(out, lost_reason_name(event->lost_reason));
	line_char(out, '"');
	if (event->lane != EVENT_NO_LANE) {
		json_put_number(json, "seq_from", event->lost_seq_from);
		json_put_number(json, "seq_to", event->lost_seq_to);
	}
	return json_end(json, begin);
}

static int
notice_line(struct json *json, const struct json_source *source, const struct event *event)
{
	if (event->lane == EVENT_NO_LANE)
		return json_notice(json, source, event->time_ns, event->what, event->detail);
	size_t begin = json_begin(json, source, "notice", event->time_ns);
	json_put_position(json, source, event);
	json_put_string(json, "what", event->what);
	json_put_string(json, "detail", event->detail);
	return json_end(json, begin);
}

int
json_event(struct json *json, const struct json_source *source, const struct event *event)
{
	switch (event->type) {
	case EVENT_AUDIT:
		return audit_line(json, source, event);
	case EVENT_CALL:
	case EVENT_RETURN:
		return json_call_event(json, source, event);
	case EVENT_LOST:
		return lost_line(json, source, event);
	case EVENT_NOTICE:
		return notice_line(json, source, event);
	}
	return 0;
}
