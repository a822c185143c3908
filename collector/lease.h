/* SPDX-License-Identifier: MIT */
/*
 * The control region of a segment (common/segment.h), from the side of the collector that
 * holds its lock: the settings wanted, and the sign of life without which the hook returns to
 * the program's own.
 */
#ifndef COLLECTOR_LEASE_H
#define COLLECTOR_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "segment.h"
#include "symbols.h"
#include "tracee.h"

/*
 * Announce ourselves; settings that are not given are the program's own. True: what is in force
 * changes, and lease_mark() must tell the hook to look.
 */
bool lease_begin(struct segment_control *control, const struct segment_header *header,
		 const struct settings *settings);

/* Other settings, in the middle of it; true as above. */
bool lease_change(struct segment_control *control, const struct segment_header *header,
		  const struct settings *settings);

/*
 * Once a second. `late`: it was not, and the hook may have found us gone; true as with
 * lease_begin().
 */
bool lease_renew(struct segment_control *control, bool late);

bool lease_end(struct segment_control *control);

/*
 * Send the next event of each name to the control region: one that is off or counted does not
 * look there by itself. `levels` are those of the segment, `symbols` its definitions.
 */
void lease_mark(uint8_t *levels, struct symbols *symbols);

#endif
