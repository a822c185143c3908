/* SPDX-License-Identifier: MIT */
#include "template.h"

#include <stdio.h>
#include <stdlib.h>

#include "escape.h"
#include "roles.h"

bool
event_carries_secrets(const struct event *event)
{
	return event->info != NULL && (event->info->category == CATEGORY_PROC ||
				       event->info->category == CATEGORY_NET);
}

static void
put_key(struct line *text, struct event_template *template, unsigned i, const char *name)
{
	template->args[i].key_len = (uint32_t)text->len;
	line_string(text, i > 0 ? ",\"" : "\"");
	template->args[i].name_len = (uint32_t)strlen(name);
	line_string(text, name);
	line_literal(text, "\":");
	template->args[i].key_len = (uint32_t)text->len - template->args[i].key_len;
}

/* Documented names are plain ASCII: they need no escapes. */
static void
put_keys(struct line *text, struct event_template *template, const struct event_info *info,
	 unsigned python_minor)
{
	for (unsigned i = 0; i < TEMPLATE_ARGS; i++) {
		char unknown[8];
		const struct event_arg *arg = roles_arg(info, i, python_minor);
		snprintf(unknown, sizeof unknown, "_%u", i);
		put_key(text, template, i, arg != NULL ? arg->name : unknown);
		template->args[i].role = arg != NULL ? arg->role : ROLE_NONE;
		if (template->args[i].role != ROLE_NONE)
			template->has_roles = true;
	}
	template->n_args = TEMPLATE_ARGS;
}

/* The text has its final place: point into it. */
static void
resolve(struct event_template *template)
{
	const char *at = template->text + template->head_len;
	for (unsigned i = 0; i < template->n_args; i++) {
		template->args[i].key = at;
		template->args[i].name = at + (i > 0 ? 2 : 1);
		at += template->args[i].key_len;
	}
}

/* One block of a head and the text, whose size is *bytes, of the head. NULL: no memory. */
static void *
finish(struct line *text, const void *head, size_t head_bytes, size_t text_at, uint32_t *bytes)
{
	char *block = NULL;
	*bytes = (uint32_t)(head_bytes + text->len);
	if (!text->failed)
		block = malloc(*bytes);
	if (block != NULL) {
		memcpy(block, head, head_bytes);
		memcpy(block + text_at, text->text, text->len);
	}
	line_fini(text);
	return block;
}

#define FINISH(text_line, head) \
	finish(text_line, head, sizeof *(head), (size_t)((head)->text - (char *)(head)), \
	       &(head)->bytes)

struct event_template *
event_template_new(const struct event *event, unsigned python_minor)
{
	struct line text = {0};
	struct event_template head = {0};
	enum category category =
		event->info != NULL ? (enum category)event->info->category : CATEGORY_CUSTOM;
	line_literal(&text, ",\"event\":");
	head.name_percent =
		escape_json(&text, (const uint8_t *)event->name, strlen(event->name));
	line_literal(&text, ",\"cat\":\"");
	line_string(&text, category_name(category));
	line_char(&text, '"');
	head.head_len = (uint32_t)text.len;
	head.redact = event_carries_secrets(event);
	put_keys(&text, &head, event->info, python_minor);
	struct event_template *template = FINISH(&text, &head);
	if (template != NULL)
		resolve(template);
	return template;
}

struct site_template *
site_template_new(const struct site *site)
{
	struct line text = {0};
	struct site_template head = {0};
	line_literal(&text, "{\"func\":");
	head.func_percent = escape_json(&text, (const uint8_t *)site->func, strlen(site->func));
	line_literal(&text, ",\"file\":");
	head.file_percent = escape_json(&text, (const uint8_t *)site->file, strlen(site->file));
	line_literal(&text, ",\"line\":");
	line_u64(&text, site->line);
	line_char(&text, '}');
	head.len = (uint32_t)text.len;
	return FINISH(&text, &head);
}

struct function_template *
function_template_new(const struct function *function)
{
	struct line text = {0};
	struct function_template head = {0};
	line_literal(&text, ",\"func\":");
	head.func_percent = escape_json(&text, (const uint8_t *)function->func,
					strlen(function->func));
	head.func_len = (uint32_t)text.len;
	line_literal(&text, ",\"module\":");
	head.module_percent = escape_json(&text, (const uint8_t *)function->module,
					  strlen(function->module));
	head.module_len = (uint32_t)text.len;
	line_literal(&text, ",\"file\":");
	head.file_percent = escape_json(&text, (const uint8_t *)function->file,
					strlen(function->file));
	line_literal(&text, ",\"line\":");
	line_u64(&text, function->line);
	head.len = (uint32_t)text.len;
	return FINISH(&text, &head);
}
