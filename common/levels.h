/* SPDX-License-Identifier: MIT */
/*
 * What each event id gets, and the list of names that people write to say so (-e of the
 * collector, PYAUDITD_EVENTS, pyauditd.start(events=)). Both processes evaluate the same
 * text with this code, so both come to the same level for an event.
 *
 *	list  = [trace=] item {, item}
 *	item  = NAME | +NAME | -NAME | !NAME | NAME=LEVEL
 *	NAME  = an event | a glob | @category | %category | all | custom:NAME
 *	LEVEL = off | count | record
 *
 * A plain NAME replaces the defaults: what no item names is off. The other forms change
 * them. The last item that matches an event decides. `open` and `os.listdir` belong to
 * @file, but to @import where importlib raises them.
 */
#ifndef COMMON_LEVELS_H
#define COMMON_LEVELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One byte per definition id in the segment; 0 also sends the hook to its slow path. */
enum level {
	LEVEL_UNDEFINED = 0, /* not yet defined in this segment */
	LEVEL_OFF = 1,
	LEVEL_COUNT = 2,
	LEVEL_RECORD = 3,
	LEVEL_APP = 4,    /* record, but only count what importlib itself does */
	LEVEL_IMPORT = 5, /* record what importlib does, count the rest */
	LEVEL_ASK = 6,    /* the collector wants another: the hook asks again when it comes by */
	LEVEL_WATCH = 7,  /* of its own event, the hook: somebody sets a profile function */
};

#define LEVELS_TEXT_BYTES 1024 /* of a list, with its NUL */
#define LEVELS_MAX_RULES 64

struct level_rule {
	uint16_t name;    /* offset into text; exact name or glob */
	int8_t category;  /* enum category; -1: by name */
	uint8_t level;    /* enum level */
	bool everything;
	bool custom;      /* only of names that are not in the table */
};

struct level_rules {
	char text[LEVELS_TEXT_BYTES];
	struct level_rule rules[LEVELS_MAX_RULES];
	unsigned n_rules;
	bool replaces; /* what no rule names is off */
};

/*
 * Parse a list; "" gives the defaults. Unknown exact names and categories: -ENOENT, or with
 * `lenient` (in the target) the item is left out. Too long: -E2BIG. Bad syntax: -EINVAL.
 * On failure `rules` is the defaults and `why` (optional) a sentence without a full stop.
 */
int level_rules_parse(struct level_rules *rules, const char *text, bool lenient, char *why,
		      size_t why_bytes);

/* The level of an event, from off to LEVEL_IMPORT. One of no table is recorded. */
enum level level_rules_apply(const struct level_rules *rules, const char *event);

/* Does the rule mean some event of the table, or expressly one of none? */
bool level_rule_fits_any(const struct level_rules *rules, unsigned i);

#endif
