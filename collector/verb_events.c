/* SPDX-License-Identifier: MIT */
/* `auditd-collect events`: the table of common/event_table.h, for people and programs. */
#include <fnmatch.h>

#include "escape.h"
#include "event_table.h"
#include "exit_status.h"
#include "log.h"
#include "table.h"
#include "verb.h"

static const struct verb verb = {
	.name = "events",
	.pattern = "GLOB",
	.help = "usage: auditd-collect events [GLOB | @CATEGORY] [--format json|text]\n"
		"\n"
		"Show the audit events that CPython raises: category, level by default, the\n"
		"version that brought them, arguments. (path) behind an argument: what it is to\n"
		"the stream; *: held back as a secret; @3.11: since that version. A level\n"
		"record/count is recorded, but only counted where the import system raises it.\n"
		"\n"
		"  GLOB                  only these names, such as 'socket.*'\n"
		"  @CATEGORY             only this category, such as @net\n"
		"      --format FORMAT   json or text (default: text on a terminal, else json)\n"
		"  -h, --help            print this\n"
		"\n"
		"Exit status: 0 done, 1 no event matches, or failure, 2 usage.\n",
};

static const char *const role_names[] = {
	[ROLE_PATH] = "path", [ROLE_PATH2] = "path2", [ROLE_FD] = "fd",
	[ROLE_HOST] = "host", [ROLE_PORT] = "port",   [ROLE_ARGV] = "argv",
	[ROLE_ADDRESS] = "address",                   [ROLE_URL] = "url",
};

/* ---- which ---- */

struct selection {
	const char *glob; /* NULL: all */
	int category;     /* -1: by glob */
};

static bool
selected(const struct selection *selection, const struct event_info *event)
{
	if (selection->category >= 0)
		return event->category == selection->category ||
		       (event->level == LEVEL_APP && selection->category == CATEGORY_IMPORT);
	return selection->glob == NULL || fnmatch(selection->glob, event->name, 0) == 0;
}

/* The names of the documentation for an event, one by one; *i is 0 at first. NULL: no more. */
static const char *
next_alias(const struct event_info *event, size_t *i)
{
	size_t n;
	const struct event_alias *aliases = event_alias_all(&n);
	while (*i < n) {
		const struct event_alias *alias = &aliases[(*i)++];
		if (strcmp(alias->raised, event->name) == 0)
			return alias->documented;
	}
	return NULL;
}

static bool
alias_selected(const struct selection *selection, const struct event_info *event)
{
	const char *alias;
	for (size_t i = 0; selection->glob != NULL && (alias = next_alias(event, &i));)
		if (fnmatch(selection->glob, alias, 0) == 0)
			return true;
	return false;
}

static int
select_events(struct selection *selection, const char *pattern)
{
	*selection = (struct selection){.glob = pattern, .category = -1};
	if (pattern == NULL || (pattern[0] != '@' && pattern[0] != '%'))
		return EXIT_DONE;
	selection->glob = NULL;
	selection->category = category_find(pattern + 1, strlen(pattern + 1));
	if (selection->category >= 0)
		return EXIT_DONE;
	struct line known = {0};
	for (enum category i = 0; i < N_CATEGORIES; i++) {
		line_literal(&known, " @");
		line_string(&known, category_name(i));
	}
	line_char(&known, '\0');
	log_error("events: '%s' is no category; there are%s", pattern,
		  known.failed ? " others" : known.text);
	line_fini(&known);
	return EXIT_USAGE;
}

static void
say_none(const struct selection *selection, const char *pattern)
{
	if (selection->category == CATEGORY_CUSTOM)
		log_error("events: none of CPython's own is in %s: programs raise those", pattern);
	else if (strpbrk(pattern, "*?[") == NULL)
		log_error("events: no event is called '%s' (try '*%s*')", pattern, pattern);
	else
		log_error("events: no event matches '%s'", pattern);
}

/* ---- lines ---- */

static const char *
level_text(unsigned level)
{
	return level == LEVEL_OFF ? "off" : level == LEVEL_COUNT ? "count" : "record";
}

static void
put_version(struct line *out, unsigned minor)
{
	line_literal(out, "3.");
	line_u64(out, minor);
}

/* ,"name":"text" */
static void
put_field(struct line *out, const char *name, const char *text)
{
	line_literal(out, ",\"");
	line_string(out, name);
	line_literal(out, "\":");
	escape_json(out, (const uint8_t *)text, strlen(text));
}

static void
put_json_arg(struct line *out, const struct event_arg *arg)
{
	line_literal(out, "{\"name\":");
	escape_json(out, (const uint8_t *)arg->name, strlen(arg->name));
	if (arg->role != ROLE_NONE)
		put_field(out, "role", role_names[arg->role]);
	if (arg->secret)
		line_literal(out, ",\"secret\":true");
	if (arg->since != 0) {
		line_literal(out, ",\"since\":\"");
		put_version(out, arg->since);
		line_char(out, '"');
	}
	line_char(out, '}');
}

static void
put_json_aliases(struct line *out, const struct event_info *event)
{
	const char *alias;
	bool any = false;
	for (size_t i = 0; (alias = next_alias(event, &i)) != NULL; any = true) {
		line_string(out, any ? "," : ",\"aliases\":[");
		escape_json(out, (const uint8_t *)alias, strlen(alias));
	}
	if (any)
		line_char(out, ']');
}

static void
put_json(struct line *out, const struct event_info *event)
{
	line_literal(out, "{\"v\":1,\"type\":\"event\"");
	put_field(out, "event", event->name);
	put_field(out, "cat", category_name(event->category));
	put_field(out, "level", level_text(event->level));
	if (event->level == LEVEL_APP)
		put_field(out, "import_level", "count");
	line_literal(out, ",\"since\":\"");
	put_version(out, event->since);
	line_literal(out, "\",\"args\":[");
	for (unsigned i = 0; i < event->n_args; i++) {
		if (i > 0)
			line_char(out, ',');
		put_json_arg(out, &event->args[i]);
	}
	line_char(out, ']');
	put_json_aliases(out, event);
	line_literal(out, "}\n");
}

static void
put_text_arg(struct line *out, const struct event_arg *arg)
{
	line_string(out, arg->name);
	if (arg->role != ROLE_NONE) {
		line_char(out, '(');
		line_string(out, role_names[arg->role]);
		line_char(out, ')');
	}
	if (arg->secret)
		line_char(out, '*');
	if (arg->since != 0) {
		line_char(out, '@');
		put_version(out, arg->since);
	}
}

static void
put_text(struct table *table, const struct event_info *event)
{
	const char *alias;
	table_string(table, event->name);
	table_string(table, category_name(event->category));
	table_string(table, event->level == LEVEL_APP ? "record/count" : level_text(event->level));
	put_version(&table->text, event->since);
	table_cell(table);
	size_t begin = table->text.len;
	for (unsigned i = 0; i < event->n_args; i++) {
		if (i > 0)
			line_char(&table->text, ' ');
		put_text_arg(&table->text, &event->args[i]);
	}
	for (size_t i = 0; (alias = next_alias(event, &i)) != NULL;) {
		line_string(&table->text, table->text.len > begin ? "  " : "");
		line_literal(&table->text, "[documented as ");
		line_string(&table->text, alias);
		line_char(&table->text, ']');
	}
	table_cell(table);
}

static size_t
put_events(const struct selection *selection, enum output_format format, struct table *table,
	   struct line *out)
{
	static const char *const titles[] = {"EVENT", "CATEGORY", "LEVEL", "SINCE", "ARGUMENTS"};
	size_t n, n_selected = 0;
	const struct event_info *events = event_info_all(&n);
	table->n_columns = sizeof titles / sizeof titles[0];
	for (unsigned i = 0; i < table->n_columns; i++)
		table_string(table, titles[i]);
	for (size_t i = 0; i < n; i++) {
		if (!selected(selection, &events[i]) && !alias_selected(selection, &events[i]))
			continue;
		n_selected++;
		if (format == FORMAT_JSON)
			put_json(out, &events[i]);
		else
			put_text(table, &events[i]);
	}
	if (format == FORMAT_TEXT)
		table_print(table, out);
	return n_selected;
}

int
verb_events(int argc, char **argv)
{
	struct verb_options options;
	struct selection selection;
	struct table table = {0};
	struct line out = {0};
	int status;
	if (!verb_parse(&verb, argc, argv, &options, &status))
		return status;
	status = select_events(&selection, options.pattern);
	if (status != EXIT_DONE)
		return status;
	if (put_events(&selection, options.format, &table, &out) > 0) {
		status = verb_print(&verb, &out);
	} else {
		say_none(&selection, options.pattern);
		status = EXIT_FAILED;
	}
	table_fini(&table);
	line_fini(&out);
	return status;
}
