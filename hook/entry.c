/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <stdint.h>

#include "barrier.h"
#include "pycompat.h"

#if PY_HAS_GIL
bool
entry_enter(void)
{
	return true;
}

void
entry_leave(bool entered)
{
	(void)entered;
}
#else
static uint64_t owner; /* pid and tid, or 0; a fork child finds its parent's, which counts not */

static uint64_t
me(void)
{
	return (uint64_t)getpid() << 32 | (uint32_t)syscall(SYS_gettid);
}

static bool
try(uint64_t found)
{
	bool is_free = found == 0 || found >> 32 != (uint64_t)getpid();
	return is_free && __atomic_compare_exchange_n(&owner, &found, me(), false, __ATOMIC_ACQUIRE,
						      __ATOMIC_RELAXED);
}

bool
entry_enter(void)
{
	if (load_relaxed(&owner) == me())
		return false;
	while (!try(load_relaxed(&owner))) {
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
	if (entered)
		__atomic_compare_exchange_n(&owner, &mine, 0, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED);
}
#endif
