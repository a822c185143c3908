/* SPDX-License-Identifier: MIT */
/*
 * Call sites: which function, file and line an event came from. A site is a definition
 * {code id, line}; a code object is a definition by its content (module, file, first line,
 * qualified name), never by its address, for addresses are reused and classes that are
 * generated a hundred times are one place in the source.
 *
 * Nothing is kept alive. What is cached by address hangs on the code object itself (its
 * co_extra) and goes with it.
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
	uint32_t n_stack;
	uint32_t stack[SITES_STACK_MAX];
	bool importlib; /* the innermost frame belongs to the import system */
};

/*
 * Ask for the co_extra index, with the GIL, in the main interpreter. 0 or -1, then the
 * sites are interned at each event, slower. `stdlib` is the folder of the standard library,
 * "" when unknown; copied.
 */
int sites_init(const char *stdlib);

/* The interpreter ends, and with it the index; another Py_Initialize may follow. */
void sites_fini(void);

/* `frames`: how many the user wants; with 0 nothing is looked at: ask sites_importlib(). */
void sites_find(PyThreadState *tstate, bool main_interpreter, uint32_t frames, struct sites *out);

/* Is importlib at work? */
bool sites_importlib(PyThreadState *tstate, bool main_interpreter);

#endif
