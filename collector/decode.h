/* SPDX-License-Identifier: MIT */
/* One record of a lane, in private memory, to a struct event. */
#ifndef COLLECTOR_DECODE_H
#define COLLECTOR_DECODE_H

#include "event.h"
#include "record.h"
#include "symbols.h"

/*
 * `slots` is a record that record_check() found whole; its type, arguments and ids are looked
 * at here. Fills what the record says: all but time_ns, seq and lane. The event points into
 * the slots, the symbols, and memory that the next call uses again. False: this is no event,
 * or several: RECORD_CALLS is for decode_call().
 */
bool decode_record(const struct slot *slots, struct symbols *symbols, struct event *event);

/*
 * One word of a RECORD_CALLS slot that is not zero: fills type, call and function. False: this
 * is no event.
 */
bool decode_call(uint64_t word, struct symbols *symbols, struct event *event);

#endif
