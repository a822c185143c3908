/* SPDX-License-Identifier: MIT */
#include "call_greenlets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PLACES 32
#define MOST_PLACES (1u << 21)

#define NEAR 24 /* chunks, at each event: the default recursion limit takes fewer */
#define NEAR_FRAMES 2000

struct call_greenlet {
	const void *root; /* of its stack */
	uint32_t number;
	bool fresh;              /* its first event is still to come */
	bool is_frame;           /* the root is one */
	uint32_t depth;          /* this and the next one while it does not run */
	struct call_shadow open;
};

/* Of each thread that there was when the module came. */
struct own_stack {
	uint64_t tstate_id;
	const void *root;
};
static struct own_stack *own_stacks;
static uint32_t n_own_stacks;

static uint32_t numbers; /* that were given out, in the process */

/* ---- the module ---- */

/* It is the extension's name since 1.0; before, and in some applications, the whole module's. */
static const char *const names[] = {"greenlet._greenlet", "greenlet"};
#define N_NAMES (sizeof names / sizeof names[0])

bool
call_greenlets_import(PyObject *args)
{
	PyObject *name = PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0
				 ? PyTuple_GET_ITEM(args, 0) : NULL;
	if (name == NULL || !PyUnicode_Check(name) || !py_str_ready(name))
		return false;
	for (size_t i = 0; i < N_NAMES; i++)
		if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
			return true;
	return false;
}

bool
call_greenlets_imported(void)
{
	PyObject *modules = py_main_sys("modules"); /* the C API ends the program when there are none */
	for (size_t i = 0; modules != NULL && PyDict_Check(modules) && i < N_NAMES; i++)
		if (PyDict_GetItemString(modules, names[i]) != NULL)
			return true;
	return false;
}

void
call_greenlets_note_threads(void)
{
	PyThreadState *own = py_thread_state(), *tstate = own;
	struct own_stack *noted;
	uint32_t n = 0;
	int saved = errno;
	if (own->interp != py_main_interpreter())
		return;
#if PY_HAS_GIL /* else they run, and may end */
	tstate = PyInterpreterState_ThreadHead(py_main_interpreter());
#endif
	for (; tstate != NULL; tstate = PY_HAS_GIL ? PyThreadState_Next(tstate) : NULL) {
		noted = realloc(own_stacks, (n + 1) * sizeof *noted);
		if (noted == NULL)
			break;
		own_stacks = noted;
		own_stacks[n++] = (struct own_stack){tstate->id, py_stack_root(tstate, NULL, UINT32_MAX)};
	}
	n_own_stacks = n;
	errno = saved;
}

/* NULL: not known. */
static const void *
own_stack_of(uint64_t tstate_id)
{
	for (uint32_t i = 0; i < n_own_stacks; i++)
		if (own_stacks[i].tstate_id == tstate_id)
			return own_stacks[i].root;
	return NULL;
}

/* ---- the table ---- */

/* Where it stands, or would. There is always a free place. */
static struct call_greenlet **
place_of(struct call_greenlet **table, uint32_t n_places, const void *root)
{
	uint32_t i = (uint32_t)(((uintptr_t)root >> 4) * 0x9e3779b97f4a7c15u >> 32);
	for (;; i++) {
		struct call_greenlet **place = &table[i & (n_places - 1)];
		if (*place == NULL || (*place)->root == root)
			return place;
	}
}

static void
free_greenlet(struct call_greenlet *greenlet)
{
	free(greenlet->open.calls);
	free(greenlet);
}

/* Into another table. Those that have no open calls, most of which have ended, stay behind. */
static bool
rebuild(struct call_greenlets *greenlets, uint32_t n_places)
{
	struct call_greenlet **table = calloc(n_places, sizeof *table);
	if (table == NULL)
		return false;
	greenlets->n = 0;
	for (uint32_t i = 0; i < greenlets->n_places; i++) {
		struct call_greenlet *greenlet = greenlets->table[i];
		if (greenlet == NULL)
			continue;
		if (greenlet->depth == 0 && greenlet->open.n == 0 && greenlet != greenlets->runs) {
			free_greenlet(greenlet);
			continue;
		}
		*place_of(table, n_places, greenlet->root) = greenlet;
		greenlets->n++;
	}
	free(greenlets->table);
	greenlets->table = table;
	greenlets->n_places = n_places;
	return true;
}

/* At most half of the places are taken, and a quarter after it was rebuilt. */
static bool
make_place(struct call_greenlets *greenlets)
{
	if (2 * (greenlets->n + 1) <= greenlets->n_places)
		return true;
	uint32_t n_places = greenlets->n_places > 0 ? greenlets->n_places : FIRST_PLACES;
	if (!rebuild(greenlets, n_places))
		return false;
	if (4 * (greenlets->n + 1) <= n_places)
		return true;
	return n_places < MOST_PLACES && rebuild(greenlets, 2 * n_places);
}

static struct call_greenlet *
new_greenlet(struct call_greenlets *greenlets, const void *root, bool is_frame, uint32_t number)
{
	struct call_greenlet *greenlet = make_place(greenlets) ? calloc(1, sizeof *greenlet) : NULL;
	if (greenlet == NULL)
		return NULL;
	greenlet->root = root;
	greenlet->is_frame = is_frame;
	greenlet->number = number;
	greenlet->fresh = true;
	*place_of(greenlets->table, greenlets->n_places, root) = greenlet;
	greenlets->n++;
	return greenlet;
}

void
call_greenlets_forget(struct call_greenlets *greenlets)
{
	for (uint32_t i = 0; i < greenlets->n_places; i++) {
		struct call_greenlet *greenlet = greenlets->table[i];
		if (greenlet == NULL)
			continue;
		if (greenlet == greenlets->runs) /* what is open there is the caller's */
			memset(&greenlet->open, 0, sizeof greenlet->open);
		free_greenlet(greenlet);
	}
	free(greenlets->table);
	memset(greenlets, 0, sizeof *greenlets);
}

/* ---- changes ---- */

static uint32_t
next_number(void)
{
	return add_relaxed(&numbers, 1) % ((1u << CALLS_GREENLET_BITS) - 1) + 1;
}

/* NULL: not known. */
static struct call_greenlet *
find(const struct call_greenlets *greenlets, const void *root)
{
	return greenlets->n > 0 ? *place_of(greenlets->table, greenlets->n_places, root) : NULL;
}

static void
change(struct call_greenlets *greenlets, struct call_greenlet *to, uint32_t *depth,
       struct call_times *times)
{
	struct call_greenlet *from = greenlets->runs;
	from->depth = *depth;
	greenlets->n_frames += from->is_frame && from->depth > 0;
	greenlets->n_frames -= to->is_frame && to->depth > 0;
	call_times_switch(times, &from->open, &to->open);
	*depth = to->depth;
	greenlets->runs = to;
}

/*
 * The thread's own stack is the first, and what is open is its. Where it is not known it is the one
 * that runs; but what is open then may be another's.
 */
static bool
begin(struct call_greenlets *greenlets, PyThreadState *tstate, const void *root, bool is_frame,
      uint32_t *depth, struct call_times *times)
{
	const void *own = own_stack_of(tstate->id);
	if (own == NULL && (*depth > 0 || times->open.n > 0)) {
		*depth = 0;
		call_times_reset(times);
	}
	greenlets->first = own != NULL ? own : root;
	greenlets->first_is_own = own != NULL || py_stack_is_own(tstate);
	greenlets->runs = new_greenlet(greenlets, greenlets->first, own == NULL && is_frame, 0);
	return greenlets->runs != NULL;
}

/*
 * NULL, or the one that runs, known by a frame: it began with a generator, and had no chunk then.
 * The chunk that it has now may have been the root of one that has ended.
 */
static struct call_greenlet *
find_by_frame(const struct call_greenlets *greenlets, PyThreadState *tstate, py_frame hidden,
	      uint32_t depth)
{
	bool runs = greenlets->runs->is_frame && depth > 0;
	if ((greenlets->n_frames == 0 && !runs) || !py_stack_has_chunks(tstate))
		return NULL;
	const void *frame = py_stack_outermost(tstate, hidden, NEAR_FRAMES);
	struct call_greenlet *found = frame != NULL ? find(greenlets, frame) : NULL;
	if (found == NULL || (found == greenlets->runs ? depth : found->depth) == 0)
		return NULL;
	return found;
}

/* Of one that begins; the thread's own stack may have another root than before. */
static uint32_t
new_number(struct call_greenlets *greenlets, PyThreadState *tstate, const void *root)
{
	if (root != greenlets->first && greenlets->first_is_own && py_stack_is_own(tstate))
		greenlets->first = root;
	return root == greenlets->first ? 0 : next_number();
}

/* Which one it is, from its stack; false: no memory. */
static bool
find_running(struct call_greenlets *greenlets, PyThreadState *tstate, py_frame hidden,
	     const void *root, uint32_t *depth, struct call_times *times)
{
	bool is_frame = !py_stack_has_chunks(tstate);
	if (greenlets->runs == NULL && !begin(greenlets, tstate, root, is_frame, depth, times))
		return false;
	struct call_greenlet *to = root == greenlets->runs->root ? greenlets->runs
								: find(greenlets, root);
	uint32_t its_depth = to == NULL ? 0 : to == greenlets->runs ? *depth : to->depth;
	struct call_greenlet *by_frame =
		its_depth == 0 ? find_by_frame(greenlets, tstate, hidden, *depth) : NULL;
	if (by_frame != NULL)
		to = by_frame;
	else if (to == NULL) /* or it stayed behind */
		to = new_greenlet(greenlets, root, is_frame, new_number(greenlets, tstate, root));
	if (to != NULL && to != greenlets->runs)
		change(greenlets, to, depth, times);
	return to != NULL;
}

/*
 * Is it the stack of the last event? Its place tells, where that is a proof, or the root is so far
 * that the way there would cost too much; else *root is set.
 */
static bool
stays(const struct call_greenlets *greenlets, PyThreadState *tstate, const struct call_moment *now,
      const void **root)
{
	bool same = greenlets->runs != NULL &&
		    py_stack_is_same(tstate, now->frame, greenlets->place);
	if (same && PY_PLACE_IS_PROOF)
		return true;
	*root = py_stack_root(tstate, now->frame, same ? NEAR : UINT32_MAX);
	return same && *root == NULL;
}

/*
 * What runs after the event; nothing where that is a function whose end may not be seen, for its
 * frame may be another's by the next event.
 */
static struct py_stack_place
place_after(PyThreadState *tstate, const struct call_moment *now)
{
	bool leaves = call_ends(now->what) && now->what != CALL_C_RETURN && now->what != CALL_C_RAISE;
	if (PY_PLACE_IS_PROOF && leaves && !now->sees_all)
		return (struct py_stack_place){NULL, NULL};
	return py_stack_place(tstate, now->frame, leaves);
}

/* Where nothing is open and a stack's first function begins, another one has the stack now. */
static bool
begins_another(const struct call_greenlets *greenlets, PyThreadState *tstate,
	       const struct call_moment *now, uint32_t depth)
{
	return depth == 0 && now->what == CALL_PY_START &&
	       greenlets->runs->root != greenlets->first && py_stack_begins(tstate, now->frame);
}

enum call_greenlet_change
call_greenlets_look(struct call_greenlets *greenlets, const struct call_moment *now,
		    uint32_t *depth, struct call_times *times)
{
	PyThreadState *tstate = py_thread_state();
	const void *root;
	if (unlikely(greenlets->tstate_id != tstate->id)) {
		call_greenlets_forget(greenlets);
		greenlets->tstate_id = tstate->id;
	}
	const struct call_greenlet *last = greenlets->runs;
	if (!stays(greenlets, tstate, now, &root) &&
	    !find_running(greenlets, tstate, now->frame, root, depth, times))
		return CALL_GREENLET_NO_MEMORY;
	greenlets->place = place_after(tstate, now);
	if (greenlets->runs->fresh) {
		greenlets->runs->fresh = false;
		return CALL_GREENLET_NEW;
	}
	if (begins_another(greenlets, tstate, now, *depth)) {
		greenlets->runs->number = new_number(greenlets, tstate, greenlets->runs->root);
		call_times_drop(times);
		return CALL_GREENLET_OTHER;
	}
	return greenlets->runs == last ? CALL_GREENLET_SAME : CALL_GREENLET_OTHER;
}

uint32_t
call_greenlets_number(const struct call_greenlets *greenlets)
{
	return greenlets->runs != NULL ? greenlets->runs->number : 0;
}
