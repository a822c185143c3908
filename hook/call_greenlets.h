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
#include "py_stack.h"
#include "record.h"

/* The arguments of an import's audit event: is it the module? */
bool call_greenlets_import(PyObject *args);

/* Is the module there already? With the GIL. */
bool call_greenlets_imported(void);

/* It is about to be: no thread is on another stack than its own yet. With the thread's GIL. */
void call_greenlets_note_threads(void);

/* Of one thread. All zero: none was seen. Memory of our own. */
struct call_greenlets {
	uint64_t tstate_id;           /* a thread's Python may end, and begin again */
	struct py_stack_place place;  /* where its last event was */
	const void *first;            /* root of the first one, which has the number 0 */
	bool first_is_own;            /* known to be the thread's own */
	struct call_greenlet *runs;   /* the one that does; NULL: not known */
	struct call_greenlet **table; /* a hash table, by root */
	uint32_t n, n_places;
	uint32_t n_frames; /* that wait inside calls, and whose root is a frame */
};

/* An event of the calling thread. */
struct call_moment {
	enum call_event what;
	bool sees_all;  /* events of the thread, not those of some functions alone */
	py_frame frame; /* as py_stack_root() takes it */
};

enum call_greenlet_change {
	CALL_GREENLET_SAME,
	CALL_GREENLET_OTHER,
	CALL_GREENLET_NEW,       /* another, or none before, and its first event */
	CALL_GREENLET_NO_MEMORY, /* and nothing is known of the one that runs */
};

/*
 * Is another greenlet running than at the last event? Then *depth, calls that are open, and
 * times->open are its.
 */
enum call_greenlet_change call_greenlets_look(struct call_greenlets *greenlets,
					      const struct call_moment *now, uint32_t *depth,
					      struct call_times *times);

/* Of the one that runs: 0 is the first one's. */
uint32_t call_greenlets_number(const struct call_greenlets *greenlets);

/* All are forgotten. */
void call_greenlets_forget(struct call_greenlets *greenlets);

#endif
