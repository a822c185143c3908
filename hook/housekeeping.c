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

#include "proc_self.h"
#include "segment.h"

#define DEAD_BYTES_MAX (64u << 20)
#define CANDIDATES 1024

struct candidate {
	char name[SEGMENT_NAME_BYTES];
	uint32_t pid;
	dev_t dev;
	ino_t ino;
	int64_t mtime_ns;
	uint64_t bytes;
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

/*
 * In use, or not ours to judge: a collector holds a lock on what it reads, and in another pid
 * namespace the pid in the name is another process.
 */
static bool
in_use(int dir, const struct candidate *c, uint64_t pid_ns)
{
	struct segment_header header;
	int fd = openat(dir, c->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return true;
	bool used = flock(fd, LOCK_EX | LOCK_NB) < 0;
	if (pread(fd, &header, sizeof header, 0) == sizeof header && header.ready != 0)
		used |= header.pid_ns != pid_ns;
	close(fd);
	return used;
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
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	c->bytes = (uint64_t)st.st_blocks * 512;
	c->mtime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	return true;
}

static int
older(const void *a, const void *b)
{
	int64_t x = ((const struct candidate *)a)->mtime_ns;
	int64_t y = ((const struct candidate *)b)->mtime_ns;
	return (x > y) - (x < y);
}

/* Keep only the dead ones; returns how many, and their size. */
static size_t
keep_dead(int dir, struct candidate *all, size_t n, uint64_t *bytes)
{
	uint64_t pid_ns = proc_self_pid_ns();
	size_t kept = 0;
	*bytes = 0;
	for (size_t i = 0; i < n; i++) {
		bool there = kill((pid_t)all[i].pid, 0) == 0 || errno != ESRCH;
		if ((there && maps_it(&all[i])) || in_use(dir, &all[i], pid_ns))
			continue;
		*bytes += all[i].bytes;
		all[kept++] = all[i];
	}
	return kept;
}

static void
remove_oldest(int dir, struct candidate *all, size_t n)
{
	uint64_t bytes;
	n = keep_dead(dir, all, n, &bytes);
	qsort(all, n, sizeof *all, older);
	for (size_t i = 0; i < n && bytes > DEAD_BYTES_MAX; i++)
		if (unlinkat(dir, all[i].name, 0) == 0)
			bytes -= all[i].bytes;
}

void
housekeeping_remove_dead(void)
{
	DIR *dir = opendir("/dev/shm");
	if (dir == NULL)
		return;
	struct candidate *all = NULL;
	size_t n = 0;
	uint64_t total = 0;
	struct dirent *entry;
	while ((entry = readdir(dir)) != NULL && n < CANDIDATES) {
		if (strncmp(entry->d_name, SEGMENT_PREFIX, sizeof SEGMENT_PREFIX - 1) != 0)
			continue;
		if (all == NULL && (all = malloc(CANDIDATES * sizeof *all)) == NULL)
			break;
		if (look_at(dirfd(dir), entry->d_name, &all[n]))
			total += all[n++].bytes;
	}
	/* With the living ones: who is dead costs too much to ask in the common case. */
	if (total > DEAD_BYTES_MAX)
		remove_oldest(dirfd(dir), all, n);
	free(all);
	closedir(dir);
}
