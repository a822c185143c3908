/* SPDX-License-Identifier: MIT */
/* The event list means the same in both processes, and bad lists are named. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "event_table.h"

static struct level_rules rules;
static char why[200];

static enum level
level_of(const char *list, const char *event)
{
	ck_assert_int_eq(level_rules_parse(&rules, list, false, why, sizeof why), 0);
	return level_rules_apply(&rules, event);
}

START_TEST(defaults_come_from_the_table)
{
	ck_assert_int_eq(level_of("", "socket.connect"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("", "builtins.id"), LEVEL_COUNT);
	ck_assert_int_eq(level_of("", "open"), LEVEL_APP);
	ck_assert_int_eq(level_of("", "myapp.login"), LEVEL_RECORD);
}
END_TEST

START_TEST(a_plain_list_replaces_the_defaults)
{
	ck_assert_int_eq(level_of("open", "open"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("open", "socket.connect"), LEVEL_OFF);
	ck_assert_int_eq(level_of("trace=socket.*", "socket.connect"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("all", "builtins.id"), LEVEL_RECORD);
}
END_TEST

START_TEST(signs_and_levels_change_the_defaults)
{
	ck_assert_int_eq(level_of("+import", "import"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("+import", "socket.connect"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("-socket.*", "socket.connect"), LEVEL_OFF);
	ck_assert_int_eq(level_of("!open", "open"), LEVEL_OFF);
	ck_assert_int_eq(level_of("open=count", "open"), LEVEL_COUNT);
	ck_assert_int_eq(level_of("all,-open", "open"), LEVEL_OFF);
}
END_TEST

START_TEST(open_belongs_to_import_where_importlib_raises_it)
{
	ck_assert_int_eq(level_of("@file", "open"), LEVEL_APP);
	ck_assert_int_eq(level_of("@import", "open"), LEVEL_IMPORT);
	ck_assert_int_eq(level_of("@file,%import", "open"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("+@import", "open"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("-@import", "open"), LEVEL_APP);
	ck_assert_int_eq(level_of("-@import", "import"), LEVEL_OFF);
}
END_TEST

START_TEST(bad_lists_are_refused_with_a_reason)
{
	ck_assert_int_eq(level_rules_parse(&rules, "opne", false, why, sizeof why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "unknown event 'opne'"));
	ck_assert_int_eq(level_rules_parse(&rules, "@fiel", false, why, sizeof why), -ENOENT);
	ck_assert_int_eq(level_rules_parse(&rules, "open=loud", false, why, sizeof why), -EINVAL);
	ck_assert_int_eq(level_rules_parse(&rules, "open,,", false, why, sizeof why), -EINVAL);
	ck_assert_int_eq(level_rules_parse(&rules, "smtplib.SMTP.send", false, why, sizeof why),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "raised as 'smtplib.send'"));
	ck_assert_int_eq(level_of("custom:myapp.login", "myapp.login"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("custom:*", "myapp.login"), LEVEL_RECORD);
	ck_assert_int_eq(level_of("custom:*", "open"), LEVEL_OFF);
	ck_assert_int_eq(level_of("custom:open", "open"), LEVEL_OFF);
}
END_TEST

START_TEST(a_lenient_list_keeps_what_it_understands)
{
	ck_assert_int_eq(level_rules_parse(&rules, "+opne,+import", true, NULL, 0), 0);
	ck_assert_int_eq(level_rules_apply(&rules, "import"), LEVEL_RECORD);
}
END_TEST

START_TEST(every_event_of_the_table_is_found)
{
	size_t n;
	const struct event_info *all = event_info_all(&n);
	ck_assert_uint_gt(n, 150);
	for (size_t i = 0; i < n; i++)
		ck_assert_ptr_eq(event_info_find(all[i].name), &all[i]);
	ck_assert_ptr_null(event_info_find("no.such"));
	ck_assert_int_eq(event_info_find("open")->args[0].role, ROLE_PATH);
	ck_assert(event_info_find("os.putenv")->args[1].secret);
	ck_assert_int_eq(event_info_find("shutil.rmtree")->args[1].since, 11);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("levels");
	tcase_add_test(tc, defaults_come_from_the_table);
	tcase_add_test(tc, a_plain_list_replaces_the_defaults);
	tcase_add_test(tc, signs_and_levels_change_the_defaults);
	tcase_add_test(tc, open_belongs_to_import_where_importlib_raises_it);
	tcase_add_test(tc, bad_lists_are_refused_with_a_reason);
	tcase_add_test(tc, a_lenient_list_keeps_what_it_understands);
	tcase_add_test(tc, every_event_of_the_table_is_found);
	Suite *suite = suite_create("levels");
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
