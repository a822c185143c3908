/* SPDX-License-Identifier: MIT */
/*
 * Tell the hooks on this machine that every program is wanted: at a clean exit they then leave
 * their segment for us, however short the program was. An object in /dev/shm, of our user, that we
 * hold a lock for writing on as long as we live: to hold one, or to be in its way for longer than
 * the object lasts, takes permission to write there. Anybody may ask whether there is one.
 */
#ifndef COLLECTOR_WATCH_H
#define COLLECTOR_WATCH_H

/* A descriptor for watch_end(), or -errno. `dir` is /dev/shm. */
int watch_begin(int dir);

/* Closes it, and removes the object when nobody else watches. */
void watch_end(int dir, int fd);

#endif
