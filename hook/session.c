/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "defs.h"
#include "housekeeping.h"
#include "lane_ops.h"
#include "proc_self.h"

#define FIRST_SLOTS_BYTES (256u * 1024)
#define FIRST_DEFS_BYTES (64u * 1024)
#define RETRY_NS 1000000000u

struct session session;
struct session_options session_options;
const char *session_why = "";
int session_error;

/* Who we were when the segment was made: in a fork child, who the parent is. */
static struct {
	uint32_t pid, nonce;
	uint64_t start_time;
} previous;

void
session_lock(void)
{
	unsigned spins = 0;
	while (__atomic_exchange_n(&session.lock, 1, __ATOMIC_ACQUIRE))
		if (++spins % 64 == 0)
			sched_yield();
}

void
session_unlock(void)
{
	store_release(&session.lock, 0);
}

void
session_lost(enum lost_reason reason)
{
	if (session.header != NULL)
		add_relaxed(&session.header->lost[reason], 1);
}

void
session_missed(void)
{
	add_relaxed(&session.missed, 1);
}

/* ---- set-up ---- */

static int
fail(const char *why, int err)
{
	session_why = why;
	return err < 0 ? err : -EINVAL;
}

/* How large a ring we may take: an eighth of what is free, for everything, if there is room. */
static int
choose_ring(uint32_t *ring_bytes)
{
	const uint64_t fixed = FIRST_DEFS_BYTES + 8 * SEGMENT_PAGE;
	int64_t free_bytes, room = session_room(&free_bytes);
	if (room < 0)
		return fail("/dev/shm cannot be used", (int)room);
	session.budget = room < free_bytes / 8 ? room : free_bytes / 8;
	*ring_bytes = session_options.ring_bytes;
	while (*ring_bytes > SEGMENT_MIN_RING && (int64_t)(*ring_bytes + fixed) > session.budget)
		*ring_bytes /= 2;
	if ((int64_t)(*ring_bytes + fixed) > session.budget)
		return fail("/dev/shm is nearly full", -ENOSPC);
	return 0;
}

/*
 * Of each lane behind the first: where every thread has one they carry all but the main thread's
 * events, and are larger if the memory that we may take allows for many.
 */
#define MANY_LANES 32
static uint32_t
choose_other_ring(uint32_t ring_bytes)
{
	const uint32_t least = SEGMENT_OTHER_SLOTS * SLOT_BYTES;
	uint32_t bytes = ring_bytes / 4;
	if (!session_options.free_threaded)
		return least;
	while (bytes > least && (bytes > SEGMENT_MAX_OTHER_RING ||
				 (int64_t)bytes * MANY_LANES > session.budget))
		bytes /= 2;
	return bytes > least ? bytes : least;
}

static int
create_object(uint32_t *nonce)
{
	for (int attempt = 0; attempt < 8; attempt++) {
		if (getrandom(nonce, sizeof *nonce, GRND_NONBLOCK) != sizeof *nonce)
			*nonce = (uint32_t)(clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 20);
		segment_name(session.name, geteuid(), (uint32_t)getpid(), *nonce);
		int fd = shm_open(session.name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

/* What is used before the first record, so that no slow path is near it. */
static int
reserve_beginning(int fd)
{
	const struct {
		uint64_t offset, bytes;
	} parts[] = {
		{0, session.at.levels + SEGMENT_PAGE},
		{session.at.defs, FIRST_DEFS_BYTES},
		{session.at.lanes, SEGMENT_PAGE},
		{session.at.lanes + session.at.counters, SEGMENT_PAGE},
		{session.at.lanes + session.at.slots, FIRST_SLOTS_BYTES},
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		int err = session_fallocate(fd, (off_t)parts[i].offset, (off_t)parts[i].bytes);
		if (err < 0)
			return err;
		session.budget -= (int64_t)parts[i].bytes;
	}
	return 0;
}

static int
map_object(int fd, struct segment_header *header)
{
	struct rlimit limit;
	struct stat own;
	session.at = segment_layout(header);
	if (fstat(fd, &own) < 0)
		return fail("the segment cannot be looked at", -errno);
	session.dev = own.st_dev;
	session.ino = own.st_ino;
	/* Growing a file beyond this limit is a SIGXFSZ, not an error. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < session.at.total_bytes)
		return fail("the size of files is limited (ulimit -f)", -EFBIG);
	if (ftruncate(fd, (off_t)session.at.total_bytes) < 0)
		return fail("the segment cannot be sized", -errno);
	int err = reserve_beginning(fd);
	if (err < 0)
		return fail("/dev/shm has no room", err);
	void *base = mmap(NULL, session.at.mapped_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return fail("the segment cannot be mapped", -errno);
	if (madvise(base, session.at.mapped_bytes, MADV_DONTFORK) < 0) {
		munmap(base, session.at.mapped_bytes);
		return fail("MADV_DONTFORK is not to be had", -EINVAL);
	}
	madvise(base, session.at.mapped_bytes, MADV_DONTDUMP);
	session.base = base;
	return 0;
}

static void
fill_settings(struct segment_header *header)
{
	header->stack = session_options.stack;
	memcpy(header->events, session_options.events, sizeof header->events);
	memcpy(header->reveal, session_options.reveal, sizeof header->reveal);
	header->calls = session_options.calls;
}

/* Who comes just now may find half of them, and thinks so of the program as long as he stays. */
void
session_tell_settings(void)
{
	fill_settings(session.header);
}

static void
fill_header(struct segment_header *header, uint32_t ring_bytes, uint32_t nonce)
{
	struct clock_pair now = clock_pair_read(session.clock_kind);
	*header = (struct segment_header){
		.magic = SEGMENT_MAGIC,
		.abi_major = SEGMENT_ABI_MAJOR,
		.abi_minor = SEGMENT_ABI_MINOR,
		.abi_oldest = SEGMENT_ABI_OLDEST,
		.header_bytes = sizeof *header,
		.page_bytes = SEGMENT_PAGE,
		.n_ids = SEGMENT_IDS,
		.n_lanes = SEGMENT_LANES,
		.call_tables = session_options.free_threaded ? SEGMENT_CALL_TABLES : 1,
		.defs_bytes = SEGMENT_DEFS_BYTES,
		.lane0_slots = ring_bytes / SLOT_BYTES,
		.other_slots = choose_other_ring(ring_bytes) / SLOT_BYTES,
		.mode = session_options.mode,
		.clock_kind = session.clock_kind,
		.start_ticks = now.ticks,
		.start_realtime_ns = now.realtime_ns,
		.pid = (uint32_t)getpid(),
		.ppid = (uint32_t)getppid(),
		.uid = geteuid(),
		.python_hex = session_options.python_hex,
		.start_time = proc_self_start_time(),
		.pid_ns = proc_self_pid_ns(),
		.nonce = nonce,
		.flags = (session_options.free_threaded ? SEGMENT_FREE_THREADED : 0) |
			 (session_options.keep ? SEGMENT_KEEP : 0) |
			 (session_options.launch_id ? SEGMENT_LAUNCHED : 0),
		.coverage = session_options.coverage,
		.launch_id = session_options.launch_id,
		.lanes_used = 1,
	};
	if (previous.pid != 0 && previous.pid != header->pid) {
		header->parent_pid = previous.pid;
		header->parent_nonce = previous.nonce;
		header->parent_start_time = previous.start_time;
	}
	proc_self_boot_id(header->boot_id);
	fill_settings(header);
	header->calls_backend = session_options.calls_backend;
	header->calls_level = session_options.calls_level;
}

/* The mapped segment becomes ours: pointers, lane 0, the process's own definition. */
static void
adopt(const struct segment_header *header)
{
	session.header = (struct segment_header *)session.base;
	session.control = (struct segment_control *)(session.base + session.at.control);
	session.levels = session.base + session.at.levels;
	session.n_levels = SEGMENT_PAGE;
	session.defs_reserved = FIRST_DEFS_BYTES;
	session.stack = session_options.stack;
	memcpy(session.header, header, sizeof *header);
	lane_attach(&session.producers[0], session.base + session.at.lanes, header->lane0_slots,
		    FIRST_SLOTS_BYTES / SLOT_BYTES);
	session.producers[0].n_counters = SEGMENT_PAGE / 8;
	session.n_lanes = 1;
	/* Without a GIL, it is any thread's that takes it. */
	session.producers[0].left = session_options.free_threaded;
	store_relaxed(&session.producers[0].lane.shared->state,
		      session_options.free_threaded ? LANE_LEFT : LANE_OWNED);
	proc_self_define(session.base + session.at.defs, &session.defs_used);
	previous.pid = header->pid;
	previous.nonce = header->nonce;
	previous.start_time = header->start_time;
	fence_release();
	store_release(&session.header->ready, 1);
}

/* Not wiped in a fork child: what threads remember there is of none of its own. */
static uint64_t epochs;

void
session_renew_calls(void)
{
	session.calls_owner = NULL;
	store_relaxed(&session.calls_epoch, add_relaxed(&epochs, 1) + 1);
	session_renew_ways();
}

void
session_renew_ways(void)
{
	session.calls_here = session.calls_fast = NULL;
	store_release(&session.calls_way, add_relaxed(&epochs, 1) + 1);
}

/* Make the segment. 0 or -errno; calls nothing of CPython. */
static int
open_session(void)
{
	struct segment_header header;
	struct housekeeping removed;
	uint32_t ring_bytes, nonce = 0;

	if (getauxval(AT_SECURE))
		return fail("the program runs with raised privileges", -EPERM);
	if (madvise(&session, sizeof session, MADV_WIPEONFORK) < 0)
		return fail("MADV_WIPEONFORK is not to be had (Linux 4.14)", -errno);
	int err = choose_ring(&ring_bytes);
	if (err < 0)
		return err;
	housekeeping_remove_dead(&removed);
	session.clock_kind = clock_choose();
	int fd = create_object(&nonce);
	if (fd < 0)
		return fail("the segment cannot be created in /dev/shm", fd);
	fill_header(&header, ring_bytes, nonce);
	header.removed_segments = removed.segments;
	header.removed_events = removed.events;
	header.lost[LOST_NO_LANE] = load_relaxed(&session.missed);
	err = map_object(fd, &header);
	close(fd);
	if (err < 0) {
		shm_unlink(session.name);
		return err;
	}
	adopt(&header);
	session.generation = (header.start_ticks ^ (uint64_t)nonce << 32) | 1;
	session_renew_calls();
	return 0;
}

/*
 * Of a fork child nobody has been told that it is not traced, and what is short then, descriptors or
 * memory, may be there a moment later.
 */
static bool
may_try_again(void)
{
	return load_relaxed(&session.state) == SESSION_FAILED && session_error != -EPERM &&
	       clock_ns(CLOCK_MONOTONIC_COARSE) - load_relaxed(&session.opened_ns) >= RETRY_NS &&
	       previous.pid != 0 && previous.pid != (uint32_t)getpid();
}

bool
session_ensure(void)
{
	uint32_t from = may_try_again() ? SESSION_FAILED : SESSION_NONE;
	if (!session_options.enabled)
		return false;
	if (__atomic_compare_exchange_n(&session.state, &from, SESSION_STARTING, false,
					__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		int saved = errno;
		int err = session_error = open_session();
		store_relaxed(&session.opened_ns, clock_ns(CLOCK_MONOTONIC_COARSE));
		store_release(&session.state, err < 0 ? SESSION_FAILED : SESSION_RUNNING);
		errno = saved;
		return err == 0;
	}
	for (int i = 0; i < 1000 && load_acquire(&session.state) == SESSION_STARTING; i++)
		usleep(100);
	return load_acquire(&session.state) == SESSION_RUNNING;
}

/* ---- the end ---- */

/*
 * Neither read nor another's. A heartbeat may be a dead collector's; the lock ends with its
 * holder.
 */
static bool
object_is_free(void)
{
	int fd = session_open_own(O_RDONLY);
	if (fd < 0)
		return fd != -ESTALE; /* no descriptor to be had, maybe */
	bool locked = flock(fd, LOCK_EX | LOCK_NB) < 0;
	close(fd);
	return !locked;
}

/* The collector that started us, as far as can be known from here. */
static bool
launcher_lives(void)
{
	int saved = errno;
	pid_t pid = (pid_t)session_options.launch_pid;
	bool lives = pid <= 0 || session_options.launch_pid_ns != proc_self_pid_ns() ||
		     kill(pid, 0) == 0 || errno != ESRCH;
	errno = saved;
	return lives;
}

bool
session_awaits_reader(void)
{
	bool came = load_relaxed(&session.control->was_read) ||
		    load_relaxed(&session.control->heartbeat) != 0;
	return session_options.launch_id != 0 && !came && launcher_lives();
}

/*
 * The collector that started us may not have come yet, and one that reads everybody may be
 * late: they read and unlink what is left.
 */
static bool
unlink_at_exit(void)
{
	return session_options.mode != LANE_OVERWRITE && !session_options.keep &&
	       !session_awaits_reader() &&
	       object_is_free() && !housekeeping_is_watched();
}

void
session_stop(uint64_t stopped)
{
	uint32_t state = load_relaxed(&session.state);
	if (state == SESSION_NONE || state == SESSION_FAILED)
		session_options.enabled = false; /* a fork child that has not begun does not */
	if (load_acquire(&session.state) != SESSION_RUNNING &&
	    !(stopped == 2 && session.state == SESSION_STOPPED))
		return;
	int saved = errno;
	store_release(&session.state, SESSION_STOPPED);
	session_renew_calls();
	session_options.enabled = false; /* a fork child does not begin again either */
	store_relaxed(&session.header->stop_ticks, clock_ticks(session.clock_kind));
	store_release(&session.header->stopped, stopped);
	if (stopped == 2 && unlink_at_exit())
		session.removed = shm_unlink(session.name) == 0;
	errno = saved;
}

void
session_discard(void)
{
	if (session.base == NULL)
		return;
	shm_unlink(session.name);
	munmap(session.base, session.at.mapped_bytes);
	for (uint32_t i = 0; i < session.at.n_call_tables; i++)
		if (session.call_tables[i].stats != NULL)
			munmap(session.call_tables[i].stats, session.at.call_table_bytes);
	memset(&session, 0, sizeof session);
	session_options.enabled = false;
	previous.pid = 0; /* no segment of ours that a child could name */
}

/* Other memory, of this process alone, for a thread that lived on may write there yet. */
static void
replace_mapping(void *base, size_t bytes)
{
	if (base != NULL)
		mmap(base, bytes, PROT_READ | PROT_WRITE,
		     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

void
session_leave_removed(void)
{
	if (!session.removed)
		return;
	for (uint32_t i = 0; i < session.at.n_call_tables; i++)
		replace_mapping(session.call_tables[i].stats, session.at.call_table_bytes);
	for (uint32_t i = 1; i < SEGMENT_LANES; i++)
		replace_mapping(session.producers[i].base, session.at.other_bytes);
	replace_mapping(session.base, session.at.mapped_bytes);
	memset(&session, 0, sizeof session);
}

void
session_resume(void)
{
	if (session.state != SESSION_STOPPED)
		return;
	session_options.enabled = true;
	store_relaxed(&session.header->stopped, 0);
	store_release(&session.state, SESSION_RUNNING);
}

bool
session_reader_alive(void)
{
	/* No clock of the collector's is used: time namespaces would set them apart. */
	uint64_t beat = load_relaxed(&session.control->heartbeat);
	if (beat == 0)
		return false;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC_COARSE);
	if (beat != load_acquire(&session.heartbeat)) {
		/* In this order: another thread must not find the new beat with the old time. */
		store_relaxed(&session.heartbeat_ns, now_ns);
		store_release(&session.heartbeat, beat);
		return true;
	}
	int64_t age_ns = (int64_t)(now_ns - load_relaxed(&session.heartbeat_ns));
	return age_ns < (int64_t)LEASE_NS;
}
