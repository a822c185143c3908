/* SPDX-License-Identifier: MIT */
#include "call_rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 2200 /* of "module.function", as long as definitions have them */

struct word {
	const char *text;
	uint32_t value;
};
static const struct word levels[] = {
#define X(name, value, text) {text, value},
	CALL_LEVELS(X)
#undef X
};
static const struct word backends[] = {
#define X(name, value, text) {text, value},
	CALL_BACKENDS(X)
#undef X
};
#define N(words) (sizeof(words) / sizeof(words)[0])

static int
find_word(const struct word *words, size_t n, const char *text, uint32_t *value)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i].text, text) == 0) {
			*value = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

int
call_level_parse(const char *text, uint32_t *value)
{
	return find_word(levels, N(levels), text, value);
}

int
call_backend_parse(const char *text, uint32_t *value)
{
	return find_word(backends, N(backends), text, value);
}

const char *
call_level_name(unsigned value)
{
	return value < N(levels) ? levels[value].text : "?";
}

const char *
call_backend_name(unsigned value)
{
	return value < N(backends) ? backends[value].text : "?";
}

/* Cut a list at its commas; how many items, or -errno. */
static int
split(char *text, uint16_t *offsets, const char *what, char *why, size_t size)
{
	int n = 0;
	char *next;
	if (*text == '\0')
		return 0;
	for (char *item = text; item != NULL; item = next) {
		next = strchr(item, ',');
		if (next != NULL)
			*next++ = '\0';
		if (*item == '\0') {
			snprintf(why, size, "an item of the list of %s is empty", what);
			return -EINVAL;
		}
		if (n == CALL_RULES_MAX) {
			snprintf(why, size, "more than %d items in the list of %s", CALL_RULES_MAX,
				 what);
			return -E2BIG;
		}
		offsets[n++] = (uint16_t)(item - text);
	}
	return n;
}

static int
copy_list(char *to, const char *text, const char *what, char *why, size_t size)
{
	size_t len = strlen(text);
	if (len >= CALL_RULES_BYTES) {
		snprintf(why, size, "the list of %s is longer than %d bytes", what,
			 CALL_RULES_BYTES - 1);
		return -E2BIG;
	}
	memcpy(to, text, len + 1);
	return 0;
}

static int
parse(struct call_rules *rules, const char *match, const char *files, char *why, size_t size)
{
	int err = copy_list(rules->match, match, "functions", why, size);
	if (err == 0)
		err = copy_list(rules->files, files, "files", why, size);
	if (err < 0)
		return err;
	int n_globs = split(rules->match, rules->globs, "functions", why, size);
	int n_paths = split(rules->files, rules->paths, "files", why, size);
	if (n_globs < 0 || n_paths < 0)
		return n_globs < 0 ? n_globs : n_paths;
	rules->n_globs = (unsigned)n_globs;
	rules->n_paths = (unsigned)n_paths;
	for (int i = 0; i < n_paths; i++) {
		char sign = rules->files[rules->paths[i]];
		rules->in[i] = sign != '-' && sign != '!';
		rules->paths[i] += sign == '-' || sign == '!' || sign == '+';
		rules->others_out |= rules->in[i];
		char *path = rules->files + rules->paths[i];
		size_t len = strlen(path);
		while (len > 1 && path[len - 1] == '/')
			path[--len] = '\0';
		if (len == 0) {
			snprintf(why, size, "an item of the list of files has no name");
			return -EINVAL;
		}
	}
	return 0;
}

int
call_rules_parse(struct call_rules *rules, const char *match, const char *files, char *why,
		 size_t why_bytes)
{
	char unused[1];
	if (why == NULL) {
		why = unused;
		why_bytes = sizeof unused;
	}
	memset(rules, 0, sizeof *rules);
	int err = parse(rules, match, files, why, why_bytes);
	if (err < 0)
		memset(rules, 0, sizeof *rules);
	return err;
}

/* Does `path` name the file that begins at `file`, or a folder above it? */
static bool
names(const char *path, size_t len, const char *file)
{
	return (strncmp(path, file, len) == 0 && (file[len] == '\0' || file[len] == '/')) ||
	       fnmatch(path, file, FNM_LEADING_DIR) == 0;
}

static bool
path_matches(const char *path, const char *file, bool stdlib)
{
	size_t len = strlen(path);
	if (strcmp(path, "stdlib") == 0)
		return stdlib;
	if (path[0] == '/')
		return len == 1 ? file[0] == '/' : names(path, len, file);
	for (const char *at = file; at != NULL; at = strchr(at, '/')) {
		at += *at == '/';
		if (names(path, len, at))
			return true;
	}
	return false;
}

bool
call_rules_apply(const struct call_rules *rules, const char *module, const char *function,
		 const char *file, bool stdlib)
{
	bool in = !rules->others_out;
	for (unsigned i = rules->n_paths; i-- > 0;) {
		if (path_matches(rules->files + rules->paths[i], file, stdlib)) {
			in = rules->in[i];
			break;
		}
	}
	if (!in || rules->n_globs == 0)
		return in;
	char name[NAME_BYTES];
	snprintf(name, sizeof name, "%s.%s", module, function);
	for (unsigned i = 0; i < rules->n_globs; i++) {
		const char *glob = rules->match + rules->globs[i];
		if (fnmatch(glob, name, 0) == 0 || fnmatch(glob, function, 0) == 0 ||
		    fnmatch(glob, module, 0) == 0)
			return true;
	}
	return false;
}
