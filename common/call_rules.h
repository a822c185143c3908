/* SPDX-License-Identifier: MIT */
/*
 * Which calls are wanted, and what each gets: the settings as they stand in a segment, and the
 * two lists of which they are made. Both processes check the same text with this code.
 *
 *	match = GLOB {, GLOB}           "" is all. Looked for in module.function ("json.decoder.
 *	                                JSONDecoder.decode"), in the function and in the module
 *	files = item {, item}
 *	item  = PATH | +PATH | -PATH | !PATH
 *	PATH  = a file | a folder | a glob | stdlib
 *
 * The last item that matches a function's file decides. A plain or a + item lets in, and then
 * what no item names is out; where there are - and ! alone, it is in. A relative PATH may begin
 * at any folder: "app.py" is every app.py. `stdlib` is the standard library.
 *
 * The rules are about Python functions. A C function has the fate of who calls it.
 */
#ifndef COMMON_CALL_RULES_H
#define COMMON_CALL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*      level  value  text */
#define CALL_LEVELS(X) \
	X(OFF, 0, "off") \
	X(COUNT, 1, "count")   /* calls of each function, in shared memory */ \
	X(STATS, 2, "stats")   /* their times, too */ \
	X(RECORD, 3, "record") /* the stream */

enum call_level {
#define X(name, value, text) CALL_LEVEL_##name = value,
	CALL_LEVELS(X)
#undef X
};

/*      back end  value  text */
#define CALL_BACKENDS(X) \
	X(AUTO, 0, "auto")             /* monitoring where there is one, else profile */ \
	X(PROFILE, 1, "profile")       /* PyEval_SetProfile */ \
	X(MONITORING, 2, "monitoring") /* sys.monitoring, from 3.12 */ \
	X(EVAL, 3, "eval")             /* the frame evaluator, from 3.9; no C calls */

enum call_backend {
#define X(name, value, text) CALL_BACKEND_##name = value,
	CALL_BACKENDS(X)
#undef X
};

#define CALL_RULES_BYTES 512 /* of a list, with its NUL */
#define CALL_RULES_MAX 32    /* items of a list */

/* Part of the format of a segment. */
struct call_settings {
	uint32_t level;     /* enum call_level */
	uint32_t backend;   /* enum call_backend */
	uint32_t no_c;      /* 1: leave C functions out */
	uint32_t max_depth; /* calls of a thread that are shown one in another; 0: all */
	char match[CALL_RULES_BYTES];
	char files[CALL_RULES_BYTES];
};
_Static_assert(sizeof(struct call_settings) == 1040, "part of the format");

/* -EINVAL: no such word; *value is unchanged. */
int call_level_parse(const char *text, uint32_t *value);
int call_backend_parse(const char *text, uint32_t *value);
const char *call_level_name(unsigned value);
const char *call_backend_name(unsigned value);

struct call_rules {
	char match[CALL_RULES_BYTES], files[CALL_RULES_BYTES]; /* items are NUL-terminated here */
	uint16_t globs[CALL_RULES_MAX], paths[CALL_RULES_MAX]; /* offsets */
	bool in[CALL_RULES_MAX];  /* of paths */
	unsigned n_globs, n_paths;
	bool others_out; /* a file that no item names */
};

/*
 * 0, or -EINVAL or -E2BIG with `why` (optional) a sentence without a full stop; then nothing is
 * left out.
 */
int call_rules_parse(struct call_rules *rules, const char *match, const char *files, char *why,
		     size_t why_bytes);

/* Is this Python function wanted? */
bool call_rules_apply(const struct call_rules *rules, const char *module, const char *function,
		      const char *file, bool stdlib);

#endif
