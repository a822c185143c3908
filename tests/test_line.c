/* SPDX-License-Identifier: MIT */
/* Numbers and times in a line are what libc says of them. */
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "line.h"
#include "suite.h"

static struct line out;

/* What was written since the last time, NUL-terminated. */
static const char *
written(void)
{
	line_char(&out, '\0');
	line_cut(&out, 0);
	return out.text;
}

#define NEED_WRITTEN(expected) \
	do { \
		const char *text_ = written(); \
		NEED_MSG(strcmp(text_, (expected)) == 0, "%s is not %s", text_, (expected)); \
	} while (0)

static void
check_integer(uint64_t n)
{
	char expected[32];
	line_u64(&out, n);
	snprintf(expected, sizeof expected, "%" PRIu64, n);
	NEED_WRITTEN(expected);
	line_i64(&out, (int64_t)n);
	snprintf(expected, sizeof expected, "%" PRId64, (int64_t)n);
	NEED_WRITTEN(expected);
}

START_TEST(integers_are_printed_as_printf_does)
{
	struct dice dice = {1};
	for (uint64_t power = 1;; power *= 10) {
		check_integer(power - 1);
		check_integer(power);
		check_integer(power + 1);
		if (power > UINT64_MAX / 10)
			break;
	}
	for (unsigned i = 0; i < 100000; i++)
		check_integer(dice_u64(&dice) >> dice_below(&dice, 64));
	check_integer(UINT64_MAX);
	check_integer((uint64_t)INT64_MAX);
	check_integer((uint64_t)INT64_MIN);
	line_fini(&out);
}
END_TEST

START_TEST(digits_are_as_many_as_asked_for)
{
	line_digits(&out, 7, 1);
	ck_assert_str_eq(written(), "7");
	line_digits(&out, 7, 9);
	ck_assert_str_eq(written(), "000000007");
	line_digits(&out, 123456, 3);
	ck_assert_str_eq(written(), "456");
	line_digits(&out, 123456, 4);
	ck_assert_str_eq(written(), "3456");
	line_digits(&out, 5, 0);
	ck_assert_str_eq(written(), "");
	line_fini(&out);
}
END_TEST

/* The fewest digits that read back, with printf's exponent. */
static void
check_double(double n)
{
	char expected[40], *point;
	for (int precision = 1; precision <= 17; precision++) {
		snprintf(expected, sizeof expected, "%.*e", precision - 1, n);
		if (strtod(expected, NULL) == n)
			break;
	}
	line_double(&out, n);
	const char *text = written();
	double back = strtod(text, &point);
	NEED(*point == '\0');
	NEED_MSG(memcmp(&back, &n, sizeof n) == 0, "%s is not %a", text, n);
	NEED_MSG(strpbrk(text, ".e") != NULL, "%s looks like an integer", text);
	/* As many digits as that form has, not counting what only fills up. */
	size_t digits = 0, needed = 0;
	for (const char *c = text; *c != '\0' && *c != 'e'; c++)
		digits += *c >= '0' && *c <= '9' && (digits > 0 || *c != '0');
	for (const char *c = expected; *c != '\0' && *c != 'e'; c++)
		needed += *c >= '0' && *c <= '9';
	if (strchr(text, 'e') != NULL)
		NEED_MSG(digits <= needed, "%s has more digits than %s", text, expected);
	NEED(strlen(text) <= 24);
}

START_TEST(doubles_read_back_bit_by_bit_in_the_fewest_digits)
{
	static const double hard[] = {0.0, 1.0, 0.1, 0.3, 1.5, 100.0, 1e15, 1e16, 1e17, 1e22, 1e23,
				      5e-324, 1e-323, 2.2250738585072009e-308,
				      2.2250738585072014e-308, 1.7976931348623157e308,
				      9007199254740993.0, 123456789012345678.0, 1e-5, 0.0001,
				      4.35, 1.0 / 3, 2.0 / 3};
	struct dice dice = {2};
	for (unsigned i = 0; i < sizeof hard / sizeof hard[0]; i++) {
		check_double(hard[i]);
		check_double(-hard[i]);
	}
	for (unsigned i = 0; i < 30000; i++) {
		uint64_t bits = dice_u64(&dice);
		double n;
		if (i % 3 == 0) /* subnormal */
			bits &= 0x800fffffffffffffu >> dice_below(&dice, 50);
		memcpy(&n, &bits, sizeof n);
		if (isfinite(n))
			check_double(n);
	}
	line_fini(&out);
}
END_TEST

START_TEST(doubles_look_like_floats)
{
	static const struct {
		double n;
		const char *text;
	} known[] = {{0.0, "0.0"},     {-0.0, "-0.0"}, {1.0, "1.0"},        {-3.0, "-3.0"},
		     {0.1, "0.1"},     {1e22, "1e+22"}, {5e-324, "5e-324"}, {1.5, "1.5"},
		     {1.7976931348623157e308, "1.7976931348623157e+308"}};
	for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
		line_double(&out, known[i].n);
		ck_assert_str_eq(written(), known[i].text);
	}
	line_fini(&out);
}
END_TEST

START_TEST(a_locale_with_commas_changes_nothing)
{
	static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8"};
	unsigned i = 0;
	while (i < 4 && setlocale(LC_NUMERIC, locales[i]) == NULL)
		i++;
	if (i == 4) {
		fprintf(stderr, "a_locale_with_commas_changes_nothing: skipped, no such locale\n");
		return;
	}
	line_double(&out, 1.5);
	ck_assert_str_eq(written(), "1.5");
	line_double(&out, 2.0);
	ck_assert_str_eq(written(), "2.0");
	line_fini(&out);
}
END_TEST

static void
check_time(struct line_clock *clock, uint64_t ns)
{
	char expected[128], date[32];
	time_t second = (time_t)(ns / 1000000000u);
	struct tm tm;
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
	snprintf(expected, sizeof expected, "\"time\":\"%s.%09uZ\",\"ts\":%lld.%06u", date,
		 (unsigned)(ns % 1000000000u), (long long)second,
		 (unsigned)(ns % 1000000000u / 1000));
	line_time(&out, clock, ns);
	NEED_WRITTEN(expected);
	strftime(date, sizeof date, "%H:%M:%S", localtime_r(&second, &tm));
	snprintf(expected, sizeof expected, "%s.%06u", date, (unsigned)(ns % 1000000000u / 1000));
	line_time_of_day(&out, clock, ns);
	NEED_WRITTEN(expected);
}

START_TEST(times_are_what_strftime_says)
{
	static const uint64_t seconds[] = {0, 1, 59, 86399, 86400, 951782399, 951782400, 951868800,
					   1795359601, 4107542399, 4107542400, 18446744073};
	struct line_clock clock = {0};
	struct dice dice = {3};
	setenv("TZ", "Asia/Kathmandu", 1);
	tzset();
	for (unsigned i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
		check_time(&clock, seconds[i] * 1000000000u);
		check_time(&clock, seconds[i] * 1000000000u + 1);
		if (seconds[i] < 18446744073)
			check_time(&clock, seconds[i] * 1000000000u + 999999999);
	}
	check_time(&clock, UINT64_MAX);
	/* Back to a second that is no longer the last one, then within it. */
	check_time(&clock, 0);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t ns = dice_u64(&dice);
		check_time(&clock, ns);
		check_time(&clock, ns + 1000 < ns ? ns : ns + 1000);
	}
	line_fini(&out);
}
END_TEST

START_TEST(without_memory_nothing_is_added_and_the_rest_stays)
{
	line_string(&out, "kept");
	NEED(!line_reserve(&out, SIZE_MAX / 2));
	NEED(out.failed);
	ck_assert_uint_eq(out.len, 4);
	line_cut(&out, 4);
	NEED(!out.failed);
	line_char(&out, '!');
	ck_assert_str_eq(written(), "kept!");
	line_fini(&out);
	ck_assert_ptr_null(out.text);
}
END_TEST

START_TEST(a_line_grows_by_single_bytes_to_any_size)
{
	for (unsigned i = 0; i < 300000; i++)
		line_char(&out, (char)('a' + i % 26));
	ck_assert_uint_eq(out.len, 300000);
	ck_assert_uint_le(out.room, 1u << 20);
	for (unsigned i = 0; i < 300000; i++)
		NEED(out.text[i] == (char)('a' + i % 26));
	line_fini(&out);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("line");
	tcase_add_test(tc, integers_are_printed_as_printf_does);
	tcase_add_test(tc, digits_are_as_many_as_asked_for);
	tcase_add_test(tc, doubles_read_back_bit_by_bit_in_the_fewest_digits);
	tcase_add_test(tc, doubles_look_like_floats);
	tcase_add_test(tc, a_locale_with_commas_changes_nothing);
	tcase_add_test(tc, times_are_what_strftime_says);
	tcase_add_test(tc, without_memory_nothing_is_added_and_the_rest_stays);
	tcase_add_test(tc, a_line_grows_by_single_bytes_to_any_size);
	return suite_run("line", tc);
}
