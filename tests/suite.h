/* SPDX-License-Identifier: MIT */
/* What the Check programs have in common. */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

/* ck_assert() without its note to the parent that we came here, which costs a write. */
#define NEED_MSG(condition, ...) \
	do { \
		if (!(condition)) \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)
#define NEED(condition) NEED_MSG(condition, "%s", #condition)

/* Run the tests of one unit; what main() returns. */
static inline int
suite_run(const char *name, TCase *tc)
{
	Suite *suite = suite_create(name);
	tcase_set_timeout(tc, 60); /* with a sanitizer on a slow machine */
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * Of so many rounds with random input those that this build takes: ThreadSanitizer makes each last
 * ten times as long, and finds nothing where there is one thread.
 */
static inline unsigned
rounds(unsigned n)
{
#ifdef __SANITIZE_THREAD__
	return n / 8;
#else
	return n;
#endif
}

/* Random numbers, the same ones each time (splitmix64). */
struct dice {
	uint64_t state;
};

static inline uint64_t
dice_u64(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* 0 <= n < limit */
static inline unsigned
dice_below(struct dice *dice, unsigned limit)
{
	return (unsigned)(dice_u64(dice) % limit);
}

#endif
