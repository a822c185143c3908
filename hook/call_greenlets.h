/* SPDX-License-Identifier: MIT */
/*
 * Greenlets: stacks that one thread changes between as the program likes (the module greenlet, on
 * which gevent and eventlet stand). Each has calls of its own that are open: a return belongs to a
 * call of its greenlet, and what a function calls is called in its greenlet.
 *
 * Nobody is told of a change. It is found out at the next call or return, by the stack that
 * CPython is on then (py_stack_root), and asked for only when the module is there: a program
 * without it pays nothing.
 */
#ifndef HOOK_CALL_GREENLETS_H
#define HOOK_CALL_GREENLETS_H

#include <stdbool.h>
#include <stdint.h>

#include "call_times.h"
#include "pycompat.h"
#include "record.h"

/* The arguments of an import's audit event: is it the module? */
bool call_greenlets_import(PyObject *args);

/* Is the module there already? With the GIL. */
bool call_greenlets_imported(void);

/* Of one thread. All zero: none was seen. Memory of our own. */
struct call_greenlets {
	struct py_stack_place place;  /* where its last event was */
	struct call_greenlet *runs;   /* the one that does; NULL: not known */
	struct call_greenlet **table; /* a hash table, by root */
	uint32_t n, n_places;
};

enum call_greenlet_change {
	CALL_GREENLET_SAME,
	CALL_GREENLET_OTHER,
	CALL_GREENLET_NO_MEMORY, /* and nothing is known of the one that runs */
};

/*
 * An event of the calling thread: is another greenlet running than at the last one? Then *depth and
 * times->open are its. `all` events of the thread are seen, or some function's are not.
 */
enum call_greenlet_change call_greenlets_look(struct call_greenlets *greenlets, bool all,
					      enum call_event what, uint32_t *depth,
					      struct call_times *times);

/* Of the one that runs: 0 is the first one's. */
uint32_t call_greenlets_number(const struct call_greenlets *greenlets);

/* All are forgotten. */
void call_greenlets_forget(struct call_greenlets *greenlets);

#endif
