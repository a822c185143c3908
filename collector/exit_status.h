/* SPDX-License-Identifier: MIT */
/* What auditd-collect exits with; with `-- command`, see also launch.h. */
#ifndef COLLECTOR_EXIT_STATUS_H
#define COLLECTOR_EXIT_STATUS_H

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_LOSS = 3,          /* with --fail-on-loss, instead of 0 */
	EXIT_NO_PERMISSION = 4,
	EXIT_NO_TARGET = 5,     /* gone, or not traced */
};

#endif
