/* SPDX-License-Identifier: MIT */
/* How a process ended, as far as the kernel tells somebody who is not its parent. */
#ifndef COLLECTOR_END_H
#define COLLECTOR_END_H

#include <stdbool.h>
#include <stdint.h>

/*      value   text, as in the stream */
#define ENDS(X) \
	X(CLEAN, "clean")     /* the interpreter was finalised */ \
	X(EXITED, "exited")   /* without that, by os._exit() or such */ \
	X(KILLED, "killed")   /* by a signal */ \
	X(EXEC, "exec")       /* the process is there, and runs another program */ \
	X(UNKNOWN, "unknown") /* exited or killed: its parent took the status, and this kernel \
				 keeps none for others (PIDFD_INFO_EXIT came with Linux 6.15) */

enum end_how {
#define X(name, text) END_##name,
	ENDS(X)
#undef X
};

const char *end_name(enum end_how how);

/*
 * Of a process whose program is gone. *status, as of waitpid, is asked for when it is -1, and
 * stays -1 when nobody knows. `pidfd` may be -1.
 */
enum end_how end_ask(uint32_t pid, uint64_t start_time, int pidfd, int *status);

/* It gives its memory back, with gigabytes for a second and more; how it ends is not to be known yet. */
bool end_is_coming(uint32_t pid, uint64_t start_time);

/* The ioctl that end_ask() makes, for who limits system calls (PIDFD_GET_INFO of Linux 6.13). */
#define END_GET_INFO 0xc040ff0bu

#endif
