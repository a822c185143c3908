/* SPDX-License-Identifier: MIT */
/*
 * Whoever is killed must find again what it had read and not yet written: only lines that are
 * written give the room of their records back to the program, and the object of one that has
 * ended to the system. Lines of several lanes wait for their order (merge.h), so a mark is set
 * in what was read, and all before it is given back once the last line before it has left.
 */
#ifndef COLLECTOR_GIVE_BACK_H
#define COLLECTOR_GIVE_BACK_H

#include "printer.h"
#include "roster.h"

/* The caller's, zeroed. */
struct give_back {
	struct merge_mark mark;
	bool marked;
	size_t n_ended; /* of roster->ended, at the mark */
};

/* After printer_flush(). */
void give_back(struct give_back *give_back, struct roster *roster, const struct printer *printer);

#endif
