/* SPDX-License-Identifier: MIT */
#include "housekeeping.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "proc_self.h"
#include "segment.h"
#include "shm_size.h"

#define DEAD_BYTES_MAX (64u << 20)
#define CANDIDATES 1024
#define LOOK_AT 32
#define NAMES_AT_MOST 16384
#define LATE_NS 10000000000u /* a collector that started a program is waited for so long */

struct candidate {
	char name[SEGMENT_NAME_BYTES];
	uint32_t pid;
	dev_t dev;
	ino_t ino;
	int64_t ctime_ns;
	uint64_t bytes;
	uint64_t events; /* unread */
};

/* Does this process map the object? A pid says nothing: it may be another process by now,
 * or the same one after exec. */
static bool
maps_it(const struct candidate *c)
{
	char path[32], line[512], wanted[64];
	bool found = false;
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/maps", c->pid);
	FILE *maps = fopen(path, "re");
	if (maps == NULL)
		return errno != ENOENT && errno != ESRCH; /* not ours to judge: leave it */
	snprintf(wanted, sizeof wanted, " %02x:%02x %lu ", major(c->dev), minor(c->dev),
		 (unsigned long)c->ino);
	while (!found && fgets(line, sizeof line, maps) != NULL)
		found = strstr(line, wanted) != NULL;
	fclose(maps);
	return found;
}

/* Events at level record that no collector has accounted for. */
static uint64_t
unread_events(int fd, const struct segment_header *header)
{
	struct segment_layout at = segment_layout(header);
	uint64_t n = 0, used = header->lanes_used;
	for (uint32_t i = 0; i < used && i < header->n_lanes; i++) {
		struct lane_shared lane;
		off_t offset = (off_t)segment_lane_offset(&at, i);
		if (pread(fd, &lane, sizeof lane, offset) != sizeof lane)
			break;
		uint64_t told = 0;
		for (int k = 0; k < 2; k++)
			if (lane.told[k].tail == lane.tail && lane.told[k].seq > told)
				told = lane.told[k].seq;
		n += lane.seq > told ? lane.seq - told : 0;
	}
	return n;
}

/*
 * Dead, and to be judged by us: a collector holds a lock on what it reads, and in another pid
 * namespace the pid in the name is another process. `spare`: leave those whose collector,
 * which started them, may only be late. Without a header nothing tells a newborn, which maps it
 * in a moment, from what a killed one left: that one is old, and its process is not there.
 */
static bool
is_dead(int dir, struct candidate *c, uint64_t pid_ns, bool spare)
{
	struct segment_header header = {.ready = 0};
	char why[128];
	struct stat st;
	bool dead = false;
	bool there = kill((pid_t)c->pid, 0) == 0 || errno != ESRCH;
	if (there && maps_it(c))
		return false;
	int fd = openat(dir, c->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ||
	    pread(fd, &header, sizeof header, 0) < 0)
		goto out;
	uint64_t age_ns = clock_ns(CLOCK_REALTIME) - (uint64_t)c->ctime_ns;
	bool old = age_ns >= LATE_NS && age_ns < UINT64_MAX / 2; /* clocks are set back, too */
	int outcome = segment_check(&header, (uint64_t)st.st_size, why, sizeof why);
	if (outcome == SEGMENT_NOT_READY) {
		dead = !there && old;
	} else if (outcome == 0) {
		dead = header.pid_ns == pid_ns &&
		       !(spare && (header.flags & SEGMENT_LAUNCHED) && !old);
		c->events = unread_events(fd, &header);
	} else if (outcome == -EPROTO) {
		dead = header.pid_ns == pid_ns; /* stands where it stood in every ABI */
	} else {
		dead = true; /* of a process that does not map it */
	}
out:
	close(fd);
	return dead;
}

static bool
look_at(int dir, const char *name, struct candidate *c)
{
	struct stat st;
	uint32_t uid, nonce;
	if (strlen(name) >= sizeof c->name || segment_name_parse(name, &uid, &c->pid, &nonce) < 0 ||
	    uid != geteuid() || c->pid == (uint32_t)getpid() ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_uid != geteuid())
		return false;
	strcpy(c->name, name);
	c->events = 0;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	c->bytes = (uint64_t)st.st_blocks * 512;
	c->ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	return true;
}

static int
older(const void *a, const void *b)
{
	int64_t x = ((const struct candidate *)a)->ctime_ns;
	int64_t y = ((const struct candidate *)b)->ctime_ns;
	return (x > y) - (x < y);
}

/*
 * The dead ones among at most LOOK_AT of them, from a random one on: each look reads the maps of a
 * process, and with hundreds of living ones each newcomer would look at all.
 */
static size_t
pick_dead(int dir, struct candidate *all, size_t n, uint64_t *bytes, bool spare)
{
	uint64_t pid_ns = proc_self_pid_ns();
	size_t first = (size_t)(clock_ns(CLOCK_MONOTONIC) / 1000) % n, n_dead = 0;
	static struct candidate dead[LOOK_AT];
	*bytes = 0;
	for (size_t i = 0; i < n && i < LOOK_AT; i++) {
		struct candidate *c = &all[(first + i) % n];
		if (!is_dead(dir, c, pid_ns, spare))
			continue;
		*bytes += c->bytes;
		dead[n_dead++] = *c;
	}
	memcpy(all, dead, n_dead * sizeof *all);
	return n_dead;
}

/* An eighth of /dev/shm. */
static uint64_t
share_of(int dir)
{
	struct statfs fs;
	return fstatfs(dir, &fs) == 0 ? shm_bytes(&fs) / 8 : (uint64_t)DEAD_BYTES_MAX;
}

static void
remove_oldest(int dir, struct candidate *all, size_t n, uint64_t most, bool spare,
	      struct housekeeping *done)
{
	uint64_t bytes;
	uint64_t per_look = n > LOOK_AT ? (n + LOOK_AT - 1) / LOOK_AT : 1;
	n = pick_dead(dir, all, n, &bytes, spare);
	qsort(all, n, sizeof *all, older);
	/* Each of those that were looked at stands for so many. */
	for (size_t i = 0; i < n && bytes * per_look > most; i++) {
		if (unlinkat(dir, all[i].name, 0) != 0)
			continue;
		bytes -= all[i].bytes;
		done->segments++;
		done->events += all[i].events;
	}
}

void
housekeeping_remove_dead(struct housekeeping *done)
{
	*done = (struct housekeeping){0, 0};
	DIR *dir = opendir("/dev/shm");
	if (dir == NULL)
		return;
	struct candidate *all = NULL;
	size_t n = 0;
	uint64_t total = 0;
	struct dirent *entry;
	/* Anybody may put names there, and this delays the program. */
	for (unsigned i = 0; i < NAMES_AT_MOST && (entry = readdir(dir)) != NULL && n < CANDIDATES; i++) {
		if (strncmp(entry->d_name, SEGMENT_PREFIX, sizeof SEGMENT_PREFIX - 1) != 0)
			continue;
		if (all == NULL && (all = malloc(CANDIDATES * sizeof *all)) == NULL)
			break;
		if (look_at(dirfd(dir), entry->d_name, &all[n]))
			total += all[n++].bytes;
	}
	uint64_t share = share_of(dirfd(dir));
	uint64_t most = share < DEAD_BYTES_MAX ? share : DEAD_BYTES_MAX;
	if (total > most)
		remove_oldest(dirfd(dir), all, n, most, total < share, done);
	free(all);
	closedir(dir);
}

/*
 * It holds a lock for writing on an object that belongs to it: /dev/shm/pyauditd-watch.UID
 * (collector's watch.c). Another user cannot.
 */
static bool
is_watched_by(uid_t uid)
{
	struct stat st;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char path[64];
	snprintf(path, sizeof path, "/dev/shm/" SEGMENT_WATCH_PREFIX "%u", (unsigned)uid);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool watched = fstat(fd, &st) == 0 && st.st_uid == uid && S_ISREG(st.st_mode) &&
		       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
		       fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
	close(fd);
	return watched;
}

bool
housekeeping_is_watched(void)
{
	return is_watched_by(0) || (geteuid() != 0 && is_watched_by(geteuid()));
}
