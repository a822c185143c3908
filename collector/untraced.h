/* SPDX-License-Identifier: MIT */
/* Python programs without the hook, as their memory shows. */
#ifndef COLLECTOR_UNTRACED_H
#define COLLECTOR_UNTRACED_H

#include <stdbool.h>

/*
 * Is it one, by the directory of the process in /proc? A forked worker that has raised nothing yet
 * has the hook, and no segment: it is none.
 */
bool untraced_python(int proc);

#endif
