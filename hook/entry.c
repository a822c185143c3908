/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "barrier.h"
#include "pycompat.h"

static uint64_t owner; /* pid and tid, or 0; a fork child finds its parent's, which counts not */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static uint64_t
me(void)
{
	return (uint64_t)getpid() << 32 | (uint32_t)syscall(SYS_gettid);
}

/* As a daemon thread that wants to go on when the interpreter ends. */
static bool
is_gone(uint64_t thread)
{
	int saved = errno;
	bool gone = syscall(SYS_tgkill, getpid(), (pid_t)(uint32_t)thread, 0) < 0 && errno == ESRCH;
	errno = saved;
	return gone;
}

bool
entry_try(void)
{
	uint64_t found = load_relaxed(&owner);
	bool is_free = found == 0 || found >> 32 != (uint64_t)getpid() || is_gone(found);
	if (inside || !is_free ||
	    !__atomic_compare_exchange_n(&owner, &found, me(), false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	inside = true;
	return true;
}

bool
entry_enter(void)
{
	if (inside)
		return false;
	while (!entry_try()) {
		if (PY_HAS_GIL)
			return false;
		Py_BEGIN_ALLOW_THREADS
		usleep(100);
		Py_END_ALLOW_THREADS
	}
	return true;
}

/* In a child that was forked from within, it is not ours to give back. */
void
entry_leave(bool entered)
{
	uint64_t mine = me();
	if (!entered)
		return;
	inside = false;
	__atomic_compare_exchange_n(&owner, &mine, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void
entry_forget(void)
{
	inside = false;
	store_relaxed(&owner, 0);
}

bool
entry_is_torn(void)
{
	uint64_t found = load_relaxed(&owner);
	return found != 0 && found >> 32 != (uint64_t)getpid() && !inside;
}
