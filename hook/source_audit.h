/* SPDX-License-Identifier: MIT */
/* The audit source: CPython's audit events into lanes. */
#ifndef HOOK_SOURCE_AUDIT_H
#define HOOK_SOURCE_AUDIT_H

#include <stdbool.h>

/*
 * Install the audit hook, once per interpreter run (it cannot be removed). 0, or -EPERM:
 * another hook refused it (or there is no memory: CPython tells no difference). With the GIL.
 */
int source_audit_start(void);
bool source_audit_is_installed(void); /* in a fork child, as in its parent */

#endif
