/* SPDX-License-Identifier: MIT */
/*
 * What a collector that runs as root keeps of root's capabilities once it has started its
 * command and opened its outputs, and before it looks at the first byte of a traced process:
 *
 *	CAP_DAC_OVERRIDE        opens and unlinks segments of other users (mode 0600), reads the
 *	                        folders of other mount namespaces, reopens outputs
 *	CAP_FOWNER              unlinks a dead process's segment in a /dev/shm that is not root's:
 *	                        that of a container with a user namespace is sticky
 *	CAP_SYS_PTRACE          reads maps, root, exe and cwd in /proc/PID of processes that are
 *	                        not ours, or have more capabilities than are left to us
 *	CAP_CHECKPOINT_RESTORE  opens an unlinked segment by /proc/PID/map_files
 *	CAP_KILL                only with a command: forwards signals to it, whoever it is by then
 *
 * Without CAP_SYS_PTRACE, as in many a container, the kernel lets us look at those only who have no
 * capability that we lack: then all that we have are kept.
 *
 * Nothing comes back: the others leave the bounding set, and no_new_privs is set. Children are
 * started before, and have what they always had. Capabilities belong to a thread: call this
 * before there is a second one. Without libcap-ng, all are kept.
 */
#ifndef COLLECTOR_PRIVILEGES_H
#define COLLECTOR_PRIVILEGES_H

#include <stdbool.h>

enum privileges_use {
	PRIVILEGES_LOOK = 0,        /* at segments that have a name */
	PRIVILEGES_FOLLOW = 1 << 0, /* and those that have none; removes those of the dead */
	PRIVILEGES_SIGNAL = 1 << 1, /* a command */
};

/* Are we root, or do we have a capability of his? */
bool privileges_any(void);

/* `uses`: an OR of the above. What cannot be given up is said, and we go on. */
void privileges_drop(unsigned uses);

#endif
