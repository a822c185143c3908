/* SPDX-License-Identifier: MIT */
#include "levels.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "event_table.h"

static bool
is_glob(const char *name)
{
	return strpbrk(name, "*?[") != NULL;
}

static bool
parse_level(const char *text, uint8_t *level)
{
	static const char *const names[] = {
		[LEVEL_OFF] = "off",
		[LEVEL_COUNT] = "count",
		[LEVEL_RECORD] = "record",
	};
	for (unsigned i = LEVEL_OFF; i <= LEVEL_RECORD; i++) {
		if (strcmp(text, names[i]) == 0) {
			*level = (uint8_t)i;
			return true;
		}
	}
	return false;
}

/* What NAME stands for, into rule; 0, -ENOENT. */
static int
parse_name(struct level_rules *rules, char *name, struct level_rule *rule, char *why, size_t size)
{
	rule->category = -1;
	if (strncmp(name, "custom:", 7) == 0) {
		name += 7;
		rule->custom = true;
	} else if (name[0] == '@' || name[0] == '%') {
		rule->category = (int8_t)category_find(name + 1, strlen(name + 1));
		if (rule->category < 0) {
			snprintf(why, size, "unknown category '%s'", name);
			return -ENOENT;
		}
	} else if (strcmp(name, "all") == 0) {
		rule->everything = true;
	} else if (!is_glob(name) && event_info_find(name) == NULL) {
		const char *raised = event_alias_find(name);
		if (raised != NULL)
			snprintf(why, size, "event '%s' is raised as '%s'", name, raised);
		else
			snprintf(why, size,
				 "unknown event '%s'; a program's own event is written custom:%s",
				 name, name);
		return -ENOENT;
	}
	rule->name = (uint16_t)(name - rules->text);
	return 0;
}

/* One item of the list, NUL-terminated inside rules->text. */
static int
parse_item(struct level_rules *rules, char *item, char *why, size_t size)
{
	struct level_rule rule = {.level = LEVEL_RECORD};
	bool plain = false;
	char *equals = strchr(item, '=');
	if (equals != NULL) {
		*equals = '\0';
		if (!parse_level(equals + 1, &rule.level)) {
			snprintf(why, size, "'%s' is no level (off, count, record)",
				 equals + 1);
			return -EINVAL;
		}
	} else if (*item == '-' || *item == '!') {
		rule.level = LEVEL_OFF;
		item++;
	} else if (*item == '+') {
		item++;
	} else {
		plain = true;
	}
	if (*item == '\0') {
		snprintf(why, size, "an item of the event list has no name");
		return -EINVAL;
	}
	int err = parse_name(rules, item, &rule, why, size);
	if (err < 0)
		return err;
	if (rules->n_rules == LEVELS_MAX_RULES) {
		snprintf(why, size, "more than %d items in the event list", LEVELS_MAX_RULES);
		return -E2BIG;
	}
	rules->rules[rules->n_rules++] = rule;
	if (plain)
		rules->replaces = true;
	return 0;
}

int
level_rules_parse(struct level_rules *rules, const char *text, bool lenient, char *why,
		  size_t why_bytes)
{
	char unused[1];
	int err = 0;
	if (why == NULL) {
		why = unused;
		why_bytes = sizeof unused;
	}
	memset(rules, 0, sizeof *rules);
	if (strncmp(text, "trace=", 6) == 0)
		text += 6;
	size_t len = strlen(text);
	if (len >= sizeof rules->text) {
		snprintf(why, why_bytes, "the event list is longer than %zu bytes",
			 sizeof rules->text - 1);
		return -E2BIG;
	}
	memcpy(rules->text, text, len + 1);
	char *next;
	for (char *item = rules->text; item != NULL && len > 0; item = next) {
		next = strchr(item, ',');
		if (next != NULL)
			*next++ = '\0';
		err = parse_item(rules, item, why, why_bytes);
		if (err < 0 && !lenient) {
			memset(rules, 0, sizeof *rules);
			return err;
		}
	}
	return 0;
}

/* An `open` is one thing in a program and another in importlib; @import is the latter. */
enum context { IN_APP, IN_IMPORT };

static bool
rule_matches(const struct level_rules *rules, const struct level_rule *rule, const char *event,
	     const struct event_info *info, enum category category)
{
	if (rule->custom && info != NULL)
		return false;
	if (rule->everything)
		return true;
	if (rule->category >= 0)
		return rule->category == (int)category;
	return fnmatch(rules->text + rule->name, event, 0) == 0;
}

static enum level
level_in(const struct level_rules *rules, const char *event, const struct event_info *info,
	 enum context context)
{
	enum category category = info ? (enum category)info->category : CATEGORY_CUSTOM;
	enum level by_default = info ? (enum level)info->level : LEVEL_RECORD;
	if (by_default == LEVEL_APP) {
		by_default = context == IN_APP ? LEVEL_RECORD : LEVEL_COUNT;
		if (context == IN_IMPORT)
			category = CATEGORY_IMPORT;
	}
	for (unsigned i = rules->n_rules; i-- > 0;)
		if (rule_matches(rules, &rules->rules[i], event, info, category))
			return (enum level)rules->rules[i].level;
	return rules->replaces ? LEVEL_OFF : by_default;
}

enum level
level_rules_apply(const struct level_rules *rules, const char *event)
{
	const struct event_info *info = event_info_find(event);
	enum level in_app = level_in(rules, event, info, IN_APP);
	if (info == NULL || info->level != LEVEL_APP)
		return in_app;
	enum level in_import = level_in(rules, event, info, IN_IMPORT);
	if (in_app == in_import)
		return in_app;
	if (in_app == LEVEL_RECORD)
		return LEVEL_APP;
	return in_import == LEVEL_RECORD ? LEVEL_IMPORT : LEVEL_COUNT;
}

bool
level_rule_fits_any(const struct level_rules *rules, unsigned i)
{
	const struct level_rule *rule = &rules->rules[i];
	size_t n;
	if (rule->category >= 0 || rule->everything || rule->custom)
		return true;
	const struct event_info *all = event_info_all(&n);
	for (size_t k = 0; k < n; k++)
		if (rule_matches(rules, rule, all[k].name, &all[k], (enum category)all[k].category))
			return true;
	return false;
}
