/* SPDX-License-Identifier: MIT */
#include "attachment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tracee.h"

/* The hook tries the lock for an instant when its program ends: ask again. */
#define LOCK_TRIES 6
#define LOCK_PAUSE_NS 2000000

static void
read_control(int fd, struct segment_control *control)
{
	memset(control, 0, sizeof *control);
	if (pread(fd, control, sizeof *control, SEGMENT_PAGE) <= 0)
		control->reader_pid = 0;
}

/* Who reads goes on doing so: he is not waited for here, where others wait for us. */
static bool
has_reader(int fd)
{
	struct segment_control control;
	read_control(fd, &control);
	return control.reader_pid != 0;
}

static int
lock_object(int fd, int tries)
{
	struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	for (int i = 1; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (i == tries || (i > 1 && has_reader(fd))) /* or had: his pid stays when he is killed */
			return TRACEE_BUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/*
 * Who holds the lock: TRACEE_BUSY with `why`; or TRACEE_YIELDS, and it is asked to leave if `ask`.
 */
static int
look_at_reader(int fd, bool ask, char *why, size_t why_bytes)
{
	static const uint32_t asked = 1;
	struct segment_control control;
	off_t at = SEGMENT_PAGE + (off_t)offsetof(struct segment_control, asked);
	read_control(fd, &control);
	if (control.reader_pid == 0)
		snprintf(why, why_bytes, "another collector reads it");
	else
		snprintf(why, why_bytes, "another collector reads it (pid %" PRIu32 ")",
			 control.reader_pid);
	if (!ask || control.gives_way != 1 || pwrite(fd, &asked, sizeof asked, at) != sizeof asked)
		return TRACEE_BUSY;
	return TRACEE_YIELDS;
}

static int
read_header(struct attachment *attachment, const char *name, char *why, size_t why_bytes)
{
	struct segment_header *header = &attachment->header;
	struct stat st;
	uint32_t uid, pid, nonce;
	if (fstat(attachment->fd, &st) < 0)
		return -errno;
	ssize_t n = pread(attachment->fd, header, sizeof *header, 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof *header)
		memset(header, 0, sizeof *header);
	int err = segment_check(header, (uint64_t)st.st_size, why, why_bytes);
	if (err != 0)
		return err == SEGMENT_NOT_READY ? TRACEE_NOT_READY : err;
	if (segment_name_parse(name, &uid, &pid, &nonce) < 0 || header->pid != pid ||
	    header->nonce != nonce) {
		snprintf(why, why_bytes, "the segment's header is damaged: name");
		return -EBADMSG;
	}
	header->events[sizeof header->events - 1] = '\0';
	header->reveal[sizeof header->reveal - 1] = '\0';
	header->calls.match[sizeof header->calls.match - 1] = '\0';
	header->calls.files[sizeof header->calls.files - 1] = '\0';
	attachment->at = segment_layout(header);
	return 0;
}

static uint8_t *
map_part(struct attachment *attachment, struct sigbus_map *map, uint64_t offset, uint64_t bytes)
{
	int access = attachment->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	void *base = mmap(NULL, bytes, access, MAP_SHARED | MAP_NORESERVE, attachment->fd,
			  (off_t)offset);
	if (base == MAP_FAILED)
		return NULL;
	sigbus_watch(map, base, bytes, &attachment->hit);
	return base;
}

static void
unmap(struct sigbus_map *map)
{
	void *start = map->start;
	if (start == NULL)
		return;
	sigbus_unwatch(map);
	munmap(start, map->bytes);
}

static int
map_first_part(struct attachment *attachment, char *why, size_t why_bytes)
{
	const struct segment_layout *at = &attachment->at;
	uint8_t *base = map_part(attachment, &attachment->map, 0, at->mapped_bytes);
	if (base == NULL) {
		int err = -errno;
		snprintf(why, why_bytes, "cannot map it: %s", strerror(-err));
		return err;
	}
	attachment->shared = (struct segment_header *)base;
	attachment->control = (struct segment_control *)(base + at->control);
	attachment->levels = base + at->levels;
	attachment->defs = base + at->defs;
	return 0;
}

int
attachment_init(struct attachment *attachment, int fd, const char *name, bool ask, char *why,
		size_t why_bytes)
{
	attachment->fd = fd;
	int err = read_header(attachment, name, why, why_bytes);
	if (err == 0)
		err = lock_object(fd, ask ? LOCK_TRIES : 1);
	if (err == TRACEE_BUSY)
		err = look_at_reader(fd, ask, why, why_bytes);
	return err == 0 ? map_first_part(attachment, why, why_bytes) : err;
}

int
attachment_look(struct attachment *attachment, int fd, const char *name, char *why,
		size_t why_bytes)
{
	attachment->fd = fd;
	attachment->read_only = true;
	int err = read_header(attachment, name, why, why_bytes);
	return err == 0 ? map_first_part(attachment, why, why_bytes) : err;
}

uint8_t *
attachment_lane(struct attachment *attachment, uint32_t lane)
{
	const struct segment_layout *at = &attachment->at;
	if (lane == 0)
		return (uint8_t *)attachment->shared + at->lanes;
	if (attachment->others.start == NULL &&
	    map_part(attachment, &attachment->others, at->mapped_bytes,
		     at->total_bytes - at->mapped_bytes) == NULL)
		return NULL;
	return attachment->others.start + (segment_lane_offset(at, lane) - at->mapped_bytes);
}

/* One page, which may be swapped out. Behind the end there is nothing to be made: sigbus.h has the
 * word. */
static bool
page_is_there(int fd, uint64_t offset)
{
	struct stat st;
	return lseek(fd, (off_t)offset, SEEK_DATA) == (off_t)offset ||
	       (fstat(fd, &st) == 0 && (uint64_t)st.st_size <= offset);
}

/* mincore() asks for many pages at once; lseek(SEEK_HOLE) would walk on to the first hole. */
bool
attachment_there(const struct attachment *attachment, const void *at, uint64_t offset,
		 uint64_t bytes)
{
	unsigned char is_there[64];
	uint64_t into = offset % SEGMENT_PAGE, end = offset + bytes;
	const uint8_t *page = (const uint8_t *)at - into;
	for (offset -= into; offset < end;) {
		size_t n = (end - offset + SEGMENT_PAGE - 1) / SEGMENT_PAGE;
		if (n > sizeof is_there)
			n = sizeof is_there;
		if (mincore((void *)(uintptr_t)page, n * SEGMENT_PAGE, is_there) < 0)
			memset(is_there, 0, n);
		for (size_t i = 0; i < n; i++, offset += SEGMENT_PAGE, page += SEGMENT_PAGE)
			if ((is_there[i] & 1) == 0 && !page_is_there(attachment->fd, offset))
				return false;
	}
	return true;
}

bool
attachment_slots_there(void *context, const struct lane_reader *reader, uint64_t n)
{
	const struct attachment *attachment = context;
	uint64_t ring = reader->there_at, first = reader->position & (reader->n_slots - 1);
	uint64_t before = reader->n_slots - first;
	if (before > n)
		before = n;
	return attachment_there(attachment, reader->slots + first, ring + first * SLOT_BYTES,
				before * SLOT_BYTES) &&
	       (n == before || attachment_there(attachment, reader->slots, ring,
						(n - before) * SLOT_BYTES));
}

void
attachment_fini(struct attachment *attachment)
{
	unmap(&attachment->others);
	unmap(&attachment->map);
}
