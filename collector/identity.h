/* SPDX-License-Identifier: MIT */
/* Who a process is (struct identity of tracee.h), asked of the kernel alone. */
#ifndef COLLECTOR_IDENTITY_H
#define COLLECTOR_IDENTITY_H

#include "tracee.h"

/*
 * Of the process whose /proc directory `proc` is. What cannot be read stays NULL. 0 or -errno
 * (-ESRCH when it is gone). The caller frees with identity_fini(), also after a failure.
 */
int identity_read(struct identity *identity, int proc, uint32_t pid);

/* exe, cwd and argv of a dead process, from its DEF_PROCESS of n bytes (common/defs.h). */
void identity_from_process(struct identity *identity, const char *at, size_t n);

void identity_fini(struct identity *identity);

/* The command line, words divided by blanks, cut to fit; "?" when not known. */
const char *identity_command(const struct identity *identity, char *buffer, size_t buffer_bytes);

/*
 * Is this the program that `glob` means, as pgrep -f has it: the pattern is looked for in the
 * script's or module's name and in the whole command line. Without * ? [ it matches anywhere.
 */
bool identity_matches(const struct identity *identity, const char *glob);

#endif
