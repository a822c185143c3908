/* SPDX-License-Identifier: MIT */
/* A child that runs one instruction at a time, so that it can be killed after any of them. */
#ifndef TORTURE_STEPPED_H
#define TORTURE_STEPPED_H

#include <stdbool.h>
#include <sys/types.h>

/* In the child: stop here, and from here on step by step. Ends where ptrace is not allowed. */
void stepped_begin(void);

/* In the parent, once: wait until it has begun; false: ptrace is not allowed here. */
bool stepped_wait(pid_t pid);

void step(pid_t pid);

/* On one processor the two change places ten times as fast. */
void stepped_one_processor(bool one);

#endif
