/* SPDX-License-Identifier: MIT */
/* The inside of a struct tracee, for the files tracee*.c alone. */
#ifndef COLLECTOR_TRACEE_STATE_H
#define COLLECTOR_TRACEE_STATE_H

#include "attachment.h"
#include "calibrate.h"
#include "drain.h"
#include "key.h"
#include "symbols.h"
#include "tracee.h"

/* What call_stats were at some moment, by definition id. */
struct stats_then {
	struct call_stats *stats;
	uint32_t n; /* ids from there on had none */
};

struct tracee {
	struct identity identity;
	struct attachment segment;
	char key[KEY_BYTES], parent[KEY_BYTES], why[160];
	struct symbols *symbols;
	struct call_room call_room; /* of all lanes */
	struct drain **lanes;
	uint32_t n_lanes, first_lane; /* and where the next turn begins */
	struct calibrate_past past;
	bool first, backlog, begun, waiting, looking;
	bool noted_last;
	bool releases_nothing;        /* what is read stays where it is */
	const bool *enough;           /* as in drain.h */
	bool unreleased;              /* something was read that is not given back, and ... */
	bool unmarked;                /* ... some of it since the last tracee_mark() */
	uint64_t lost[N_LOST_REASONS]; /* told, of what reached no lane, and at the mark: */
	uint64_t marked_lost[N_LOST_REASONS];
	uint64_t now_ticks, ticked_ns;
	uint64_t emitted, filtered;
	uint64_t n_notices;           /* read from lanes: they are counted with the calls */
	struct stats_then came; /* when we came, without a backlog */
	struct stats_then told; /* at the last report of changes */
	tracee_event_fn fn;
	void *context;
};

/* So that functions are told of when they are called from now on. */
void tracee_note_functions(struct tracee *tracee);

#endif
