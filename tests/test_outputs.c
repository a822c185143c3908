/* SPDX-License-Identifier: MIT */
/* Lines arrive whole and in order in every sink; one that fails is counted, the others go on. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "log.h"
#include "outputs.h"
#include "sink.h"
#include "suite.h"
#include "temp_dir.h"

static char why[400];
static struct outputs *outputs;

/* Each test begins with a directory, a stderr that is a file in it, and SIGPIPE ignored. */
static void
begin(void)
{
	temp_dir_open();
	signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_nonnull(freopen(temp_path("stderr"), "w", stderr));
	log_set_level(LOG_NORMAL);
}

static struct sink
open_sink(const char *spec, bool append)
{
	struct sink sink;
	ck_assert_msg(sink_open(&sink, spec, append, why, sizeof why) == 0, "%s", why);
	return sink;
}

static void
write_sink(struct sink *sink, const char *lines)
{
	size_t n_lost = 99;
	ck_assert_int_eq(sink_write(sink, lines, strlen(lines), &n_lost), 0);
	ck_assert_uint_eq(n_lost, 0);
}

static void
open_outputs(struct options options, const char **specs, size_t n)
{
	options.outputs.items = specs;
	options.outputs.n = n;
	ck_assert_msg(outputs_open(&outputs, &options, why, sizeof why) == 0, "%s", why);
}

START_TEST(a_file_is_the_owners_and_emptied_unless_appended_to)
{
	struct stat st;
	begin();
	const char *path = temp_path("out");
	umask(0);
	struct sink sink = open_sink(path, false);
	write_sink(&sink, "one\n");
	ck_assert_int_eq(sink_close(&sink, why, sizeof why), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	sink = open_sink(path, true);
	write_sink(&sink, "two\n");
	sink_close(&sink, why, sizeof why);
	ck_assert_str_eq(temp_read("out"), "one\ntwo\n");
	sink = open_sink(path, false);
	write_sink(&sink, "three\n");
	sink_close(&sink, why, sizeof why);
	ck_assert_str_eq(temp_read("out"), "three\n");
	ck_assert_int_eq(sink_open(&sink, temp_path("no/such"), false, why, sizeof why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "cannot write to"));
	temp_dir_close();
}
END_TEST

START_TEST(a_file_that_was_moved_is_begun_anew_on_reopen)
{
	begin();
	struct sink sink = open_sink(temp_path("out"), false);
	write_sink(&sink, "one\n");
	ck_assert_int_eq(rename(temp_path("out"), temp_path("out.1")), 0);
	write_sink(&sink, "two\n");
	ck_assert_int_eq(sink_reopen(&sink, why, sizeof why), 0);
	write_sink(&sink, "three\n");
	ck_assert_int_eq(sink_reopen(&sink, why, sizeof why), 0);
	write_sink(&sink, "four\n");
	ck_assert_str_eq(temp_read("out.1"), "one\ntwo\n");
	ck_assert_str_eq(temp_read("out"), "three\nfour\n");
	/* Truncated by logrotate: no hole. */
	ck_assert_int_eq(truncate(temp_path("out"), 0), 0);
	write_sink(&sink, "five\n");
	ck_assert_str_eq(temp_read("out"), "five\n");
	sink_close(&sink, why, sizeof why);
	temp_dir_close();
}
END_TEST

START_TEST(a_full_disk_leaves_whole_lines_and_counts_the_rest)
{
	struct rlimit limit = {10, 10};
	size_t n_lost;
	begin();
	signal(SIGXFSZ, SIG_IGN);
	struct sink sink = open_sink(temp_path("out"), false);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(sink_write(&sink, "one\ntwo\nthree\nfour\n", 19, &n_lost), -EFBIG);
	ck_assert_uint_eq(n_lost, 2);
	ck_assert_str_eq(temp_read("out"), "one\ntwo\n");
	ck_assert_int_eq(sink_write(&sink, "a\nb\n", 4, &n_lost), -EFBIG);
	ck_assert_uint_eq(n_lost, 1);
	ck_assert_str_eq(temp_read("out"), "one\ntwo\na\n");
	ck_assert_int_eq(sink_write(&sink, "a\nb\n", 4, &n_lost), -EFBIG);
	ck_assert_uint_eq(n_lost, 2);
	sink_close(&sink, why, sizeof why);
	temp_dir_close();
}
END_TEST

START_TEST(a_reader_that_leaves_is_epipe_and_all_lines_count)
{
	int ends[2];
	char spec[20];
	size_t n_lost;
	begin();
	ck_assert_int_eq(pipe(ends), 0);
	snprintf(spec, sizeof spec, "fd:%d", ends[1]);
	struct sink sink = open_sink(spec, false);
	write_sink(&sink, "one\n");
	close(ends[0]);
	ck_assert_int_eq(sink_write(&sink, "a\nb\nc\n", 6, &n_lost), -EPIPE);
	ck_assert_uint_eq(n_lost, 3);
	ck_assert_int_eq(sink_close(&sink, why, sizeof why), 0);
	ck_assert_int_ge(fcntl(ends[1], F_GETFD), 0); /* was not ours to close */
	temp_dir_close();
}
END_TEST

START_TEST(a_descriptor_must_be_open_for_writing)
{
	static const char *const wrong[] = {"fd:", "fd:x", "fd:1x", "fd:-1", "fd:9999999"};
	struct sink sink;
	char spec[20];
	begin();
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(sink_open(&sink, wrong[i], false, why, sizeof why), -EINVAL);
	snprintf(spec, sizeof spec, "fd:%d", open("/dev/null", O_RDONLY));
	ck_assert_int_eq(sink_open(&sink, spec, false, why, sizeof why), -EBADF);
	ck_assert_int_eq(sink_open(&sink, "fd:1000", false, why, sizeof why), -EBADF);
	sink = open_sink("-", false);
	ck_assert_int_eq(sink.fd, 1);
	temp_dir_close();
}
END_TEST

START_TEST(a_program_gets_every_line_and_its_failure_is_told)
{
	static char lines[300000];
	char spec[200];
	begin();
	for (size_t i = 0; i < sizeof lines - 1; i++)
		lines[i] = i % 100 == 99 ? '\n' : 'x';
	snprintf(spec, sizeof spec, "|wc -c > %s", temp_path("out"));
	struct sink sink = open_sink(spec, false);
	write_sink(&sink, lines);
	ck_assert_int_eq(sink_close(&sink, why, sizeof why), 0); /* it has ended */
	ck_assert_int_eq(atoi(temp_read("out")), sizeof lines - 1);
	sink = open_sink("|cat >/dev/null; exit 3", false);
	ck_assert_int_eq(sink_close(&sink, why, sizeof why), -ECHILD);
	ck_assert_ptr_nonnull(strstr(why, "exited with status 3"));
	sink = open_sink("|kill -9 $$", false);
	ck_assert_int_eq(sink_close(&sink, why, sizeof why), -ECHILD);
	ck_assert_ptr_nonnull(strstr(why, "killed by signal 9"));
	temp_dir_close();
}
END_TEST

static int
listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	memcpy(address.sun_path, path, n);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(a_socket_by_path_or_abstract_gets_the_lines)
{
	char spec[200], name[100], text[20] = "";
	struct sink sink;
	begin();
	snprintf(name, sizeof name, "@pyauditd-test-%d", getpid());
	const char *paths[] = {temp_path("socket"), name};
	for (unsigned i = 0; i < 2; i++) {
		snprintf(spec, sizeof spec, "unix:%s", paths[i]);
		ck_assert_int_lt(sink_open(&sink, spec, false, why, sizeof why), 0);
		ck_assert_ptr_nonnull(strstr(why, "cannot connect to"));
		int server = listen_at(paths[i]);
		sink = open_sink(spec, false);
		int reader = accept(server, NULL, NULL);
		write_sink(&sink, "one\n");
		ck_assert_int_eq(sink_close(&sink, why, sizeof why), 0);
		ck_assert_int_eq(read(reader, text, sizeof text), 4);
		ck_assert_int_eq(read(reader, text, sizeof text), 0);
		close(reader);
		close(server);
	}
	memset(spec + 5, 'x', 150);
	spec[155] = '\0';
	ck_assert_int_eq(sink_open(&sink, spec, false, why, sizeof why), -ENAMETOOLONG);
	temp_dir_close();
}
END_TEST

START_TEST(every_sink_gets_its_channel_in_order)
{
	begin();
	const char *specs[] = {temp_path("a"), temp_path("b")};
	open_outputs((struct options){.format = FORMAT_JSON}, specs, 2);
	ck_assert(outputs_wants(outputs, CHANNEL_JSON) && !outputs_wants(outputs, CHANNEL_TEXT));
	outputs_collect(outputs, CHANNEL_JSON, "1\n", 2);
	outputs_collect(outputs, CHANNEL_TEXT, "no\n", 3);
	ck_assert_str_eq(temp_read("a"), "");
	outputs_write(outputs, CHANNEL_JSON, "2\n", 2);
	ck_assert_str_eq(temp_read("a"), "1\n2\n");
	outputs_collect(outputs, CHANNEL_JSON, "3\n", 2);
	outputs_flush(outputs);
	outputs_collect(outputs, CHANNEL_JSON, "4\n", 2);
	outputs_close(outputs);
	ck_assert_str_eq(temp_read("a"), "1\n2\n3\n4\n");
	ck_assert_str_eq(temp_read("b"), "1\n2\n3\n4\n");
	ck_assert(!outputs_failed(outputs));
	outputs_free(outputs);

	open_outputs((struct options){.format = FORMAT_TEXT}, specs, 1);
	ck_assert(!outputs_wants(outputs, CHANNEL_JSON) && outputs_wants(outputs, CHANNEL_TEXT));
	outputs_close(outputs);
	outputs_free(outputs);
	temp_dir_close();
}
END_TEST

START_TEST(lines_do_not_wait_beyond_64_kib)
{
	static char line[1001];
	begin();
	memset(line, 'x', 999);
	line[999] = '\n';
	const char *specs[] = {temp_path("a")};
	open_outputs((struct options){.format = FORMAT_JSON}, specs, 1);
	for (unsigned i = 0; i < 65; i++)
		outputs_collect(outputs, CHANNEL_JSON, line, 1000);
	ck_assert_str_eq(temp_read("a"), "");
	outputs_collect(outputs, CHANNEL_JSON, line, 1000);
	ck_assert_uint_eq(strlen(temp_read("a")), 66000);
	outputs_close(outputs);
	ck_assert_uint_eq(strlen(temp_read("a")), 66000);
	outputs_free(outputs);
	temp_dir_close();
}
END_TEST

START_TEST(a_sink_that_fails_is_given_up_and_the_others_go_on)
{
	begin();
	const char *specs[] = {"/dev/full", temp_path("a")};
	open_outputs((struct options){.format = FORMAT_JSON}, specs, 2);
	outputs_write(outputs, CHANNEL_JSON, "1\n2\n", 4);
	ck_assert(!outputs_gone(outputs) && outputs_failed(outputs));
	outputs_write(outputs, CHANNEL_JSON, "3\n", 2);
	outputs_close(outputs);
	outputs_free(outputs);
	ck_assert_str_eq(temp_read("a"), "1\n2\n3\n");
	const char *said = temp_read("stderr");
	ck_assert_ptr_nonnull(strstr(said, "output /dev/full: "));
	ck_assert_ptr_nonnull(strstr(said, "2 lines of this batch, and all that follow, are not written"));
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1); /* once */

	open_outputs((struct options){.format = FORMAT_JSON}, specs, 1);
	ck_assert(!outputs_gone(outputs));
	outputs_collect(outputs, CHANNEL_JSON, "1\n", 2);
	outputs_flush(outputs);
	ck_assert(outputs_gone(outputs) && !outputs_wants(outputs, CHANNEL_JSON));
	outputs_close(outputs);
	outputs_free(outputs);
	temp_dir_close();
}
END_TEST

START_TEST(the_reader_of_stdout_leaving_is_no_failure)
{
	int ends[2];
	begin();
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
	close(ends[0]);
	open_outputs((struct options){0}, NULL, 0);
	outputs_write(outputs, CHANNEL_JSON, "1\n", 2);
	ck_assert(outputs_gone(outputs) && !outputs_failed(outputs));
	outputs_close(outputs);
	outputs_free(outputs);
	ck_assert_str_eq(temp_read("stderr"), "");
	temp_dir_close();
}
END_TEST

START_TEST(without_an_output_it_is_stdout_or_with_a_command_stderr)
{
	char *command[] = {"true", NULL};
	begin();
	open_outputs((struct options){.command = command}, NULL, 0);
	outputs_write(outputs, CHANNEL_JSON, "to stderr\n", 10);
	outputs_close(outputs);
	outputs_free(outputs);
	ck_assert_str_eq(temp_read("stderr"), "to stderr\n");
	open_outputs((struct options){.summary_only = true}, NULL, 0);
	ck_assert(!outputs_wants(outputs, CHANNEL_JSON) && !outputs_wants(outputs, CHANNEL_TEXT));
	ck_assert(!outputs_gone(outputs));
	outputs_close(outputs);
	outputs_free(outputs);
	temp_dir_close();
}
END_TEST

START_TEST(one_that_cannot_be_opened_opens_none)
{
	struct options options = {.format = FORMAT_JSON};
	begin();
	const char *specs[] = {temp_path("a"), temp_path("no/such"), "fd:1"};
	options.outputs.items = specs;
	options.outputs.n = 3;
	ck_assert_int_eq(outputs_open(&outputs, &options, why, sizeof why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "no/such"));
	temp_dir_close();
}
END_TEST

START_TEST(outputs_are_reopened_behind_what_was_collected)
{
	begin();
	const char *specs[] = {temp_path("a")};
	open_outputs((struct options){.format = FORMAT_JSON}, specs, 1);
	outputs_collect(outputs, CHANNEL_JSON, "1\n", 2);
	ck_assert_int_eq(rename(specs[0], temp_path("b")), 0);
	outputs_reopen(outputs);
	outputs_collect(outputs, CHANNEL_JSON, "2\n", 2);
	outputs_close(outputs);
	outputs_free(outputs);
	ck_assert_str_eq(temp_read("b"), "1\n");
	ck_assert_str_eq(temp_read("a"), "2\n");
	temp_dir_close();
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("outputs");
	tcase_add_test(tc, a_file_is_the_owners_and_emptied_unless_appended_to);
	tcase_add_test(tc, a_file_that_was_moved_is_begun_anew_on_reopen);
	tcase_add_test(tc, a_full_disk_leaves_whole_lines_and_counts_the_rest);
	tcase_add_test(tc, a_reader_that_leaves_is_epipe_and_all_lines_count);
	tcase_add_test(tc, a_descriptor_must_be_open_for_writing);
	tcase_add_test(tc, a_program_gets_every_line_and_its_failure_is_told);
	tcase_add_test(tc, a_socket_by_path_or_abstract_gets_the_lines);
	tcase_add_test(tc, every_sink_gets_its_channel_in_order);
	tcase_add_test(tc, lines_do_not_wait_beyond_64_kib);
	tcase_add_test(tc, a_sink_that_fails_is_given_up_and_the_others_go_on);
	tcase_add_test(tc, the_reader_of_stdout_leaving_is_no_failure);
	tcase_add_test(tc, without_an_output_it_is_stdout_or_with_a_command_stderr);
	tcase_add_test(tc, one_that_cannot_be_opened_opens_none);
	tcase_add_test(tc, outputs_are_reopened_behind_what_was_collected);
	return suite_run("outputs", tc);
}
