/* SPDX-License-Identifier: MIT */
/* Memory of the segment: it exists where it is asked for here, and nowhere else (segment.h). */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm_size.h"

#define REFUSED_PAUSE 4096
#define FALLOCATE_TRIES 100
#define LEFT_ALONE_MAX (64 << 20)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

int
session_open_own(int flags)
{
	struct stat found;
	int fd = shm_open(session.name, flags | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &found) == 0 && found.st_dev == session.dev && found.st_ino == session.ino)
		return fd;
	close(fd);
	return -ESTALE;
}

static uint64_t
table_offset(uint32_t i)
{
	return session.at.call_tables + i * session.at.call_table_bytes;
}

/* Where in the object an address of one of our mappings lies; -1: nowhere. */
static off_t
offset_of(uintptr_t address)
{
	uintptr_t base = (uintptr_t)session.base;
	if (address >= base && address - base < session.at.mapped_bytes)
		return (off_t)(address - base);
	for (uint32_t i = 0; i < session.at.n_call_tables; i++) {
		base = (uintptr_t)load_relaxed(&session.call_tables[i].stats);
		if (base != 0 && address >= base && address - base < session.at.call_table_bytes)
			return (off_t)(table_offset(i) + (address - base));
	}
	for (uint32_t i = 1; i < SEGMENT_LANES; i++) {
		base = (uintptr_t)load_relaxed(&session.producers[i].base);
		if (base != 0 && address >= base && address - base < session.at.other_bytes)
			return (off_t)(segment_lane_offset(&session.at, i) + (address - base));
	}
	return -1;
}

/* On older kernels any signal interrupts it, and who has an interval timer has many. */
int
session_fallocate(int fd, off_t offset, off_t bytes)
{
	int err = EINTR;
	for (int i = 0; i < FALLOCATE_TRIES && err == EINTR; i++)
		err = posix_fallocate(fd, offset, bytes);
	return -err;
}

/* The way before Linux 5.14. */
static int
reserve_by_name(uintptr_t first, uint64_t bytes)
{
	off_t offset = offset_of(first);
	int fd = offset >= 0 ? session_open_own(O_RDWR) : -EINVAL;
	if (fd < 0)
		return fd;
	int err = session_fallocate(fd, offset, (off_t)bytes);
	close(fd);
	return err;
}

int64_t
session_room(int64_t *free_bytes)
{
	struct statfs fs;
	if (statfs("/dev/shm", &fs) < 0)
		return -errno;
	uint64_t all = shm_bytes(&fs);
	int64_t left_alone = all / 4 < LEFT_ALONE_MAX ? (int64_t)(all / 4) : LEFT_ALONE_MAX;
	*free_bytes = (int64_t)(all == SHM_UNLIMITED ? all : fs.f_bavail * (uint64_t)fs.f_bsize);
	return *free_bytes > left_alone ? *free_bytes - left_alone : 0;
}

/*
 * Asked anew each time: those that started when we did grow, too. After a chroot, what has that
 * name is not where the segment lies, and the budget alone counts.
 */
static bool
has_room(uint64_t bytes)
{
	struct stat st;
	int64_t free_bytes;
	if (stat("/dev/shm", &st) < 0 || st.st_dev != session.dev)
		return true;
	return session_room(&free_bytes) >= (int64_t)bytes;
}

/* Stores there cannot raise SIGBUS then. */
static int
populate(uintptr_t first, uint64_t bytes)
{
	/* EFAULT where a store would have been a SIGBUS. */
	if (madvise((void *)first, bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	return errno == EINVAL ? reserve_by_name(first, bytes) : -errno;
}

int
session_reserve(void *from, uint64_t bytes)
{
	uintptr_t first = (uintptr_t)from & ~(uintptr_t)(SEGMENT_PAGE - 1);
	uint64_t n = ((uintptr_t)from + bytes - first + SEGMENT_PAGE - 1) & ~(uint64_t)(SEGMENT_PAGE - 1);
	int saved = errno, err = 0;
	if (!has_room(n)) {
		errno = saved;
		return -ENOSPC;
	}
	if (__atomic_sub_fetch(&session.budget, (int64_t)n, __ATOMIC_RELAXED) < 0) {
		__atomic_add_fetch(&session.budget, (int64_t)n, __ATOMIC_RELAXED);
		return -ENOSPC;
	}
	err = populate(first, n);
	if (err < 0)
		__atomic_add_fetch(&session.budget, (int64_t)n, __ATOMIC_RELAXED);
	errno = saved;
	return err;
}

int
session_move(void *from, void *to, uint64_t bytes)
{
	int saved = errno, err = 0;
	if (madvise(from, bytes, MADV_REMOVE) < 0)
		err = -errno;
	else if ((err = populate((uintptr_t)to, bytes)) < 0)
		__atomic_add_fetch(&session.budget, (int64_t)bytes, __ATOMIC_RELAXED);
	errno = saved;
	return err;
}

bool
session_reserve_counter(struct producer *producer, uint32_t id)
{
	while (producer->n_counters <= id) {
		if (session_reserve(producer->counters + producer->n_counters, SEGMENT_PAGE) < 0)
			return false;
		store_relaxed(&producer->n_counters, producer->n_counters + SEGMENT_PAGE / 8);
	}
	return true;
}

/*
 * As a longer copy of the segment's mapping, which stays as it is (a size of 0 says so), less what
 * lies before the part: that needs no descriptor, and the object may have lost its name. The copy
 * may be more than the program's address space has room for.
 */
static void *
copy_mapping(uint64_t offset, uint64_t bytes)
{
	uint8_t *copy = mremap(session.base, 0, offset + bytes, MREMAP_MAYMOVE);
	if (copy == MAP_FAILED)
		return MAP_FAILED;
	munmap(copy, offset);
	return copy + offset;
}

static void *
map_by_name(uint64_t offset, uint64_t bytes)
{
	int fd = session_open_own(O_RDWR);
	if (fd < 0)
		return MAP_FAILED;
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			  (off_t)offset);
	close(fd);
	return base;
}

void *
session_map_part(uint64_t offset, uint64_t bytes)
{
	void *base = copy_mapping(offset, bytes);
	if (base == MAP_FAILED)
		base = map_by_name(offset, bytes);
	if (base == MAP_FAILED)
		return NULL;
	if (madvise(base, bytes, MADV_DONTFORK) < 0) {
		munmap(base, bytes);
		return NULL;
	}
	madvise(base, bytes, MADV_DONTDUMP);
	return base;
}

/* Mapped when it is first needed: few programs do. */
static bool
map_table(struct call_table *table)
{
	uint64_t offset = table_offset((uint32_t)(table - session.call_tables));
	void *base = session_map_part(offset, session.at.call_table_bytes);
	if (base != NULL)
		store_relaxed(&table->stats, base);
	return base != NULL;
}

/* What has memory tells so last: without a GIL others look without the lock. */
static bool
reserve_call_stats(struct call_table *table, uint32_t id)
{
	bool ok = table->stats != NULL || map_table(table);
	while (ok && table->n <= id) {
		uint32_t n = table->n;
		ok = session_reserve(table->stats + n, SEGMENT_PAGE) == 0;
		if (ok)
			store_release(&table->n,
				      n + (uint32_t)(SEGMENT_PAGE / sizeof(struct call_stats)));
	}
	return ok;
}

bool
session_reserve_call_stats(struct call_table *table, uint32_t id)
{
	int saved = errno;
	session_lock();
	/* What was refused is left in peace for so many attempts. */
	bool ok = session.call_stats_refused == 0 || --session.call_stats_refused == 0;
	if (ok) {
		ok = reserve_call_stats(table, id);
		session.call_stats_refused = ok ? 0 : REFUSED_PAUSE;
	}
	session_unlock();
	errno = saved;
	return ok;
}
