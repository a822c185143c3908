/* SPDX-License-Identifier: MIT */
#include "discover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "identity.h"
#include "log.h"
#include "proc.h"

#define UNBORN_NS 10000000000u /* the hook's housekeeping waits as long */

void
discover_fini(struct segment_found *found)
{
	if (found->fd >= 0)
		close(found->fd);
	if (found->maps >= 0)
		close(found->maps);
	identity_fini(&found->identity);
	found->fd = found->maps = -1;
}

static int
check_object(struct segment_found *found, const struct stat *st, char *why, size_t why_bytes)
{
	const char *wrong = NULL;
	if (!S_ISREG(st->st_mode))
		wrong = "is no regular file";
	else if ((st->st_mode & 07777) != 0600)
		wrong = "does not have mode 0600";
	else if (st->st_nlink > 1)
		wrong = "has a second name";
	if (wrong != NULL) {
		snprintf(why, why_bytes, "%s %s", found->name, wrong);
		return DISCOVER_REFUSED;
	}
	if (geteuid() != 0 && st->st_uid != geteuid()) {
		snprintf(why, why_bytes, "%s belongs to user id %u", found->name, st->st_uid);
		return -EACCES;
	}
	found->dev = st->st_dev;
	found->ino = st->st_ino;
	found->owner = st->st_uid;
	found->changed_ns = (uint64_t)st->st_ctim.tv_sec * 1000000000u +
			    (uint64_t)st->st_ctim.tv_nsec;
	return 0;
}

/* Look at it before it is opened: opening a device or a FIFO may do something. */
static int
open_checked(struct segment_found *found, int path_fd, char *why, size_t why_bytes)
{
	struct stat st;
	char path[40];
	if (fstat(path_fd, &st) < 0)
		return -errno;
	int err = check_object(found, &st, why, why_bytes);
	if (err != 0)
		return err;
	snprintf(path, sizeof path, "/proc/self/fd/%d", path_fd);
	found->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (found->fd >= 0)
		return 0;
	err = -errno;
	snprintf(why, why_bytes, "%s: %s", found->name, strerror(-err));
	return err;
}

static int
open_at(int dir, struct segment_found *found, char *why, size_t why_bytes)
{
	int path_fd = openat(dir, found->name + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (path_fd < 0) {
		int err = -errno;
		snprintf(why, why_bytes, "%s: %s", found->name, strerror(-err));
		return err;
	}
	int err = open_checked(found, path_fd, why, why_bytes);
	close(path_fd);
	return err;
}

/* 0, or -EINVAL for a name that is none of ours. */
static int
start(struct segment_found *found, const char *name)
{
	uint32_t uid;
	*found = (struct segment_found){.fd = -1, .maps = -1};
	if (segment_name_parse(name, &uid, &found->name_pid, &found->nonce) < 0)
		return -EINVAL;
	segment_name(found->name, uid, found->name_pid, found->nonce);
	return 0;
}

int
discover_open(const struct place *place, const char *name, struct segment_found *found, char *why,
	      size_t why_bytes)
{
	if (start(found, name) < 0) {
		snprintf(why, why_bytes, "%s is no name of a segment", name);
		return DISCOVER_REFUSED;
	}
	return open_at(place->dir, found, why, why_bytes);
}

int
discover_header(struct segment_found *found, struct segment_header *header)
{
	ssize_t n = pread(found->fd, header, sizeof *header, 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof *header || header->ready == 0)
		return DISCOVER_LATER;
	found->pid_ns = header->pid_ns;
	found->began_ns = header->start_realtime_ns;
	found->start_time = header->start_time;
	return 0;
}

void
discover_unlink(const struct place *place, const struct segment_found *found)
{
	struct stat st;
	if (place != NULL && fstatat(place->dir, found->name + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == found->dev && st.st_ino == found->ino)
		unlinkat(place->dir, found->name + 1, 0);
}

/* ---- whose is it ---- */

struct search {
	struct segment_found *found;
	bool mapped;
	int result; /* of the process that may be it: 0, DISCOVER_LATER, -errno */
};

static bool
is_the_object(void *context, const struct proc_mapping *mapping)
{
	struct search *search = context;
	search->mapped = mapping->dev == search->found->dev && mapping->ino == search->found->ino;
	return !search->mapped;
}

static uint64_t
own_pid_ns(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

/* Its pid is that of another process by now, whose memory need not be looked at. */
static bool
began_at_another_time(const struct segment_found *found, int proc)
{
	struct proc_stat stat;
	return found->start_time != 0 && found->pid_ns != 0 && found->pid_ns == own_pid_ns() &&
	       proc_stat(proc, &stat) == 0 && stat.start_time != found->start_time;
}

/* Is `pid` the process? Then its maps stay open and the identity is filled in. */
static int
try_process(struct search *search, uint32_t pid)
{
	struct segment_found *found = search->found;
	struct proc_status status;
	int proc = proc_open(pid), maps = -1, err = proc;
	if (proc < 0)
		return err;
	err = proc_status(proc, &status);
	if (err < 0)
		goto out;
	err = -ESRCH;
	if (status.ns_pid != found->name_pid)
		goto out;
	maps = proc_open_maps(proc);
	search->mapped = false;
	err = maps < 0 ? maps : proc_maps(maps, is_the_object, search);
	if (err == -EACCES && began_at_another_time(found, proc))
		err = -ESRCH;
	if (err < 0)
		goto out;
	err = DISCOVER_LATER;
	if (!search->mapped)
		goto out;
	err = identity_read(&found->identity, proc, pid);
	if (err == 0) {
		found->maps = maps;
		maps = -1;
	} else {
		identity_fini(&found->identity);
	}
out:
	if (maps >= 0)
		close(maps);
	close(proc);
	return err;
}

/* We lack what it takes to look, which says nothing of whom we look at. */
bool
discover_is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

static bool
try_each(void *context, uint32_t pid)
{
	struct search *search = context;
	int result = pid != search->found->name_pid ? try_process(search, pid) : -ESRCH;
	if (result >= 0 || result == -EACCES || discover_is_shortage(result))
		search->result = result;
	return result != 0 && !discover_is_shortage(result);
}

static void
take_as_dead(struct segment_found *found)
{
	identity_fini(&found->identity);
	found->identity.ns_pid = found->name_pid;
	found->identity.uid = found->owner;
}

int
discover_identify(struct segment_found *found, char *why, size_t why_bytes)
{
	struct search search = {.found = found};
	search.result = try_process(&search, found->name_pid);
	/* The name may hold a pid of an inner namespace, which is another process out here. */
	if (search.result != 0 && !discover_is_shortage(search.result) &&
	    (found->pid_ns == 0 || found->pid_ns != own_pid_ns())) {
		if (search.result != DISCOVER_LATER && search.result != -EACCES)
			search.result = -ESRCH;
		int err = proc_each(try_each, &search);
		if (err < 0)
			search.result = err;
	}
	if (discover_is_shortage(search.result)) {
		snprintf(why, why_bytes, "pid %" PRIu32 ": cannot be looked at: %s", found->name_pid,
			 strerror(-search.result));
		return search.result;
	}
	if (search.result == -EACCES) {
		snprintf(why, why_bytes, "pid %" PRIu32 ": no permission to look at it",
			 found->name_pid);
		return -EACCES;
	}
	if (search.result != 0) {
		take_as_dead(found);
		return 0;
	}
	if (found->owner != 0 && found->owner != found->identity.uid) {
		snprintf(why, why_bytes,
			 "pid %" PRIu32 " (user id %" PRIu32 ") maps a segment of user id %" PRIu32,
			 found->identity.pid, found->identity.uid, found->owner);
		return DISCOVER_REFUSED;
	}
	return 0;
}

/* ---- from a pid ---- */

struct mapped_segment {
	uint32_t ns_pid;
	struct segment_found found; /* name, dev, ino */
	uint64_t start, end;
	bool any;
};

static bool
note_segment(void *context, const struct proc_mapping *mapping)
{
	struct mapped_segment *mapped = context;
	struct segment_found found;
	char name[SEGMENT_NAME_BYTES];
	const char *slash = strrchr(mapping->path, '/');
	size_t n = slash != NULL ? strcspn(slash + 1, " ") : 0; /* " (deleted)" */
	if (n == 0 || n >= sizeof name)
		return true;
	memcpy(name, slash + 1, n);
	name[n] = '\0';
	if (start(&found, name) < 0 || found.name_pid != mapped->ns_pid)
		return true; /* of its parent: it has just been forked */
	found.dev = mapping->dev;
	found.ino = mapping->ino;
	mapped->found = found;
	mapped->start = mapping->start;
	mapped->end = mapping->end;
	mapped->any = true;
	return true;
}

/* Open by name in `dir` (taken over; may be an error), and see that it is the mapped one. */
static int
open_same(int dir, struct segment_found *found, char *why, size_t why_bytes)
{
	struct segment_found mapped = *found;
	if (dir < 0)
		return dir;
	int err = open_at(dir, found, why, why_bytes);
	close(dir);
	if (err == 0 && (found->dev != mapped.dev || found->ino != mapped.ino)) {
		close(found->fd);
		*found = mapped;
		err = -ENOENT;
	}
	return err;
}

static int
open_mapped(int proc, const struct mapped_segment *mapped, struct segment_found *found, char *why,
	    size_t why_bytes)
{
	char path[64];
	*found = mapped->found;
	int dir = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = open_same(dir, found, why, why_bytes);
	if (err != -ENOENT)
		return err;
	err = open_same(place_open_below(proc), found, why, why_bytes);
	if (err != -ENOENT)
		return err;
	/* Unlinked while it runs (systemd's RemoveIPC=); needs root. */
	snprintf(path, sizeof path, "map_files/%" PRIx64 "-%" PRIx64, mapped->start, mapped->end);
	int path_fd = openat(proc, path, O_PATH | O_CLOEXEC);
	if (path_fd < 0) {
		snprintf(why, why_bytes, "its segment %s is unlinked: only root can read it",
			 found->name);
		return -EACCES;
	}
	err = open_checked(found, path_fd, why, why_bytes);
	close(path_fd);
	return err;
}

int
discover_bury_unborn(const struct place *place, struct segment_found *found)
{
	char why[256];
	uint64_t age_ns = clock_ns(CLOCK_REALTIME) - found->changed_ns;
	if (age_ns < UNBORN_NS || age_ns > UINT64_MAX / 2) /* the clock was set back: a moment ago */
		return DISCOVER_LATER;
	int err = discover_identify(found, why, sizeof why);
	if (err != 0)
		return err;
	if (found->identity.alive)
		return -EBUSY;
	discover_unlink(place, found);
	log_note("pid %" PRIu32 " ended before it was traced; its segment %s was removed",
		 found->name_pid, found->name);
	return 0;
}

/* It has no memory any more, so nothing tells whether it had the hook. */
static bool
is_zombie(int proc)
{
	struct proc_stat stat;
	return proc_stat(proc, &stat) == 0 && stat.state == 'Z';
}

int
discover_process(uint32_t pid, struct segment_found *found, char *why, size_t why_bytes)
{
	struct mapped_segment mapped = {.any = false};
	struct proc_status status;
	*found = (struct segment_found){.fd = -1, .maps = -1};
	int maps = -1, proc = proc_open(pid), err = proc;
	if (proc < 0)
		goto out;
	maps = proc_open_maps(proc);
	err = maps < 0 ? maps : proc_status(proc, &status);
	if (err < 0)
		goto out;
	mapped.ns_pid = status.ns_pid;
	err = proc_maps(maps, note_segment, &mapped);
	if (err < 0)
		goto out;
	err = is_zombie(proc) ? -ESRCH : DISCOVER_UNTRACED;
	if (mapped.any)
		err = open_mapped(proc, &mapped, found, why, why_bytes);
	if (err == 0)
		err = discover_identify(found, why, why_bytes);
out:
	if (maps >= 0)
		close(maps);
	if (proc >= 0)
		close(proc);
	if (err != 0)
		discover_fini(found);
	if (err == -ESRCH || err == -ENOENT) {
		snprintf(why, why_bytes, "there is no such process");
		err = -ESRCH;
	} else if (err == -EACCES && (maps < 0 || found->name[0] == '\0')) {
		snprintf(why, why_bytes, "it belongs to another user: run as root or as that user");
	}
	return err;
}
