/* SPDX-License-Identifier: MIT */
/* What an event touches is found by the role and the type of its arguments. */
#include "roles.h"
#include "value_tree.h"

static struct roles roles;

static void
read_roles(const char *name, const struct node *nodes, unsigned n)
{
	size_t bytes = tree_encode(nodes, n);
	struct event event = {.type = EVENT_AUDIT, .name = name, .info = event_info_find(name),
			      .n_args = n, .values = tree_bytes, .values_end = tree_bytes + bytes};
	roles_read(&roles, &event, 0);
}
#define READ(name, ...) \
	read_roles((name), (const struct node[]){__VA_ARGS__}, \
		   sizeof(const struct node[]){__VA_ARGS__} / sizeof(struct node))

static bool
is(const struct value *value, const char *expected)
{
	if (expected == NULL)
		return value->tag == 0;
	return value->tag != 0 && value->len == strlen(expected) &&
	       memcmp(value->bytes, expected, value->len) == 0;
}

#define PORT(host_, port_) \
	do { \
		ck_assert(is(&roles.host, (host_))); \
		ck_assert(roles.has_port); \
		ck_assert_uint_eq(roles.port, (port_)); \
	} while (0)

START_TEST(a_path_is_text_or_a_descriptor)
{
	READ("open", tree_str("/a"), tree_str("r"), tree_int(0));
	ck_assert(is(&roles.path, "/a") && !roles.has_fd);
	READ("open", tree_text(VALUE_BYTES8, "/b\xff", 3), tree_str("r"), tree_int(0));
	ck_assert(is(&roles.path, "/b\xff"));
	READ("open", tree_int(7), tree_str("r"), tree_int(0));
	ck_assert(is(&roles.path, NULL) && roles.has_fd);
	ck_assert_int_eq(roles.fd, 7);
	READ("open", tree_plain(VALUE_NONE), tree_str("r"), tree_int(0));
	ck_assert(is(&roles.path, NULL) && !roles.has_fd);
	READ("open", tree_plain(VALUE_TRUE), tree_str("r"), tree_int(0));
	ck_assert(!roles.has_fd);
	READ("os.rename", tree_str("a"), tree_str("b"));
	ck_assert(is(&roles.path, "a") && is(&roles.path2, "b"));
	READ("fcntl.flock", tree_int(5), tree_int(2));
	ck_assert(roles.has_fd && roles.fd == 5);
	/* A program's own event has none. */
	READ("myapp.open", tree_str("/a"));
	ck_assert(is(&roles.path, NULL));
}
END_TEST

START_TEST(an_address_is_a_host_and_a_port_or_a_path)
{
	struct node self = tree_plain(VALUE_NONE);
	READ("socket.connect", self, TREE_ITEMS(VALUE_TUPLE, tree_str("h"), tree_int(80)));
	PORT("h", 80);
	READ("socket.connect", self,
	     TREE_ITEMS(VALUE_TUPLE, tree_str("::1"), tree_int(65535), tree_int(0), tree_int(0)));
	PORT("::1", 65535);
	READ("socket.connect", self, tree_str("/run/sock"));
	ck_assert(is(&roles.path, "/run/sock") && is(&roles.host, NULL) && !roles.has_port);
	READ("socket.connect", self, tree_text(VALUE_BYTES8, "\0abstract", 9));
	ck_assert_uint_eq(roles.path.len, 9);
	/* Netlink and AF_ALG addresses are neither. */
	READ("socket.connect", self, TREE_ITEMS(VALUE_TUPLE, tree_int(1), tree_int(2)));
	ck_assert(is(&roles.host, NULL) && !roles.has_port);
	READ("socket.bind", self, TREE_ITEMS(VALUE_TUPLE, tree_str("hash"), tree_str("sha1")));
	ck_assert(is(&roles.host, NULL) && !roles.has_port);
	READ("socket.bind", self, TREE_ITEMS(VALUE_TUPLE, tree_str("h")));
	ck_assert(is(&roles.host, NULL));
	READ("socket.bind", self, TREE_ITEMS(VALUE_TUPLE, tree_str("h"), tree_int(65536)));
	ck_assert(is(&roles.host, "h") && !roles.has_port);
}
END_TEST

START_TEST(a_port_is_a_number_of_16_bits)
{
	READ("socket.getaddrinfo", tree_str("h"), tree_int(443));
	PORT("h", 443);
	READ("socket.getaddrinfo", tree_str("h"), tree_str("8080"));
	PORT("h", 8080);
	READ("socket.getaddrinfo", tree_text(VALUE_BYTES8, "h", 1),
	     tree_text(VALUE_BYTES8, "1", 1));
	PORT("h", 1);
	static const char *const wrong[] = {"", "http", "65536", "99999", "123456", "-1", "1x"};
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		READ("socket.getaddrinfo", tree_str("h"), tree_str(wrong[i]));
		ck_assert_msg(!roles.has_port, "%s", wrong[i]);
	}
	READ("socket.getaddrinfo", tree_plain(VALUE_NONE), tree_int(-1));
	ck_assert(!roles.has_port && is(&roles.host, NULL));
	READ("socket.getaddrinfo", tree_str("h"), tree_int(INT64_MAX));
	ck_assert(!roles.has_port);
}
END_TEST

static void
url(const char *text)
{
	READ("webbrowser.open", tree_str(text));
}

START_TEST(a_url_has_a_host_and_a_port)
{
	url("http://example.org/a");
	PORT("example.org", 80);
	url("HTTPS://example.org");
	PORT("example.org", 443);
	url("http://u:p@example.org:8080/a:1");
	PORT("example.org", 8080);
	url("http://[::1]:8080/");
	PORT("::1", 8080);
	url("http://[::1]/");
	PORT("::1", 80);
	url("ws://u:1@[fe80::1]?a@b:9");
	PORT("fe80::1", 80);
	url("http://h:/");
	PORT("h", 80);
	static const char *const none[] = {"", "http", "http:", "http:/", "file:///etc",
					   "mailto:a@b", "x://h", "://h"};
	for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
		url(none[i]);
		ck_assert_msg(is(&roles.host, NULL) && !roles.has_port, "%s", none[i]);
	}
	url("http:///path");
	ck_assert(is(&roles.host, NULL));
	READ("urllib.Request", tree_text(VALUE_BYTES8, "ftp://h", 7));
	PORT("h", 21);
	ck_assert(value_is_bytes(&roles.host));
}
END_TEST

/* A port that is none is not the default one. */
START_TEST(a_url_with_a_wrong_port_has_no_port)
{
	url("http://h:99999/");
	ck_assert(is(&roles.host, "h") && !roles.has_port);
	url("http://h:abc/");
	ck_assert(is(&roles.host, "h") && !roles.has_port);
}
END_TEST

START_TEST(an_argv_is_a_sequence_or_one_text)
{
	READ("os.exec", tree_str("/bin/ls"), TREE_ITEMS(VALUE_LIST, tree_str("ls")),
	     tree_plain(VALUE_NONE));
	ck_assert(value_is_sequence(&roles.argv) && !roles.argv_is_one);
	ck_assert(is(&roles.path, "/bin/ls"));
	READ("subprocess.Popen", tree_str("x"), tree_str("ls -l"));
	ck_assert(roles.argv_is_one && is(&roles.argv, "ls -l"));
	READ("subprocess.Popen", tree_str("x"), tree_text(VALUE_OBJECT, "pathlib.Path", 12));
	ck_assert(is(&roles.argv, NULL));
}
END_TEST

START_TEST(arguments_are_counted_as_that_python_raises_them)
{
	const struct event_info *info = event_info_find("shutil.rmtree");
	ck_assert_str_eq(roles_arg(info, 0, 8)->name, "path");
	ck_assert_ptr_null(roles_arg(info, 1, 10));
	ck_assert_str_eq(roles_arg(info, 1, 11)->name, "dir_fd");
	ck_assert_str_eq(roles_arg(info, 1, 0)->name, "dir_fd");
	ck_assert_ptr_null(roles_arg(info, 2, 0));
	ck_assert_ptr_null(roles_arg(NULL, 0, 0));
}
END_TEST

START_TEST(any_values_in_any_place_do_no_harm)
{
	size_t n_events;
	const struct event_info *all = event_info_all(&n_events);
	for (unsigned seed = 0; seed < 20000; seed++) {
		struct dice dice = {seed};
		struct node nodes[6];
		unsigned n = dice_below(&dice, 7);
		tree_reset();
		for (unsigned i = 0; i < n; i++)
			nodes[i] = tree_random(&dice, 2);
		read_roles(all[seed % n_events].name, nodes, n);
		const uint8_t *end = tree_bytes + sizeof tree_bytes;
		const struct value *texts[] = {&roles.path, &roles.path2, &roles.host};
		for (unsigned i = 0; i < 3; i++)
			NEED(texts[i]->tag == 0 ||
			     (value_is_text(texts[i]) && texts[i]->bytes >= tree_bytes &&
			      texts[i]->bytes + texts[i]->len <= end));
		NEED(!roles.has_port || roles.port <= 65535);
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("roles");
	tcase_add_test(tc, a_path_is_text_or_a_descriptor);
	tcase_add_test(tc, an_address_is_a_host_and_a_port_or_a_path);
	tcase_add_test(tc, a_port_is_a_number_of_16_bits);
	tcase_add_test(tc, a_url_has_a_host_and_a_port);
	tcase_add_test(tc, a_url_with_a_wrong_port_has_no_port);
	tcase_add_test(tc, an_argv_is_a_sequence_or_one_text);
	tcase_add_test(tc, arguments_are_counted_as_that_python_raises_them);
	tcase_add_test(tc, any_values_in_any_place_do_no_harm);
	return suite_run("roles", tc);
}
