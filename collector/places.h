/* SPDX-License-Identifier: MIT */
/*
 * Where segments appear: /dev/shm, ours and that of every other root or mount namespace that
 * some process lives in (containers, chroots). Each is a directory descriptor and an inotify
 * watch. Nothing below a foreign root is trusted: it is entered by openat2() without leaving
 * that root and without following a link.
 */
#ifndef COLLECTOR_PLACES_H
#define COLLECTOR_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct place {
	int dir;
	int watch; /* of inotify; negative: there is none, a poll lists all names, ten times a second */
	dev_t dev; /* of the directory */
	ino_t ino;
	bool own;  /* our own /dev/shm */
	bool used; /* by some process, at the last scan */
	unsigned n_users; /* who keep a pointer to it */
};

/*
 * A root that was looked at: no need to open its /dev/shm again before the next scan. Until then
 * something else may be mounted there, and the root be gone.
 */
struct place_key {
	ino_t mount_ns;
	dev_t root_dev;
	ino_t root_ino;
	struct place *place; /* NULL: has none that we may open */
};

struct places {
	int inotify;
	struct place **items;
	size_t n;
	struct place_key *keys;
	size_t n_keys;
	bool told_unwatched;
	uint64_t next_list_ns; /* of those without a watch */
};

/* Ours. `path` is "/dev/shm", or a stand-in in tests. 0 or -errno. */
int places_init(struct places *places, const char *path);
void places_fini(struct places *places);

/* That of a process, given its /proc directory; NULL when it cannot be entered. */
struct place *places_of(struct places *places, int proc);

/*
 * Look at every process for roots not yet known, and forget places that no process uses any
 * more. Calls fresh (may be NULL) with each new one.
 */
typedef void (*places_fresh_fn)(void *context, struct place *place);
void places_scan(struct places *places, places_fresh_fn fresh, void *context);

/* A name that starts like a segment's appeared in a place. */
typedef void (*places_name_fn)(void *context, struct place *place, const char *name);

/* Everything that is there now. */
void places_list(struct place *place, places_name_fn fn, void *context);

/* What appeared since the last call; of very much a part: true, there may be more. */
bool places_poll(struct places *places, places_name_fn fn, void *context);

/*
 * The directory dev/shm below the root of a process, or -errno; for places_of() and for one
 * process that is asked for by pid.
 */
int place_open_below(int proc);

#endif
