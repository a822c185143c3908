/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"
#include "signals.h"

/* Relative to the folder that our program lies in. */
static const char *const homes[] = {"../python", "../lib/pyauditd/python"};

static bool
has_site(const char *home)
{
	char path[PATH_MAX + 64];
	struct stat st;
	snprintf(path, sizeof path, "%s/site/sitecustomize.py", home);
	return stat(path, &st) == 0;
}

int
launch_find_home(char *home, size_t home_bytes, char *why, size_t why_bytes)
{
	char folder[PATH_MAX], path[PATH_MAX + 32];
	const char *wanted = getenv("PYAUDITD_HOME");
	if (wanted != NULL && *wanted != '\0') {
		if (has_site(wanted) && realpath(wanted, path) != NULL) {
			snprintf(home, home_bytes, "%s", path);
			return 0;
		}
		snprintf(why, why_bytes,
			 "PYAUDITD_HOME=%.300s has no site/sitecustomize.py: it must name the "
			 "python folder of pyauditd", wanted);
		return -ENOENT;
	}
	ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
	folder[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(folder, '/');
	if (slash != NULL)
		*slash = '\0';
	for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
		char candidate[PATH_MAX + 32];
		snprintf(candidate, sizeof candidate, "%.4000s/%s", folder, homes[i]);
		if (has_site(candidate) && realpath(candidate, path) != NULL) {
			snprintf(home, home_bytes, "%s", path);
			return 0;
		}
	}
	snprintf(why, why_bytes,
		 "the Python part of pyauditd is neither in %.200s/../python nor in "
		 "../lib/pyauditd/python: build it, or set PYAUDITD_HOME", folder);
	return -ENOENT;
}

/* One variable, or none where the value is not given: a parent's own must not mix in. */
static int
set_or_unset(const char *name, const char *value)
{
	return value != NULL ? setenv(name, value, 1) : unsetenv(name);
}

static const char *const of_calls[] = {
	"PYAUDITD_CALLS", "PYAUDITD_C_CALLS", "PYAUDITD_MAX_DEPTH", "PYAUDITD_CALLS_FILE",
	"PYAUDITD_BACKEND", "PYAUDITD_CALLS_LEVEL",
};

static int
set_calls(const struct call_settings *calls)
{
	char depth[12];
	snprintf(depth, sizeof depth, "%" PRIu32, calls->max_depth);
	return set_or_unset("PYAUDITD_CALLS", calls->match[0] != '\0' ? calls->match : "1") |
	       set_or_unset("PYAUDITD_C_CALLS", calls->no_c ? "0" : NULL) |
	       set_or_unset("PYAUDITD_MAX_DEPTH", calls->max_depth != 0 ? depth : NULL) |
	       set_or_unset("PYAUDITD_CALLS_FILE", calls->files[0] != '\0' ? calls->files : NULL) |
	       set_or_unset("PYAUDITD_BACKEND", call_backend_name(calls->backend)) |
	       set_or_unset("PYAUDITD_CALLS_LEVEL", call_level_name(calls->level));
}

/* What another collector, which we run under ourselves, has set for its own. */
static void
unset_outer(void)
{
	unsigned long long given;
	const char *outer = getenv("PYAUDITD_LAUNCH");
	if (outer == NULL || sscanf(outer, "%*[^:]:%llx", &given) != 1)
		return;
	if (given & SETTING_EVENTS)
		unsetenv("PYAUDITD_EVENTS");
	if (given & SETTING_REVEAL)
		unsetenv("PYAUDITD_REVEAL");
	if (given & SETTING_STACK)
		unsetenv("PYAUDITD_STACK");
	for (size_t i = 0; (given & SETTING_CALLS) && i < sizeof of_calls / sizeof of_calls[0]; i++)
		unsetenv(of_calls[i]);
}

/* In the child. An empty PYTHONPATH is none; an empty element would mean the cwd. Who has set
 * PYAUDITD=0 means it. */
static int
set_environment(const struct launch *launch, const char *home,
		const struct settings *settings)
{
	char id[64], stack[12], *python_path;
	struct stat pid_ns = {0};
	uint32_t given = settings_given(settings);
	const char *before = getenv("PYTHONPATH");
	bool any = before != NULL && *before != '\0';
	unset_outer();
	stat("/proc/self/ns/pid", &pid_ns);
	snprintf(id, sizeof id, "%016" PRIx64 ":%" PRIx32 ":%x:%" PRIx64, launch->id, given,
		 (unsigned)getppid(), (uint64_t)pid_ns.st_ino);
	snprintf(stack, sizeof stack, "%d", settings->stack);
	if (asprintf(&python_path, "%s/site%s%s", home, any ? ":" : "", any ? before : "") < 0)
		return -ENOMEM;
	int err = setenv("PYTHONPATH", python_path, 1) | setenv("PYAUDITD", "1", 0) |
		  setenv("PYAUDITD_LAUNCH", id, 1);
	if (given & SETTING_EVENTS)
		err |= setenv("PYAUDITD_EVENTS", settings->events, 1);
	if (given & SETTING_REVEAL)
		err |= setenv("PYAUDITD_REVEAL", settings->reveal, 1);
	if (given & SETTING_STACK)
		err |= setenv("PYAUDITD_STACK", stack, 1);
	if (given & SETTING_CALLS)
		err |= set_calls(settings->calls);
	free(python_path);
	return err != 0 ? -ENOMEM : 0;
}

static void __attribute__((noreturn))
run(const struct launch *launch, char **command, const char *home,
    const struct settings *settings, int report)
{
	int err = set_environment(launch, home, settings);
	if (err == 0) {
		signals_restore();
		execvp(command[0], command);
		err = -errno;
	}
	if (write(report, &err, sizeof err) < 0) {
	}
	_exit(LAUNCH_FAILED);
}

/* What the child says through a pipe that a successful exec closes; 0: it runs. */
static int
wait_for_exec(int report)
{
	int err = 0;
	ssize_t n;
	while ((n = read(report, &err, sizeof err)) < 0 && errno == EINTR) {
	}
	return n == (ssize_t)sizeof err ? err : 0;
}

static uint64_t
start_time_of(pid_t pid)
{
	struct proc_stat stat = {0};
	int proc = proc_open((uint32_t)pid);
	if (proc < 0)
		return 0;
	proc_stat(proc, &stat);
	close(proc);
	return stat.start_time;
}

int
launch_start(struct launch *launch, char **command, const struct settings *settings,
	     char *why, size_t why_bytes)
{
	char home[PATH_MAX + 32];
	int report[2] = {-1, -1};
	memset(launch, 0, sizeof *launch);
	if (launch_find_home(home, sizeof home, why, why_bytes) < 0)
		return LAUNCH_FAILED;
	if (getrandom(&launch->id, sizeof launch->id, 0) < 0 || launch->id == 0)
		launch->id = (uint64_t)getpid();
	if (pipe2(report, O_CLOEXEC) < 0 || (launch->pid = fork()) < 0) {
		snprintf(why, why_bytes, "cannot start a process: %s", strerror(errno));
		return LAUNCH_FAILED;
	}
	if (launch->pid == 0)
		run(launch, command, home, settings, report[1]);
	close(report[1]);
	int err = wait_for_exec(report[0]);
	close(report[0]);
	launch->start_time = start_time_of(launch->pid);
	if (err == 0)
		return 0;
	waitpid(launch->pid, &launch->status, 0);
	launch->ended = true;
	snprintf(why, why_bytes, "cannot run %.300s: %s", command[0], strerror(-err));
	return err == -ENOENT || err == -ENOTDIR ? LAUNCH_NOT_FOUND
	       : err == -ENOMEM                  ? LAUNCH_FAILED
						 : LAUNCH_NOT_EXECUTABLE;
}

bool
launch_reap(struct launch *launch)
{
	if (!launch->ended && waitpid(launch->pid, &launch->status, WNOHANG) == launch->pid)
		launch->ended = true;
	return launch->ended;
}

int
launch_exit_status(const struct launch *launch)
{
	return WIFSIGNALED(launch->status) ? 128 + WTERMSIG(launch->status)
					   : WEXITSTATUS(launch->status);
}
