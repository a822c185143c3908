/* SPDX-License-Identifier: MIT */
/*
 * On which of a thread's stacks (greenlets) it runs: the root of one is its own as long as it
 * lives. From 3.11 on each has a data stack, in chunks of 16 KiB, and the first chunk is the root;
 * only generators' frames lie elsewhere, so a stack that begins with one has no chunk before it
 * calls a function. Then, and up to 3.10, the outermost frame is the root.
 *
 * In all of these, `frame` is one that an evaluator is about to run, or has run, and that CPython
 * does not know of then (from 3.11 on only a generator's is there still when it has run); else
 * NULL. `most`: so many steps; NULL: it is farther.
 */
#ifndef HOOK_PY_STACK_H
#define HOOK_PY_STACK_H

#include "pycompat.h"

static inline py_frame
py_stack_outermost(PyThreadState *tstate, py_frame frame, unsigned most)
{
	py_frame at = py_frame_current(tstate), back;
#if PY_HAS_INTERPRETER_FRAMES
	if (at == NULL)
		return frame; /* nothing is behind it, and nothing in it says so */
#else
	at = frame != NULL ? frame : at;
#endif
	for (; at != NULL && most > 0; most--) {
		if ((back = py_frame_back(at)) == NULL)
			return at;
		at = back;
	}
	return NULL;
}

#if PY_HAS_INTERPRETER_FRAMES
static inline bool
py_stack_has_chunks(PyThreadState *tstate)
{
	return tstate->datastack_chunk != NULL;
}

static inline const void *
py_stack_root(PyThreadState *tstate, py_frame frame, unsigned most)
{
	const _PyStackChunk *chunk = tstate->datastack_chunk;
	if (chunk == NULL)
		return py_stack_outermost(tstate, frame, most);
	while (chunk->previous != NULL && most-- > 0)
		chunk = chunk->previous;
	return chunk->previous == NULL ? chunk : NULL;
}
#else
static inline bool
py_stack_has_chunks(PyThreadState *tstate)
{
	(void)tstate;
	return false;
}

static inline const void *
py_stack_root(PyThreadState *tstate, py_frame frame, unsigned most)
{
	return py_stack_outermost(tstate, frame, most);
}
#endif

/*
 * Where on a stack an event happens, by which the next event of the same stack is known. From 3.11
 * on the chunk, which is no proof: what is not seen may have given it back, and another stack have
 * taken it. Before, what runs after the event, which is one if every event is seen.
 */
struct py_stack_place {
	const void *at, *below;
};
#define PY_PLACE_IS_PROOF (!PY_HAS_INTERPRETER_FRAMES)

/* `leaves`: the function that runs ends with this event. */
static inline struct py_stack_place
py_stack_place(PyThreadState *tstate, py_frame frame, bool leaves)
{
#if PY_HAS_INTERPRETER_FRAMES
	const _PyStackChunk *chunk = tstate->datastack_chunk;
	(void)frame, (void)leaves;
	return (struct py_stack_place){chunk, chunk != NULL ? chunk->previous : NULL};
#else
	if (frame == NULL)
		frame = tstate->frame;
	return (struct py_stack_place){leaves && frame != NULL ? frame->f_back : frame, NULL};
#endif
}

static inline bool
py_stack_is_same(PyThreadState *tstate, py_frame frame, struct py_stack_place last)
{
#if PY_HAS_INTERPRETER_FRAMES
	struct py_stack_place here = py_stack_place(tstate, frame, false);
	return here.at != NULL && here.at == last.at && here.below == last.below;
#else
	if (frame == NULL)
		frame = tstate->frame;
	return frame != NULL && last.at != NULL && (frame == last.at || frame->f_back == last.at);
#endif
}

/* The function that runs, or `frame`, is its stack's first. */
static inline bool
py_stack_begins(PyThreadState *tstate, py_frame frame)
{
	py_frame at = py_frame_current(tstate);
	if (frame != NULL) /* what it will have behind it runs yet */
		return at == NULL;
	return at == NULL || py_frame_back(at) == NULL;
}

/*
 * Up to 3.10: it is the thread's own, though its outermost function may be another one than before
 * (those of atexit, and what is typed). Each evaluator, and some calls of C, are one deeper, and a
 * greenlet begins as deep as the function that starts it. From 3.11 on the first chunk tells.
 */
static inline bool
py_stack_is_own(PyThreadState *tstate)
{
#if PY_HAS_INTERPRETER_FRAMES
	(void)tstate;
	return false;
#else
	int depth = tstate->recursion_depth;
	for (py_frame at = tstate->frame; at != NULL && depth >= 0; at = at->f_back)
		depth--;
	return depth == 0;
#endif
}

#endif
