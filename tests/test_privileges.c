/* SPDX-License-Identifier: MIT */
/* What is given up stays given up, what is needed still works, and children have it all. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "privileges.h"
#include "suite.h"
#include "system_calls.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER 1 /* which makes calls of its own */
#else
#define WITH_SANITIZER 0
#endif
#if WITH_SANITIZER || !(defined(__x86_64__) || defined(__aarch64__))
#define TELLS 0
#else
#define TELLS 1
#endif

#define BIT(capability) ((uint64_t)1 << (capability))
#define LOOK (BIT(CAP_DAC_OVERRIDE) | BIT(CAP_SYS_PTRACE))
#define FOLLOW (LOOK | BIT(CAP_FOWNER) | BIT(CAP_CHECKPOINT_RESTORE))

/* A number of /proc/self/status, in base 16. */
static uint64_t
status_of(const char *thread, const char *field)
{
	char path[64], text[8192], key[40];
	snprintf(path, sizeof path, "/proc/%s/status", thread);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	snprintf(key, sizeof key, "\n%s:\t", field);
	const char *at = strstr(text, key);
	ck_assert_ptr_nonnull(at);
	return strtoull(at + strlen(key), NULL, 16);
}

#define OURS(field) status_of("thread-self", field)

#ifdef HAVE_LIBCAP_NG

START_TEST(as_many_capabilities_are_left_as_are_used)
{
	static const struct {
		unsigned uses;
		uint64_t left;
	} cases[] = {
		{PRIVILEGES_LOOK, LOOK},
		{PRIVILEGES_FOLLOW, FOLLOW},
		{PRIVILEGES_FOLLOW | PRIVILEGES_SIGNAL, FOLLOW | BIT(CAP_KILL)},
	};
	uint64_t had = OURS("CapEff");
	ck_assert(privileges_any());
	privileges_drop(cases[_i].uses);
	ck_assert_uint_eq(OURS("CapEff"), cases[_i].left & had);
	ck_assert_uint_eq(OURS("CapPrm"), cases[_i].left & had);
	ck_assert_uint_eq(OURS("CapBnd"), cases[_i].left & had);
	ck_assert_uint_eq(OURS("CapInh"), 0);
	ck_assert_uint_eq(OURS("CapAmb"), 0);
	ck_assert_uint_eq(OURS("NoNewPrivs"), 1);
}
END_TEST

START_TEST(what_was_given_up_does_not_come_back)
{
	privileges_drop(PRIVILEGES_LOOK);
	uint64_t left = OURS("CapEff");
	privileges_drop(PRIVILEGES_FOLLOW | PRIVILEGES_SIGNAL);
	ck_assert_uint_eq(OURS("CapEff"), left);
	ck_assert_int_eq(syscall(SYS_setgid, 12345), -1);
	ck_assert_int_eq(errno, EPERM);
	/* Root that runs a program has what the bounding set leaves. */
	pid_t child = fork();
	if (child == 0) {
		char command[100];
		snprintf(command, sizeof command, "grep -q '^CapEff:.*%" PRIx64 "$' /proc/self/status",
			 left);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

#endif

START_TEST(who_has_nothing_to_give_up_stays_as_he_is)
{
	ck_assert_int_eq(setresgid(65534, 65534, 65534), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	uint64_t bounds = OURS("CapBnd");
	ck_assert(!privileges_any());
	privileges_drop(PRIVILEGES_FOLLOW);
	ck_assert_uint_eq(OURS("CapBnd"), bounds);
	ck_assert_uint_eq(OURS("NoNewPrivs"), 0);
}
END_TEST

#ifdef HAVE_LIBSECCOMP

/* Each a call that would do no harm if it were let through; -1 and errno. */
static long
try_call(unsigned i, pid_t other)
{
	char *none[] = {NULL};
	switch (i) {
	case 0: return execve("/nonexistent", none, none);
	case 1: return socket(AF_UNIX, SOCK_STREAM, 0);
	case 2: return syscall(SYS_mount, "none", "/nonexistent", "tmpfs", 0, NULL);
	case 3: return syscall(SYS_setuid, 0);
	case 4: return fchmod(STDERR_FILENO, 0600);
	case 5: return fchown(STDERR_FILENO, 0, 0);
	case 6: return syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0);
	case 7: return syscall(SYS_bpf, 0, NULL, 0);
	case 8: return syscall(SYS_init_module, NULL, 0, "");
	case 9: return syscall(SYS_unshare, 0);
	case 10: return syscall(SYS_capset, NULL, NULL);
	case 11: return syscall(SYS_renameat2, -1, "/nonexistent", -1, "/nonexistent", 0);
	case 12: return syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0);
	case 13: return syscall(999); /* that no kernel has */
	case 14: return kill(other, 0); /* not the command */
	case 15: return kill(-1, 0);
	case 16: return syscall(SYS_tgkill, other, other, 0);
	case 17: return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	case 18: return ioctl(STDERR_FILENO, TIOCSTI, "x");
	case 19: return (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);
	case 20: return mprotect((void *)((uintptr_t)&try_call & ~4095ul), 4096,
				 PROT_READ | PROT_EXEC);
	case 21: return fork();
	case 22: return syscall(SYS_clone3, NULL, 0);
	}
	return 0;
}
#define N_CALLS (WITH_SANITIZER ? 14 : 23)

/*
 * Who is limited leaves by himself: at the end of a test the framework asks the time by a call that
 * is not allowed, makes do with another clock, and takes the difference for a number of
 * microseconds, which is refused in every other half hour.
 */
#define WELL 5

START_TEST(other_system_calls_fail_and_are_told_once)
{
	char said[4096] = "";
	int out = memfd_create("stderr", 0);
	pid_t other = getppid();
	dup2(out, STDERR_FILENO);
	system_calls_limit(0);
	for (int round = 0; round < 2; round++) {
		errno = 0;
		long result = try_call((unsigned)_i, other);
		ck_assert_msg(result == -1 && errno == ENOSYS, "call %d: %ld, errno %d", _i, result,
			      errno);
	}
	if (TELLS) {
		ck_assert_int_gt(pread(out, said, sizeof said - 1, 0), 0);
		const char *line = strstr(said, "auditd-collect: system call ");
		ck_assert_msg(line != NULL, "said: %s", said);
		ck_assert_ptr_null(strstr(strchr(line, '\n'), "system call "));
	}
	_exit(WELL);
}
END_TEST

static void
limit_quietly(pid_t command)
{
	int null = open("/dev/null", O_WRONLY);
	dup2(null, STDERR_FILENO);
	system_calls_limit(command);
}

struct worker {
	sem_t go;
	int err; /* of a call that is not allowed */
};

static void *
work(void *argument)
{
	struct worker *worker = argument;
	while (sem_wait(&worker->go) < 0) {
	}
	worker->err = socket(AF_UNIX, SOCK_STREAM, 0) == -1 ? errno : 0;
	return NULL;
}

START_TEST(all_threads_are_limited_and_children_from_before_are_not)
{
	struct worker worker = {.err = -1};
	pthread_t thread;
	int go[2], status;
	char byte;
	ck_assert_int_eq(pipe(go), 0);
	pid_t child = fork();
	if (child == 0) {
		int fd = read(go[0], &byte, 1) == 1 ? socket(AF_UNIX, SOCK_STREAM, 0) : -1;
		_exit(fd >= 0 ? 0 : 1);
	}
	sem_init(&worker.go, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, work, &worker), 0);
	privileges_drop(PRIVILEGES_FOLLOW);
	usleep(100000); /* so that it has started */
	limit_quietly(0);
	sem_post(&worker.go);
	pthread_join(thread, NULL);
	ck_assert_int_eq(worker.err, ENOSYS);
	ck_assert_int_eq(write(go[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	_exit(WELL);
}
END_TEST

START_TEST(the_command_gets_signals)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		if (setuid(65534) == 0)
			pause();
		_exit(99);
	}
	usleep(50000);
	privileges_drop(PRIVILEGES_FOLLOW | PRIVILEGES_SIGNAL);
	limit_quietly(child);
	ck_assert_int_eq(kill(child, SIGTERM), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	_exit(WELL);
}
END_TEST

#endif

int
main(void)
{
	TCase *tc = tcase_create("privileges");
	if (geteuid() != 0) {
		puts("skipped: test_privileges needs root");
		return EXIT_SUCCESS;
	}
	tcase_add_test(tc, who_has_nothing_to_give_up_stays_as_he_is);
#ifdef HAVE_LIBCAP_NG
	tcase_add_loop_test(tc, as_many_capabilities_are_left_as_are_used, 0, 3);
	tcase_add_test(tc, what_was_given_up_does_not_come_back);
#else
	puts("skipped: built without libcap-ng");
#endif
#ifdef HAVE_LIBSECCOMP
	tcase_add_loop_exit_test(tc, other_system_calls_fail_and_are_told_once, WELL, 0, N_CALLS);
	tcase_add_exit_test(tc, all_threads_are_limited_and_children_from_before_are_not, WELL);
	tcase_add_exit_test(tc, the_command_gets_signals, WELL);
#else
	puts("skipped: built without libseccomp");
#endif
	return suite_run("privileges", tc);
}
