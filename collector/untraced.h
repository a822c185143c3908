/* SPDX-License-Identifier: MIT */
/* Python programs without the hook, or without events, as their memory shows. */
#ifndef COLLECTOR_UNTRACED_H
#define COLLECTOR_UNTRACED_H

#include <stdbool.h>

/* Has it no hook? By the directory of the process in /proc. */
bool untraced_python(int proc);

/* Is it a forked worker that has raised nothing yet? It has the hook, and no segment. */
bool untraced_worker(int proc);

#endif
