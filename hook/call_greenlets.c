/* SPDX-License-Identifier: MIT */
#include "call_greenlets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PLACES 32
#define MOST_PLACES (1u << 21)

struct call_greenlet {
	const void *root; /* of its stack */
	uint32_t number;
	bool fresh;      /* its first event is still to come */
	uint32_t depth;          /* this and the next one while it does not run */
	struct call_shadow open;
};

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
	PyObject *modules = PyImport_GetModuleDict();
	for (size_t i = 0; modules != NULL && i < N_NAMES; i++)
		if (PyDict_GetItemString(modules, names[i]) != NULL)
			return true;
	return false;
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
		if (greenlet->depth == 0 && greenlet != greenlets->runs) {
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
new_greenlet(struct call_greenlets *greenlets, const void *root, uint32_t number)
{
	struct call_greenlet *greenlet = make_place(greenlets) ? calloc(1, sizeof *greenlet) : NULL;
	if (greenlet == NULL)
		return NULL;
	greenlet->root = root;
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

static bool
change(struct call_greenlets *greenlets, const void *root, uint32_t *depth, struct call_times *times)
{
	struct call_greenlet *from = greenlets->runs, *to = NULL;
	from->depth = *depth;
	if (greenlets->n > 0)
		to = *place_of(greenlets->table, greenlets->n_places, root);
	if (to == NULL)
		to = new_greenlet(greenlets, root, next_number());
	if (to == NULL)
		return false;
	call_times_switch(times, &from->open, &to->open);
	*depth = to->depth;
	greenlets->runs = to;
	return true;
}

/* Which one it is, from its stack; false: no memory. What is open when none was seen is the first's. */
static bool
find_running(struct call_greenlets *greenlets, const void *root, uint32_t *depth,
	     struct call_times *times)
{
	if (greenlets->runs == NULL)
		return (greenlets->runs = new_greenlet(greenlets, root, 0)) != NULL;
	return root == greenlets->runs->root || change(greenlets, root, depth, times);
}

/* Where nothing is open and a stack's first function begins, another one has the stack now. */
static bool
begins_another(struct call_greenlet *runs, PyThreadState *tstate, enum call_event what,
	       uint32_t depth)
{
	bool fresh = runs->fresh;
	runs->fresh = false;
	return !fresh && depth == 0 && what == CALL_PY_START && py_stack_begins(tstate);
}

enum call_greenlet_change
call_greenlets_look(struct call_greenlets *greenlets, bool all, enum call_event what,
		    uint32_t *depth, struct call_times *times)
{
	PyThreadState *tstate = py_thread_state();
	const struct call_greenlet *last = greenlets->runs;
	bool stays = last != NULL && all && py_stack_is_same(tstate, greenlets->place);
	if (!stays && !find_running(greenlets, py_stack_root(tstate), depth, times))
		return CALL_GREENLET_NO_MEMORY;
	bool leaves = call_ends(what) && what != CALL_C_RETURN && what != CALL_C_RAISE;
	greenlets->place = py_stack_place(tstate, leaves);
	if (begins_another(greenlets->runs, tstate, what, *depth)) {
		greenlets->runs->number = next_number();
		return CALL_GREENLET_OTHER;
	}
	return greenlets->runs == last ? CALL_GREENLET_SAME : CALL_GREENLET_OTHER;
}

uint32_t
call_greenlets_number(const struct call_greenlets *greenlets)
{
	return greenlets->runs != NULL ? greenlets->runs->number : 0;
}
