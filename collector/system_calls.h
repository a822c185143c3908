/* SPDX-License-Identifier: MIT */
/*
 * The system calls that are left to a privileged collector while it reads what nobody trusts:
 * to read, write, map, wait, look at /proc, remove a name. None that runs or starts a program,
 * opens a connection, traces, mounts, loads, changes an owner, a mode or a user, or makes memory
 * executable. A signal goes to the command alone. Outputs are open by then.
 *
 * Any other call fails with ENOSYS, as on a kernel that has none such: the C library, which we
 * do not choose, may try a newer call first, and goes another way then. EPERM would be taken
 * for an answer, and to be killed would cost the stream of every process for what may be
 * harmless. It is not silent: the first time, a line on stderr has the number of the call.
 */
#ifndef COLLECTOR_SYSTEM_CALLS_H
#define COLLECTOR_SYSTEM_CALLS_H

#include <sys/types.h>

/*
 * From now on, for all threads there are. `command`: whom signals may be sent to; 0: nobody. A
 * kernel that has no such filter (before Linux 4.14), or refuses it, is told with -v; so is
 * valgrind. Without libseccomp, nothing happens.
 */
void system_calls_limit(pid_t command);

#endif
