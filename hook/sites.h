/* SPDX-License-Identifier: MIT */
/*
 * Call sites: which function, file and line an event came from. A site is a definition
 * {code id, line}. A cache by the code's address goes with the code object (code_info.h); without
 * a GIL each lane has one.
 */
#ifndef HOOK_SITES_H
#define HOOK_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include "pycompat.h"

#define SITES_STACK_MAX 64
#define SITES_CALLER_FRAMES 32 /* how far up the caller is looked for */

/* Where an event comes from: definition ids, 0 for none. */
struct sites {
	uint32_t at, caller;
	bool importlib; /* the innermost frame belongs to the import system */
	uint32_t n_stack;
	uint32_t stack[SITES_STACK_MAX];
};

static inline void
sites_none(struct sites *sites)
{
	sites->at = sites->caller = sites->n_stack = 0;
	sites->importlib = false;
}

void sites_init(void);

/* The interpreter ends; another Py_Initialize may follow. */
void sites_fini(void);

/* `frames`: how many the user wants, at least one. */
void sites_find(PyThreadState *tstate, bool main_interpreter, uint32_t lane, uint32_t frames,
		struct sites *out);

/* Is importlib at work? */
bool sites_importlib(PyThreadState *tstate, bool main_interpreter, uint32_t lane);

#endif
