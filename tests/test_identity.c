/* SPDX-License-Identifier: MIT */
/* Who a process is, as the kernel says, and whom a pattern means. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "identity.h"
#include "proc.h"
#include "suite.h"
#include "temp_dir.h"

static struct identity identity;

START_TEST(a_process_is_read_with_its_words_and_places)
{
	static char longer[50000];
	memset(longer, 'x', sizeof longer - 1);
	/* It stops itself, so that it can be looked at. */
	char *shell[] = {"sh", "-c", "kill -STOP $$", "", "a\x1b%\xff b", longer, "", NULL};
	pid_t pid = fork();
	if (pid == 0) {
		if (chdir("/usr") != 0)
			_exit(99);
		execv("/bin/sh", shell);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	int proc = proc_open((uint32_t)pid);
	int err = identity_read(&identity, proc, (uint32_t)pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(err, 0);
	ck_assert(identity.alive);
	ck_assert_uint_eq(identity.pid, (uint32_t)pid);
	ck_assert_uint_eq(identity.ppid, (uint32_t)getpid());
	ck_assert_uint_eq(identity.uid, geteuid());
	ck_assert_uint_gt(identity.start_time, 0);
	ck_assert_str_eq(identity.cwd, "/usr");
	ck_assert_ptr_nonnull(strstr(identity.exe, "/"));
	for (unsigned i = 0; shell[i] != NULL; i++)
		ck_assert_str_eq(identity.argv[i], shell[i]);
	ck_assert_ptr_null(identity.argv[7]);
	identity_fini(&identity);
	ck_assert_ptr_null(identity.argv);

	/* Gone: also by a descriptor that was opened while it lived. */
	ck_assert_int_eq(identity_read(&identity, proc, (uint32_t)pid), -ESRCH);
	identity_fini(&identity);
	close(proc);
	ck_assert_int_eq(proc_open((uint32_t)pid), -ESRCH);
}
END_TEST

START_TEST(our_own_start_time_is_the_one_of_stat)
{
	char text[1024] = "";
	int proc = proc_open((uint32_t)getpid());
	ck_assert_int_eq(identity_read(&identity, proc, (uint32_t)getpid()), 0);
	int fd = open("/proc/self/stat", O_RDONLY);
	ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
	close(fd);
	/* The name may hold blanks and parentheses: count from its end. */
	char *word = strtok(strrchr(text, ')') + 1, " ");
	for (unsigned field = 3; field < 22; field++)
		word = strtok(NULL, " ");
	ck_assert_uint_eq(identity.start_time, strtoull(word, NULL, 10));
	identity_fini(&identity);
	close(proc);
}
END_TEST

START_TEST(a_hostile_program_name_is_not_taken_for_fields)
{
	char path[400], *argv[] = {"x", "30", NULL};
	temp_dir_open();
	snprintf(path, sizeof path, "%s", temp_path(") R 1 1 (a"));
	ck_assert_int_eq(symlink("/bin/sleep", path), 0);
	int ends[2];
	char byte;
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		execv(path, argv);
		_exit(127);
	}
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	struct proc_stat stat;
	int proc = proc_open((uint32_t)pid), err = proc_stat(proc, &stat);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(proc);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(stat.ppid, (uint32_t)getpid());
	temp_dir_close();
}
END_TEST

static bool
matches(const char *glob, char **argv)
{
	struct identity one = {.argv = argv};
	return identity_matches(&one, glob);
}
#define MATCHES(glob, ...) matches((glob), (char *[]){__VA_ARGS__, NULL})

START_TEST(a_pattern_means_the_script_or_the_command_line)
{
	ck_assert(MATCHES("app", "python", "/srv/app.py"));
	ck_assert(MATCHES("app.py", "python", "/srv/app.py"));
	ck_assert(MATCHES("app.*", "python", "/srv/app.py"));
	ck_assert(MATCHES("/srv/*", "python", "-u", "/srv/app.py"));
	ck_assert(MATCHES("json.tool", "python", "-m", "json.tool"));
	ck_assert(MATCHES("python * --port 80*", "python", "x.py", "--port", "8080"));
	ck_assert(!MATCHES("app.*", "python", "-c", "app.x"));
	ck_assert(!MATCHES("app.*", "python", "-m"));
	ck_assert(!MATCHES("app.*", "python", "-W", "app.x"));
	ck_assert(!MATCHES("app.*", "python", "-X"));
	ck_assert(MATCHES("app.*", "python", "-X", "dev", "app.py"));
	ck_assert(!MATCHES("*.pyc", "python", "app.py"));
	ck_assert(!MATCHES("ab", "python", "a", "b"));
	ck_assert(!matches("*", NULL));
	char *none[] = {NULL};
	ck_assert(matches("*", none)); /* its command is not known: "?" */
}
END_TEST

START_TEST(a_command_is_cut_to_what_fits)
{
	char buffer[16], *argv[] = {"python", "a b", "", "0123456789", NULL};
	char larger[64];
	struct identity one = {.argv = argv};
	ck_assert_str_eq(identity_command(&one, larger, sizeof larger), "python a b  0123456789");
	ck_assert_str_eq(identity_command(&one, buffer, sizeof buffer), "python a b  012");
	for (size_t n = 1; n < sizeof buffer; n++)
		ck_assert_uint_lt(strlen(identity_command(&one, buffer, n)), n);
	one.argv = NULL;
	ck_assert_str_eq(identity_command(&one, buffer, sizeof buffer), "?");
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("identity");
	tcase_add_test(tc, a_process_is_read_with_its_words_and_places);
	tcase_add_test(tc, our_own_start_time_is_the_one_of_stat);
	tcase_add_test(tc, a_hostile_program_name_is_not_taken_for_fields);
	tcase_add_test(tc, a_pattern_means_the_script_or_the_command_line);
	tcase_add_test(tc, a_command_is_cut_to_what_fits);
	return suite_run("identity", tc);
}
