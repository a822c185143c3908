/* SPDX-License-Identifier: MIT */
/* --path and --addr let through what was asked for, and nothing else. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "filter.h"
#include "value_tree.h"

static struct filter *filter;
static char why[300];

static void
fresh(void)
{
	filter_free(filter);
	filter = filter_new();
	ck_assert_ptr_nonnull(filter);
}

static void
only_path(const char *glob)
{
	fresh();
	ck_assert_int_eq(filter_add_path(filter, glob, why, sizeof why), 0);
}

static void
only_addr(const char *addr)
{
	fresh();
	ck_assert_int_eq(filter_add_addr(filter, addr, why, sizeof why), 0);
}

static bool
matches(const char *name, const struct node *nodes, unsigned n, const char *cwd)
{
	size_t bytes = tree_encode(nodes, n);
	struct event event = {.type = EVENT_AUDIT, .name = name, .info = event_info_find(name),
			      .n_args = n, .values = tree_bytes, .values_end = tree_bytes + bytes};
	return filter_match(filter, &event, cwd);
}

static bool
path(const char *text, const char *cwd)
{
	struct node nodes[] = {tree_str(text)};
	return matches("os.mkdir", nodes, 1, cwd);
}

static bool
addr(const char *host, int64_t port)
{
	struct node nodes[] = {tree_plain(VALUE_NONE),
			       TREE_ITEMS(VALUE_TUPLE, tree_str(host), tree_int(port))};
	return matches("socket.connect", nodes, 2, "/");
}

START_TEST(without_a_pattern_everything_passes)
{
	fresh();
	ck_assert(filter_empty(filter));
	ck_assert(path("/a", NULL) && addr("h", 1));
	only_path("/nowhere");
	ck_assert(!filter_empty(filter));
	struct event event = {.type = EVENT_LOST};
	ck_assert(filter_match(filter, &event, NULL));
	event.type = EVENT_NOTICE;
	ck_assert(filter_match(filter, &event, NULL));
	ck_assert(!addr("h", 1));
	filter_free(filter);
}
END_TEST

START_TEST(a_plain_path_takes_what_lies_below_it)
{
	only_path("/srv/data/");
	ck_assert(path("/srv/data", NULL) && path("/srv/data/a/b", NULL));
	ck_assert(!path("/srv/database", NULL) && !path("/srv", NULL) && !path("/", NULL));
	only_path("/");
	ck_assert(path("/", NULL) && path("/anything", NULL));
	filter_free(filter);
}
END_TEST

START_TEST(a_glob_matches_the_whole_path_slashes_included)
{
	only_path("/srv/*.log");
	ck_assert(path("/srv/a.log", NULL) && path("/srv/a/b.log", NULL));
	ck_assert(!path("/srv/a.log.1", NULL) && !path("/x/srv/a.log", NULL));
	only_path("*.log");
	ck_assert(path("/a/b.log", NULL) && path("c.log", "/d"));
	only_path("?.log");
	ck_assert(path("/srv/a.log", NULL));
	only_path("/srv/[ab].txt");
	ck_assert(path("/srv/a.txt", NULL) && !path("/srv/c.txt", NULL));
	filter_free(filter);
}
END_TEST

static bool
removed(const char *text, int64_t dir_fd)
{
	struct node nodes[] = {tree_str(text), tree_int(dir_fd)};
	return matches("os.remove", nodes, 2, "/cwd");
}

static bool
renamed(const char *from, int64_t from_fd, const char *to, int64_t to_fd)
{
	struct node nodes[] = {tree_str(from), tree_str(to), tree_int(from_fd), tree_int(to_fd)};
	return matches("os.rename", nodes, 4, "/cwd");
}

START_TEST(where_nobody_knows_the_folder_what_may_be_meant_passes)
{
	only_path("/srv/d/sub");
	ck_assert(path("sub", NULL) && path("d/sub", NULL) && path("sub/f", NULL) &&
		  path("../sub", NULL) && path("srv/d/sub/x/y", NULL));
	ck_assert(!path("ub", NULL) && !path("d", NULL) && !path("f", NULL) &&
		  !path("sub2", NULL) && !path("x/sub", NULL));
	only_path("/");
	ck_assert(path("anything", NULL));
	only_path("/srv/*.log");
	ck_assert(path("a.log", NULL) && path("x/a.log", NULL) && !path("a.txt", NULL));
	only_path("*.log");
	ck_assert(path("a.log", NULL) && !path("a.txt", NULL));
	only_path("/srv/data*.csv");
	ck_assert(path("sub/x.csv", NULL) && !path("sub/x.txt", NULL));
	only_path("/srv/d");
	ck_assert(path(".", NULL) && path("..", NULL));
	filter_free(filter);
}
END_TEST

START_TEST(folder_that_is_open_is_not_the_working_directory)
{
	only_path("/cwd/f");
	ck_assert(removed("f", -1) && removed("f", 5) && !removed("g", -1) && !removed("g", 5));
	only_path("/srv/d/f");
	ck_assert(!removed("f", -1) && removed("f", 5));
	ck_assert(removed("/srv/d/f", 5) && !removed("/srv/e/f", 5));
	ck_assert(renamed("f", 3, "g", -1) && renamed("g", -1, "f", 3));
	ck_assert(!renamed("f", -1, "g", 3) && !renamed("g", 3, "f", -1));
	filter_free(filter);
}
END_TEST

static bool
opened(const char *text, struct node mode)
{
	struct node nodes[] = {tree_str(text), mode, tree_int(0)};
	return matches("open", nodes, 3, "/cwd");
}

START_TEST(folder_of_os_open_is_not_told)
{
	only_path("/srv/d/f");
	ck_assert(opened("f", tree_plain(VALUE_NONE)) && !opened("f", tree_str("r")));
	ck_assert(!opened("g", tree_plain(VALUE_NONE)));
	only_path("/cwd/f");
	ck_assert(opened("f", tree_plain(VALUE_NONE)) && opened("f", tree_str("r")));
	filter_free(filter);
}
END_TEST

START_TEST(a_link_begins_in_its_own_folder_and_a_glob_in_its_root)
{
	struct node link[] = {tree_str("../data/x"), tree_str("/srv/links/l"), tree_int(-1)};
	only_path("/srv/data/x");
	ck_assert(matches("os.symlink", link, 3, "/cwd"));
	struct node rooted[] = {tree_str("d/*"), tree_int(0), tree_str("/srv"), tree_plain(VALUE_NONE)};
	struct node plain[] = {tree_str("d/*"), tree_int(0), tree_plain(VALUE_NONE),
			       tree_plain(VALUE_NONE)};
	only_path("/srv");
	ck_assert(!matches("glob.glob/2", plain, 4, "/cwd") && matches("glob.glob/2", plain, 4, "/srv"));
	only_path("/srv/d/*");
	ck_assert(matches("glob.glob/2", rooted, 4, "/cwd") && !matches("glob.glob/2", plain, 4, "/cwd"));
	filter_free(filter);
}
END_TEST

START_TEST(what_is_listed_without_a_path_is_the_working_directory)
{
	struct node none[] = {tree_plain(VALUE_NONE)};
	only_path("/srv");
	ck_assert(matches("os.listdir", none, 1, "/srv/d") && matches("os.scandir", none, 1, "/srv"));
	ck_assert(!matches("os.listdir", none, 1, "/cwd") && !matches("os.listdir", none, 0, "/srv"));
	ck_assert(!matches("os.mkdir", none, 1, "/srv"));
	filter_free(filter);
}
END_TEST

START_TEST(the_name_of_our_own_folder_is_no_pattern)
{
	char back[PATH_MAX], here[] = "/tmp/pyauditd-[ab]*.XXXXXX", file[PATH_MAX];
	ck_assert(getcwd(back, sizeof back) != NULL && mkdtemp(here) != NULL && chdir(here) == 0);
	only_path("d/*.log");
	ck_assert(path("d/x.log", here) && !path("d/x.log", "/tmp/pyauditd-a"));
	only_path("d/x");
	snprintf(file, sizeof file, "%s/d/x", here);
	ck_assert(path(file, NULL));
	ck_assert(chdir(back) == 0 && rmdir(here) == 0);
	filter_free(filter);
}
END_TEST

START_TEST(name_that_is_no_utf8_is_its_bytes)
{
	only_path("/srv/caf\xe9");
	ck_assert(path("/srv/caf\xe9", NULL));
	ck_assert(path("/srv/caf\xed\xb3\xa9", NULL)); /* U+DCE9 */
	ck_assert(path("caf\xed\xb3\xa9/x", "/srv"));
	ck_assert(!path("/srv/caf\xed\xb3\xa8", NULL));
	/* U+D7FF, and a surrogate that stands for no byte, are what they are. */
	only_path("/\xed\x9f\xbf");
	ck_assert(path("/\xed\x9f\xbf", NULL));
	only_path("/\xed\xa0\x80");
	ck_assert(path("/\xed\xa0\x80", NULL));
	filter_free(filter);
}
END_TEST

START_TEST(relative_paths_start_in_the_directory_of_their_process)
{
	char cwd[PATH_MAX];
	ck_assert_ptr_nonnull(getcwd(cwd, sizeof cwd));
	only_path("/srv/data");
	ck_assert(path("data/x", "/srv") && path("./data", "/srv/") && path("../data", "/srv/y"));
	ck_assert(!path("data/x", "/"));
	ck_assert(path("../../../../srv/./data//x/..", "/a/b"));
	ck_assert(!path("/srv/data/..", NULL) && !path("/srv/data/../../srv/dat", NULL));
	only_path("here");
	ck_assert(path("here", cwd) && path("here/x", cwd) && !path("here", "/nowhere"));
	only_path("../there/*");
	char above[PATH_MAX + 20];
	snprintf(above, sizeof above, "%s/../there/x", cwd);
	ck_assert(path(above, NULL));
	filter_free(filter);
}
END_TEST

START_TEST(either_end_of_a_rename_is_enough)
{
	only_path("/to");
	struct node nodes[] = {tree_str("/from"), tree_str("/to/x")};
	ck_assert(matches("os.rename", nodes, 2, NULL));
	struct node away[] = {tree_str("/from"), tree_str("/elsewhere")};
	ck_assert(!matches("os.rename", away, 2, NULL));
	filter_free(filter);
}
END_TEST

START_TEST(odd_paths_match_nothing_and_do_no_harm)
{
	static char text[3 * PATH_MAX], cwd[2 * PATH_MAX];
	only_path("*");
	memset(text, 'a', sizeof text - 1);
	memset(cwd, 'b', sizeof cwd - 1);
	cwd[0] = '/';
	ck_assert(!path("", "/"));
	ck_assert(!path(text, "/"));
	struct node abstract[] = {tree_plain(VALUE_NONE), tree_text(VALUE_BYTES8, "\0name", 5)};
	ck_assert(!matches("socket.connect", abstract, 2, "/"));
	/* Around the size of the buffer. */
	for (size_t n = 2 * PATH_MAX - 20; n < 2 * PATH_MAX + 20; n++) {
		char kept = text[n];
		text[n] = '\0';
		path(text, NULL);
		path(text, "/");
		path(text, "");
		path(text, cwd);
		text[0] = '/';
		path(text, cwd);
		text[0] = 'a';
		text[n] = kept;
	}
	ck_assert_int_eq(filter_add_path(filter, "", why, sizeof why), -EINVAL);
	ck_assert_int_eq(filter_add_path(filter, text, why, sizeof why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "too long"));
	filter_free(filter);
}
END_TEST

START_TEST(random_paths_are_resolved_as_text)
{
	/* With a stack of names, which is another way to do it. */
	static const char *const parts[] = {"a", "b", ".", "..", "", "a", "..."};
	for (unsigned seed = 0; seed < 20000; seed++) {
		struct dice dice = {seed};
		char text[100] = "/", *stack[40], plain[200] = "";
		unsigned n = 0, n_parts = dice_below(&dice, 12);
		for (unsigned i = 0; i < n_parts; i++) {
			char *part = (char *)parts[dice_below(&dice, 7)];
			strcat(strcat(text, part), "/");
			if (strcmp(part, "..") == 0)
				n -= n > 0;
			else if (*part != '\0' && strcmp(part, ".") != 0)
				stack[n++] = part;
		}
		for (unsigned i = 0; i < n; i++)
			strcat(strcat(plain, "/"), stack[i]);
		fresh();
		NEED(filter_add_path(filter, n > 0 ? plain : "/", why, sizeof why) == 0);
		NEED_MSG(path(text, NULL), "%s is %s", text, plain);
		NEED_MSG(path(text + 1, "/") || text[1] == '\0' || text[1] == '/', "%s", text);
		strcat(text, "x");
		strcat(plain, "/a");
		fresh();
		NEED(filter_add_path(filter, plain, why, sizeof why) == 0);
		NEED_MSG(!path(text, NULL), "%s is not %s", text, plain);
	}
	filter_free(filter);
}
END_TEST

START_TEST(addresses_are_compared_by_value)
{
	only_addr("::1");
	ck_assert(addr("::1", 80) && addr("0:0:0:0:0:0:0:1", 80) && !addr("::2", 80));
	only_addr("127.0.0.1");
	ck_assert(addr("127.0.0.1", 1) && addr("::ffff:127.0.0.1", 1) && !addr("127.0.0.2", 1));
	only_addr("fe80::1");
	ck_assert(addr("fe80::1%eth0", 1));
	only_addr("[fe80::1%eth0]:1");
	ck_assert(addr("fe80::1%eth0", 1) && !addr("fe80::2%eth0", 1));
	only_addr("[::1]:80");
	ck_assert(addr("::1", 80) && !addr("::1", 81));
	filter_free(filter);
}
END_TEST

START_TEST(names_are_compared_without_case_and_as_globs)
{
	only_addr("*.Example.org");
	ck_assert(addr("www.EXAMPLE.org", 1) && !addr("example.org", 1));
	only_addr("10.*");
	ck_assert(addr("10.1.2.3", 1) && !addr("110.1.2.3", 1));
	only_addr("localhost:8080");
	ck_assert(addr("localhost", 8080) && !addr("localhost", 80) && !addr("other", 8080));
	only_addr(":53");
	ck_assert(addr("anything", 53) && addr("::1", 53) && !addr("anything", 54));
	only_addr("h:*");
	ck_assert(addr("h", 1) && !addr("i", 1));
	only_addr(":0");
	ck_assert(addr("h", 0) && !addr("h", 1));
	filter_free(filter);
}
END_TEST

START_TEST(any_of_several_patterns_is_enough)
{
	only_addr("h");
	ck_assert_int_eq(filter_add_path(filter, "/a", why, sizeof why), 0);
	ck_assert_int_eq(filter_add_addr(filter, ":9", why, sizeof why), 0);
	ck_assert(addr("h", 1) && addr("i", 9) && path("/a/b", NULL));
	ck_assert(!addr("i", 1) && !path("/b", NULL));
	filter_free(filter);
}
END_TEST

START_TEST(what_is_no_address_is_refused_with_a_reason)
{
	static const char *const wrong[] = {"", ":", "h:", "h:x", "h:65536", "h:-1", "h: 1", "[::1",
					    "[::1]80", "[::1]:", "[::1]:x", "h:1x", "[]"};
	fresh();
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		why[0] = '\0';
		ck_assert_msg(filter_add_addr(filter, wrong[i], why, sizeof why) == -EINVAL, "%s",
			      wrong[i]);
		ck_assert_str_ne(why, "");
	}
	ck_assert(filter_empty(filter));
	filter_free(filter);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("filter");
	tcase_add_test(tc, without_a_pattern_everything_passes);
	tcase_add_test(tc, a_plain_path_takes_what_lies_below_it);
	tcase_add_test(tc, a_glob_matches_the_whole_path_slashes_included);
	tcase_add_test(tc, where_nobody_knows_the_folder_what_may_be_meant_passes);
	tcase_add_test(tc, folder_that_is_open_is_not_the_working_directory);
	tcase_add_test(tc, folder_of_os_open_is_not_told);
	tcase_add_test(tc, a_link_begins_in_its_own_folder_and_a_glob_in_its_root);
	tcase_add_test(tc, what_is_listed_without_a_path_is_the_working_directory);
	tcase_add_test(tc, the_name_of_our_own_folder_is_no_pattern);
	tcase_add_test(tc, name_that_is_no_utf8_is_its_bytes);
	tcase_add_test(tc, relative_paths_start_in_the_directory_of_their_process);
	tcase_add_test(tc, either_end_of_a_rename_is_enough);
	tcase_add_test(tc, odd_paths_match_nothing_and_do_no_harm);
	tcase_add_test(tc, random_paths_are_resolved_as_text);
	tcase_add_test(tc, addresses_are_compared_by_value);
	tcase_add_test(tc, names_are_compared_without_case_and_as_globs);
	tcase_add_test(tc, any_of_several_patterns_is_enough);
	tcase_add_test(tc, what_is_no_address_is_refused_with_a_reason);
	return suite_run("filter", tc);
}
