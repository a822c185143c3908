/* SPDX-License-Identifier: MIT */
/*
 * The segment of one process, locked, checked and mapped. What is hostile about it ends here:
 * sizes are those of a private, checked copy of the header, and a truncation under our hands
 * is a flag and not a signal.
 *
 * Two mappings at the most, however many lanes there are: a process may have 65,530 mappings.
 */
#ifndef COLLECTOR_ATTACHMENT_H
#define COLLECTOR_ATTACHMENT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "segment.h"
#include "sigbus.h"

struct attachment {
	int fd;
	bool read_only;               /* mapped for reading, not locked */
	struct segment_header header; /* the private copy */
	struct segment_layout at;
	struct sigbus_map map;        /* from the header to the end of lane 0 */
	struct sigbus_map others;     /* the other lanes; mapped when one is asked for */
	volatile sig_atomic_t hit;    /* it was truncated while we read */
	struct segment_header *shared;
	struct segment_control *control;
	uint8_t *levels;
	const uint8_t *defs;
};

/*
 * Zeroed storage of the caller, at a fixed address until attachment_fini(). `fd` stays the
 * caller's. 0, TRACEE_NOT_READY, TRACEE_BUSY, TRACEE_YIELDS (tracee.h) or -errno, with `why` a
 * sentence; nothing is to be undone then. `ask`: the place is wanted; whoever only looks is to
 * leave, and the lock is asked for more than once.
 */
int attachment_init(struct attachment *attachment, int fd, const char *name, bool ask, char *why,
		    size_t why_bytes);

/* The same without the lock, whoever has it: `control` and all the rest is for reading alone. */
int attachment_look(struct attachment *attachment, int fd, const char *name, char *why,
		    size_t why_bytes);

/* Where a lane begins; NULL: it cannot be mapped. */
uint8_t *attachment_lane(struct attachment *attachment, uint32_t lane);

/*
 * Does the object have memory for so many bytes at `offset`, which are mapped at `at`? To look at a
 * hole of /dev/shm makes a page of it, on our account, and a hostile header promises gigabytes.
 */
bool attachment_there(const struct attachment *attachment, const void *at, uint64_t offset,
		      uint64_t bytes);

/*
 * For lane_reader.there, with the attachment as its context: slots may lie at both ends of a ring.
 */
bool attachment_slots_there(void *context, const struct lane_reader *reader, uint64_t n);

/* Unmap. The lock ends with the descriptor. */
void attachment_fini(struct attachment *attachment);

#endif
