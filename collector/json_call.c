/* SPDX-License-Identifier: MIT */
/* Lines about functions: call, return, func. */
#include <errno.h>
#include <stdlib.h>

#include "json_lines.h"
#include "template.h"

struct words {
	const char *kind; /* ,"kind":"py" */
	const char *how;  /* ,"how":"return" */
	uint8_t kind_len, how_len;
	bool is_c;
};

#define WORD(name, text) ",\"" name "\":\"" text "\""
static const struct words words[] = {
#define X(name, value, type, kind, how) \
	[value] = {WORD("kind", kind), WORD("how", how), sizeof WORD("kind", kind) - 1, \
		   sizeof WORD("how", how) - 1, sizeof kind == sizeof "c"},
	CALL_EVENTS(X)
#undef X
};

/* The template of a function, and whether it is kept or the caller's to free; NULL: no memory. */
static struct function_template *
template_of(const struct function *function, bool *kept)
{
	struct function_template *template =
		function->prepared != NULL ? function->prepared->block : NULL;
	*kept = template != NULL;
	if (*kept || (template = function_template_new(function)) == NULL)
		return template;
	*kept = prepared_may_keep(function->prepared, template->bytes);
	if (*kept)
		function->prepared->block = template;
	return template;
}

static void
note(struct json *json, bool percent, const char *name)
{
	struct where where = {.name = name, .name_len = strlen(name)};
	if (percent)
		encode_note(&json->encoder, &where, ENCODE_PERCENT);
}

/* func, module, and the place of one that has one. */
static void
put_function(struct json *json, const struct function_template *template, bool is_c)
{
	line_bytes(&json->out, template->text, is_c ? template->module_len : template->len);
	note(json, template->func_percent, "func");
	note(json, template->module_percent, "module");
	note(json, template->file_percent && !is_c, "file");
}

/* json_put_position(), and the greenlet. */
static void
put_position(struct json *json, const struct json_source *source, const struct event *event)
{
	json_put_position(json, source, event);
	if (event->greenlet != 0) {
		line_literal(&json->out, ",\"greenlet\":");
		line_u64(&json->out, event->greenlet);
	}
}

static int
put_call(struct json *json, const struct json_source *source, const struct event *event,
	 const struct function_template *template)
{
	const struct words *word = &words[event->call];
	size_t begin = json_begin(json, source, "call", event->time_ns);
	put_position(json, source, event);
	line_bytes(&json->out, word->kind, word->kind_len);
	put_function(json, template, word->is_c);
	line_literal(&json->out, ",\"depth\":");
	line_u64(&json->out, event->depth);
	return json_end(json, begin);
}

static int
put_return(struct json *json, const struct json_source *source, const struct event *event,
	   const struct function_template *template)
{
	const struct words *word = &words[event->call];
	size_t begin = json_begin(json, source, "return", event->time_ns);
	put_position(json, source, event);
	line_bytes(&json->out, word->kind, word->kind_len);
	line_bytes(&json->out, template->text, template->func_len);
	note(json, template->func_percent, "func");
	if (event->has_duration) {
		line_literal(&json->out, ",\"dur_ns\":");
		encode_count(&json->out, event->duration_ns);
	}
	line_bytes(&json->out, word->how, word->how_len);
	return json_end(json, begin);
}

int
json_call_event(struct json *json, const struct json_source *source, const struct event *event)
{
	bool kept;
	struct function_template *template = template_of(event->function, &kept);
	if (template == NULL)
		return -ENOMEM;
	int err = event->type == EVENT_CALL ? put_call(json, source, event, template)
					    : put_return(json, source, event, template);
	if (!kept)
		free(template);
	return err;
}

int
json_function(struct json *json, const struct json_source *source, uint64_t time_ns,
	      const struct function *function, const struct function_sums *sums)
{
	bool kept;
	struct function_template *template = template_of(function, &kept);
	if (template == NULL)
		return -ENOMEM;
	size_t begin = json_begin(json, source, "func", time_ns);
	line_bytes(&json->out, source->pid.text, source->pid.len);
	json_put_string(json, "kind", function->is_c ? "c" : "py");
	put_function(json, template, function->is_c);
	json_put_number(json, "calls", sums->calls);
	if (sums->has_times) {
		json_put_number(json, "primitive", sums->primitive);
		json_put_number(json, "own_ns", sums->own_ns);
		json_put_number(json, "cum_ns", sums->cum_ns);
	}
	if (!kept)
		free(template);
	return json_end(json, begin);
}
