/* SPDX-License-Identifier: MIT */
/*
 * From a name in /dev/shm, or a pid, to an object that is safe to attach to: what it is and
 * whose, asked of the kernel. A process is the owner of a segment when its pid (the one it
 * sees itself) stands in the name and the object is mapped by it, as /proc/PID/maps has it;
 * start time and pid alone would survive an exec. A segment that no process maps is dead.
 */
#ifndef COLLECTOR_DISCOVER_H
#define COLLECTOR_DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "places.h"
#include "tracee.h"

struct segment_found {
	int fd;                        /* of the object, for reading and writing */
	char name[SEGMENT_NAME_BYTES]; /* with its / */
	uint32_t name_pid, nonce;
	dev_t dev;
	ino_t ino;
	uint32_t owner;                /* uid of the object */
	uint64_t pid_ns;               /* as its header says: may spare a search; 0: not known */
	uint64_t start_time;           /* of its process, as its header says; 0: not known */
	uint64_t changed_ns;           /* Unix time; of its inode, which who writes to it moves on */
	uint64_t began_ns;             /* Unix time, as its header says */
	int maps;                      /* for proc_alive(); -1 when dead */
	struct identity identity;      /* from discover_identify() on */
};

enum discover_outcome {
	DISCOVER_LATER = 1,    /* its process has not yet filled it in */
	DISCOVER_REFUSED = 2,  /* not to be trusted, or not for us: `why` */
	DISCOVER_UNTRACED = 3, /* discover_process(): this process has no segment */
};

/*
 * Open an object by name. Checks: a regular file with one link, of mode 0600, owned by us
 * when we are not root. 0, DISCOVER_REFUSED, or -errno (-ENOENT: gone, -EACCES).
 */
int discover_open(const struct place *place, const char *name, struct segment_found *found,
		  char *why, size_t why_bytes);

/*
 * Whose is it: fills identity and maps; identity.alive is false when no process maps it, which
 * is meaningful once its header is complete. 0, DISCOVER_REFUSED (the owner is neither root
 * nor the process's uid), or -errno: whether it is alive is not known then.
 */
int discover_identify(struct segment_found *found, char *why, size_t why_bytes);

/* A -errno of ours: no descriptors, or no memory. */
bool discover_is_shortage(int err);

/*
 * The segment of one process, opened and identified. 0, DISCOVER_UNTRACED, DISCOVER_REFUSED,
 * -ESRCH, -EACCES (another user's), or -errno.
 */
int discover_process(uint32_t pid, struct segment_found *found, char *why, size_t why_bytes);

/* A private copy of the header: 0, DISCOVER_LATER when it is not complete, or -errno. Before
 * discover_identify(), it makes that cheaper. */
int discover_header(struct segment_found *found, struct segment_header *header);

/*
 * One whose header is not complete. Nothing was recorded in it; a process that is killed before it
 * has set it up leaves it like this. DISCOVER_LATER: it is not ten seconds old. 0: it is removed,
 * which is said. Else it is left: a process maps it, or that cannot be known.
 */
int discover_bury_unborn(const struct place *place, struct segment_found *found);

/* Remove the name, if it still stands for this object. Dead ones only. */
void discover_unlink(const struct place *place, const struct segment_found *found);

/* Closes what is still owned. After a failure or an outcome there is nothing to close. */
void discover_fini(struct segment_found *found);

#endif
