/* SPDX-License-Identifier: MIT */
#include "system_calls.h"

#ifdef HAVE_LIBSECCOMP

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "barrier.h"
#include "end.h"
#include "log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER 1
#else
#define WITH_SANITIZER 0
#endif

/*
 * Where the result of a call is in the context of a signal. No line is written with a sanitizer:
 * that for threads delivers the signal later, when the context is another, and the process of the
 * leak check has signals blocked, when this one is deadly.
 */
#if defined(__x86_64__) && !WITH_SANITIZER
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__) && !WITH_SANITIZER
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#endif

/* One machine has one of them, another the other; what it does not know is left out. */
static const char *const allowed[] = {
	/* files and folders */
	"openat", "openat2", "open", "read", "pread64", "readv", "write", "pwrite64", "writev", "lseek",
	"_llseek", "close", "fstat", "fstat64", "newfstatat", "fstatat64", "statx", "stat", "stat64", "lstat",
	"lstat64", "readlinkat", "readlink", "getdents64", "fcntl", "fcntl64", "flock", "ftruncate",
	"ftruncate64", "unlinkat", "inotify_add_watch", "inotify_rm_watch",
	/* waiting, time */
	"poll", "ppoll", "ppoll_time64", "epoll_ctl", "futex", "futex_time64", "futex_waitv",
	"timer_settime", "timer_settime64",
	"clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "restart_syscall", "clock_gettime",
	"clock_gettime64", "gettimeofday", "sched_yield",
	/* memory; those that may make it executable have rules below */
	"munmap", "mremap", "madvise", "mincore", "brk",
	/* who is there */
	"wait4", "waitid", "pidfd_open", "getpid", "gettid", "geteuid", "geteuid32", "uname",
	"sysinfo", "getrandom",
	/* signals, and the end */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "exit", "exit_group",
#if WITH_SANITIZER
	/* The leak check at the end starts a process that stops our threads and looks at them. */
	"clone", "ptrace", "getdents", "prctl", "sigaltstack", "getppid", "prlimit64", "getrlimit",
	"pipe2", "sched_getaffinity", "set_robust_list", "rseq", "tgkill", "kill", "mprotect", "mmap",
#endif
};

#ifdef RESULT

/* Signal-safe enough: the signal comes from a system call of this very thread. */
static void
handle(int signal_number, siginfo_t *info, void *context)
{
	static bool said[512];
	int saved = errno;
	unsigned number = (unsigned)info->si_syscall;
	bool *told = &said[number % (sizeof said / sizeof said[0])];
	(void)signal_number;
	if (!load_relaxed(told))
		log_error("system call %u is none that a collector needs: refused (see PRIVILEGES "
			  "in the manual; please report it)", number);
	store_relaxed(told, true);
	errno = saved;
	RESULT((ucontext_t *)context) = -ENOSYS;
}

static uint32_t
refusal(void)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
	sigemptyset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL) == 0 ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(ENOSYS);
}

#else

static uint32_t
refusal(void)
{
	return SCMP_ACT_ERRNO(ENOSYS);
}

#endif

static bool
allow(scmp_filter_ctx filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);
	return number < 0 || seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) == 0;
}

/* If argument `i`, an int, has `value` in the bits of `mask`. */
static bool
allow_if(scmp_filter_ctx filter, const char *name, unsigned i, uint32_t mask, uint32_t value)
{
	int number = seccomp_syscall_resolve_name(name);
	return number < 0 ||
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
				SCMP_CMP(i, SCMP_CMP_MASKED_EQ, mask, value)) == 0;
}

static bool
add_rules(scmp_filter_ctx filter, pid_t command)
{
	bool ok = true;
	for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
		ok = ok && allow(filter, allowed[i]);
	if (WITH_SANITIZER)
		return ok && allow(filter, "ioctl");
	return ok && allow_if(filter, "mmap", 2, PROT_EXEC, 0) &&
	       allow_if(filter, "mmap2", 2, PROT_EXEC, 0) &&
	       allow_if(filter, "mprotect", 2, PROT_EXEC, 0) &&
	       allow_if(filter, "ioctl", 1, UINT32_MAX, TCGETS) &&
	       allow_if(filter, "ioctl", 1, UINT32_MAX, END_GET_INFO) &&
	       allow_if(filter, "tgkill", 0, UINT32_MAX, (uint32_t)getpid()) && /* abort() */
	       (command == 0 || allow_if(filter, "kill", 0, UINT32_MAX, (uint32_t)command));
}

/*
 * Where there is no seccomp(), the library would take an older way, of prctl(). Valgrind, which
 * knows the older one alone, lets it pass, and is stopped by the filter itself.
 */
static bool
is_there(void)
{
	uint32_t action = SECCOMP_RET_TRAP;
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* The kernel walks the rules in each call: by halves. no_new_privs is set along. */
static int
load(pid_t command)
{
	int err = -ENOMEM;
	if (!is_there())
		return -ENOSYS;
	scmp_filter_ctx filter = seccomp_init(refusal());
	if (filter == NULL)
		return err;
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (add_rules(filter, command))
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

void
system_calls_limit(pid_t command)
{
	int err = load(command);
	if (err < 0)
		log_verbose("system calls are not limited: %s", strerror(-err));
}

#else

void
system_calls_limit(pid_t command)
{
	(void)command;
}

#endif
