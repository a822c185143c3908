/* SPDX-License-Identifier: MIT */
/* What is missing in a lane, told at its place with the reason; for drain.c alone. */
#ifndef COLLECTOR_DRAIN_LOSSES_H
#define COLLECTOR_DRAIN_LOSSES_H

#include "drain.h"

/*
 * No lane comes to this number in a thousand years. A hostile one must not, by a jump each time,
 * get beyond the integers that every reader of JSON takes.
 */
#define DRAIN_SEQ_MOST (UINT64_C(1) << 52)

/* The next n events are lost: goes past them. No call's return is paired across that. */
void drain_tell_lost(struct drain *drain, const struct drain_to *to, unsigned reason, uint64_t n,
		     uint64_t time_ns);

/* What a collector that was killed had read and not written; nothing at the second time. */
void drain_tell_unwritten(struct drain *drain, const struct drain_to *to, uint64_t time_ns);

/* The events up to `seq` are missing. Those that came before anybody read come first. */
void drain_tell_gap(struct drain *drain, const struct drain_to *to, uint64_t seq,
		    uint64_t time_ns);

/* What drain_look_for_losses() noted, once all that was there then has been read. */
void drain_tell_noted(struct drain *drain, const struct drain_to *to);

/* In drain.c: how many words of a slot may be read; all, of one that does not hold calls. */
unsigned drain_words(const struct drain *drain, uint64_t position);

#endif
