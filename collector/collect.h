/* SPDX-License-Identifier: MIT */
/* Follow programs and print what they do: everything but the verbs. */
#ifndef COLLECTOR_COLLECT_H
#define COLLECTOR_COLLECT_H

#include "options.h"

/* Until the targets have ended or we are told to leave. What to exit with. */
int collect_run(const struct options *options);

#endif
