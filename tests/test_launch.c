/* SPDX-License-Identifier: MIT */
/* The Python part is found where it was asked for, or beside the program; commands are started. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "launch.h"
#include "signals.h"
#include "suite.h"
#include "temp_dir.h"

static char home[PATH_MAX + 32], why[500];

/* A folder with what makes it a home. */
static void
make_home(const char *name)
{
	char path[300];
	snprintf(path, sizeof path, "%s/site", name);
	ck_assert_int_eq(mkdir(temp_path(name), 0755), 0);
	ck_assert_int_eq(mkdir(temp_path(path), 0755), 0);
	strcat(path, "/sitecustomize.py");
	temp_write(path, "", 0, 0644);
}

static int
find(const char *wanted)
{
	why[0] = home[0] = '\0';
	if (wanted != NULL)
		setenv("PYAUDITD_HOME", wanted, 1);
	else
		unsetenv("PYAUDITD_HOME");
	return launch_find_home(home, sizeof home, why, sizeof why);
}

START_TEST(a_home_that_was_asked_for_is_taken_or_refused)
{
	temp_dir_open();
	make_home("my home");
	ck_assert_int_eq(mkdir(temp_path("empty"), 0755), 0);
	ck_assert_int_eq(symlink("my home", temp_path("link")), 0);
	ck_assert_int_eq(find(temp_path("my home")), 0);
	ck_assert_str_eq(home, temp_path("my home"));
	ck_assert_int_eq(find(temp_path("link/../link/")), 0);
	ck_assert_str_eq(home, temp_path("my home"));
	ck_assert_int_eq(chdir(temp_dir), 0);
	ck_assert_int_eq(find("my home"), 0); /* the command may run elsewhere */
	ck_assert_str_eq(home, temp_path("my home"));
	/* Never the other one instead of what was asked for. */
	ck_assert_int_eq(find(temp_path("empty")), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "has no site/sitecustomize.py"));
	ck_assert_int_eq(find("/no/such"), -ENOENT);
	static char longer[3 * PATH_MAX];
	memset(longer, 'x', sizeof longer - 1);
	ck_assert_int_eq(find(longer), -ENOENT);
	temp_dir_close();
}
END_TEST

/* What a copy of this program at `name` finds; "" and why when nothing. */
static int
found_by(const char *name)
{
	char command[900];
	struct stat st;
	int from = open("/proc/self/exe", O_RDONLY);
	int to = open(temp_path(name), O_WRONLY | O_CREAT, 0755);
	ck_assert_int_eq(fstat(from, &st), 0);
	for (off_t at = 0; at < st.st_size;)
		ck_assert_int_gt(sendfile(to, from, &at, (size_t)(st.st_size - at)), 0);
	close(from);
	close(to);
	snprintf(command, sizeof command, "env -u PYAUDITD_HOME %s --find-home > %s",
		 temp_path(name), temp_path("found"));
	return WEXITSTATUS(system(command));
}

START_TEST(a_home_lies_beside_the_program_as_built_or_installed)
{
	temp_dir_open();
	ck_assert_int_eq(mkdir(temp_path("bin"), 0755), 0);
	ck_assert_int_eq(found_by("bin/prog"), 1);
	ck_assert_ptr_nonnull(strstr(temp_read("found"), "neither in "));
	ck_assert_int_eq(mkdir(temp_path("lib"), 0755), 0);
	ck_assert_int_eq(mkdir(temp_path("lib/pyauditd"), 0755), 0);
	make_home("lib/pyauditd/python");
	ck_assert_int_eq(found_by("bin/prog"), 0);
	ck_assert_str_eq(temp_read("found"), temp_path("lib/pyauditd/python"));
	make_home("python");
	ck_assert_int_eq(found_by("bin/prog"), 0);
	ck_assert_str_eq(temp_read("found"), temp_path("python"));
	temp_dir_close();
}
END_TEST

static struct launch launch;
static struct settings settings = {.events = "", .reveal = "", .stack = -1};

static int
start(char *program, char *argument, char *more)
{
	char *command[] = {program, argument, more, NULL};
	return launch_start(&launch, command, &settings, why, sizeof why);
}

static int
status_of(char *script)
{
	ck_assert_int_eq(start("sh", "-c", script), 0);
	while (!launch_reap(&launch))
		usleep(1000);
	ck_assert(launch_reap(&launch)); /* once it has, it stays so */
	return launch_exit_status(&launch);
}

START_TEST(a_command_gets_its_environment_and_tells_its_status)
{
	char script[900], expected[900];
	struct stat pid_ns;
	temp_dir_open();
	make_home("home");
	ck_assert_int_eq(stat("/proc/self/ns/pid", &pid_ns), 0);
	setenv("PYAUDITD_HOME", temp_path("home"), 1);
	setenv("PYTHONPATH", "/mine", 1);
	unsetenv("PYAUDITD_EVENTS");
	signals_init(true);
	snprintf(script, sizeof script,
		 "echo $PYTHONPATH,$PYAUDITD,$PYAUDITD_LAUNCH,${PYAUDITD_EVENTS-none},"
		 "$PYAUDITD_STACK > %s; exit 3", temp_path("out"));
	settings.stack = 5;
	ck_assert_int_eq(status_of(script), 3);
	snprintf(expected, sizeof expected, "%s/site:/mine,1,%016llx:4:%x:%llx,none,5\n",
		 temp_path("home"), (unsigned long long)launch.id, (unsigned)getpid(),
		 (unsigned long long)pid_ns.st_ino);
	ck_assert_str_eq(temp_read("out"), expected);
	ck_assert_uint_ne(launch.id, 0);

	/* No empty element, which would be the current directory. */
	setenv("PYTHONPATH", "", 1);
	settings.events = "+open";
	ck_assert_int_eq(status_of(script), 3);
	snprintf(expected, sizeof expected, "%s/site,1,%016llx:5:%x:%llx,+open,5\n",
		 temp_path("home"), (unsigned long long)launch.id, (unsigned)getpid(),
		 (unsigned long long)pid_ns.st_ino);
	ck_assert_str_eq(temp_read("out"), expected);
	ck_assert_int_eq(status_of("kill -9 $$"), 128 + 9);
	/* SIGPIPE is ours to ignore, not the command's. */
	ck_assert_int_eq(status_of("kill -PIPE $$"), 128 + 13);
	ck_assert_int_eq(status_of("true"), 0);
	temp_dir_close();
}
END_TEST

START_TEST(a_command_gets_all_that_is_said_about_calls_or_nothing)
{
	char script[900];
	struct call_settings calls = {.level = CALL_LEVEL_RECORD};
	temp_dir_open();
	make_home("home");
	setenv("PYAUDITD_HOME", temp_path("home"), 1);
	setenv("PYAUDITD_MAX_DEPTH", "5", 1); /* the user's own */
	setenv("PYAUDITD_CALLS_FILE", "x", 1);
	unsetenv("PYAUDITD_CALLS");
	signals_init(true);
	snprintf(script, sizeof script,
		 "echo ${PYAUDITD_CALLS-none},${PYAUDITD_C_CALLS-none},${PYAUDITD_MAX_DEPTH-none},"
		 "${PYAUDITD_CALLS_FILE-none},${PYAUDITD_BACKEND-none},"
		 "${PYAUDITD_CALLS_LEVEL-none} > %s", temp_path("out"));
	ck_assert_int_eq(status_of(script), 0);
	ck_assert_str_eq(temp_read("out"), "none,none,5,x,none,none\n");
	settings.calls = &calls;
	ck_assert_int_eq(status_of(script), 0);
	ck_assert_str_eq(temp_read("out"), "1,none,none,none,auto,record\n");
	calls = (struct call_settings){CALL_LEVEL_COUNT, CALL_BACKEND_EVAL, 1, 9, "json.*,a",
					"-stdlib"};
	ck_assert_int_eq(status_of(script), 0);
	ck_assert_str_eq(temp_read("out"), "json.*,a,0,9,-stdlib,eval,count\n");
	temp_dir_close();
}
END_TEST

START_TEST(a_command_has_nothing_of_what_another_collector_set_for_its_own)
{
	char script[900];
	temp_dir_open();
	make_home("home");
	setenv("PYAUDITD_HOME", temp_path("home"), 1);
	setenv("PYAUDITD_EVENTS", "@net", 1);
	setenv("PYAUDITD_STACK", "7", 1); /* the user's */
	setenv("PYAUDITD_CALLS", "json.*", 1);
	setenv("PYAUDITD_CALLS_LEVEL", "stats", 1);
	snprintf(script, sizeof script,
		 "echo ${PYAUDITD_EVENTS-none},${PYAUDITD_STACK-none},${PYAUDITD_CALLS-none},"
		 "${PYAUDITD_CALLS_LEVEL-none} > %s", temp_path("out"));
	signals_init(true);
	setenv("PYAUDITD_LAUNCH", "no such thing", 1);
	ck_assert_int_eq(status_of(script), 0);
	ck_assert_str_eq(temp_read("out"), "@net,7,json.*,stats\n");
	snprintf(why, sizeof why, "1:%x:2:3", SETTING_EVENTS | SETTING_CALLS);
	setenv("PYAUDITD_LAUNCH", why, 1);
	ck_assert_int_eq(status_of(script), 0);
	ck_assert_str_eq(temp_read("out"), "none,7,none,none\n");
	temp_dir_close();
}
END_TEST

START_TEST(a_command_that_cannot_run_is_told_as_a_shell_does)
{
	temp_dir_open();
	make_home("home");
	setenv("PYAUDITD_HOME", temp_path("home"), 1);
	signals_init(true);
	temp_write("text", "x", 1, 0644);
	ck_assert_int_eq(start("/no/such/program", NULL, NULL), LAUNCH_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(why, "cannot run /no/such/program: No such file"));
	ck_assert(launch_reap(&launch)); /* no zombie is left */
	ck_assert_int_eq(start("no-such-program-in-path", NULL, NULL), LAUNCH_NOT_FOUND);
	ck_assert_int_eq(start((char *)temp_path("text"), NULL, NULL), LAUNCH_NOT_EXECUTABLE);
	ck_assert_int_eq(start((char *)temp_path("text/x"), NULL, NULL), LAUNCH_NOT_FOUND);
	setenv("PYAUDITD_HOME", "/no/such", 1);
	ck_assert_int_eq(start("true", NULL, NULL), LAUNCH_FAILED);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	temp_dir_close();
}
END_TEST

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--find-home") == 0) {
		int err = launch_find_home(home, sizeof home, why, sizeof why);
		printf("%s", err == 0 ? home : why);
		return err != 0;
	}
	TCase *tc = tcase_create("launch");
	tcase_add_test(tc, a_home_that_was_asked_for_is_taken_or_refused);
	tcase_add_test(tc, a_home_lies_beside_the_program_as_built_or_installed);
	tcase_add_test(tc, a_command_gets_its_environment_and_tells_its_status);
	tcase_add_test(tc, a_command_gets_all_that_is_said_about_calls_or_nothing);
	tcase_add_test(tc, a_command_has_nothing_of_what_another_collector_set_for_its_own);
	tcase_add_test(tc, a_command_that_cannot_run_is_told_as_a_shell_does);
	return suite_run("launch", tc);
}
