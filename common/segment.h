/* SPDX-License-Identifier: MIT */
/*
 * The shared-memory object of one traced process, /pyauditd.<uid>.<pid>.<nonce>.
 *
 *	offset 0        struct segment_header     hook      who this is; written once, `ready` last
 *	control         struct segment_control    collector settings wanted, who reads
 *	levels          1 byte per definition id  both      enum level (common/levels.h); the
 *	                                                    collector writes LEVEL_ASK only
 *	defs            definitions               hook      append-only (common/defs.h)
 *	lane 0..n-1     struct lane_shared        both      (common/lane.h)
 *	                counters, u64 per id      hook      events at level count or record
 *	                slots                     hook
 *	call tables     struct call_stats per id  hook      functions at level count or stats
 *
 * It has its final size from the start, and is sparse: memory exists only where the hook
 * made sure of it (posix_fallocate, MADV_POPULATE_WRITE), for a store into a page that
 * /dev/shm has no room for is a SIGBUS in the user's program. A reader of a hole sees zeroes.
 *
 * Lane 0 belongs to the main interpreter of a GIL build; its ring has lane0_slots. The
 * others, of other_slots, belong to one thread each.
 *
 * A reader trusts nothing here: it copies the header once and checks the copy with
 * segment_check(); all offsets follow from the few sizes in it.
 *
 * ABI: `major` changes when an old reader would misread; `minor` when something was added
 * that it may ignore; `oldest` is the major a reader must at least know.
 */
#ifndef COMMON_SEGMENT_H
#define COMMON_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call_rules.h"
#include "lane.h"
#include "levels.h"

#define SEGMENT_MAGIC 0x3144544944555950ULL /* "PYUDITD1" */
#define SEGMENT_ABI_MAJOR 2
#define SEGMENT_ABI_MINOR 1 /* a lane says how short its ring is */
#define SEGMENT_ABI_OLDEST 2 /* packed calls say their greenlet */

#define SEGMENT_PREFIX "pyauditd."
#define SEGMENT_WATCH_PREFIX "pyauditd-watch." /* and a uid: locked by who reads all programs */
#define SEGMENT_NAME_BYTES 64
#define SEGMENT_PAGE 4096

#define SEGMENT_IDS (1u << 18) /* definition ids, 0 excluded */
_Static_assert(SEGMENT_IDS <= 1u << CALLS_ID_BITS, "an id fits a packed call event");
#define SEGMENT_LANES 256
#define SEGMENT_CALL_TABLES 65 /* without a GIL; with it, 1 */
#define SEGMENT_DEFS_BYTES (16u << 20)
#define SEGMENT_OTHER_SLOTS (256u * 1024 / SLOT_BYTES)
#define SEGMENT_MIN_RING (256u << 10) /* bytes */
#define SEGMENT_MAX_RING (1u << 30)
#define SEGMENT_MAX_OTHER_RING (16u << 20) /* of the lanes behind the first; there are many */
#define SEGMENT_DEFAULT_RING (4u << 20)

/*      since when the process was seen  value  text, as in the stream */
#define COVERAGES(X) \
	X(FULL, 1, "full") X(SITE, 2, "site") X(STARTUP, 3, "startup") X(ATTACH, 4, "attach") \
	X(API, 5, "api") /* the program itself called pyauditd.start() */

enum coverage {
	COVERAGE_NONE = 0, /* no hook: never in a segment */
#define X(name, value, text) COVERAGE_##name = value,
	COVERAGES(X)
#undef X
};

enum segment_flags {
	SEGMENT_FREE_THREADED = 1,
	SEGMENT_KEEP = 2,         /* the hook leaves it in place at exit */
	SEGMENT_LAUNCHED = 4,     /* a collector started this program and will read it */
};

/*
 * What is summed up for a function, by definition id: what stands in all tables together. With a
 * GIL there is one, and its holder writes it. Without, table i + 1 belongs to who has lane i, and
 * what other threads do goes to table 0, by atomic additions. Each word is whole, and they may be
 * of different moments. At level count only `calls`. A call has its time when it ends, and before
 * now and then the time so far; one that was open when the first was seen has that alone.
 */
struct call_stats {
	uint64_t calls;     /* that began, resumptions of generators included */
	uint64_t primitive; /* of them, those that did not come from the function itself */
	uint64_t own_ticks; /* without the functions that it called */
	uint64_t cum_ticks; /* with them; of recursive calls the outermost alone */
};
_Static_assert(sizeof(struct call_stats) == 32, "part of the format");

/* Are times known? The first of all calls comes from no function, or from another one. */
static inline bool
call_stats_timed(const struct call_stats *stats)
{
	return (stats->primitive | stats->own_ticks | stats->cum_ticks) != 0;
}

static inline bool
call_stats_empty(const struct call_stats *stats)
{
	return stats->calls == 0 && !call_stats_timed(stats);
}

/* What stands before `events` stands there in every ABI. */
struct segment_header {
	uint64_t magic;
	uint16_t abi_major, abi_minor, abi_oldest, header_bytes;
	uint32_t ready;          /* 1, stored last, release */
	uint32_t page_bytes;
	/* geometry */
	uint32_t n_ids, n_lanes;
	uint32_t defs_bytes;
	uint32_t lane0_slots, other_slots;
	uint32_t mode;           /* enum lane_mode */
	/* clock */
	uint32_t clock_kind;     /* enum clock_kind */
	uint64_t start_ticks;    /* one moment on both clocks, for a post-mortem */
	uint64_t start_realtime_ns;
	/* identity, as the process sees itself; for a dead process there is no other source */
	uint32_t pid, ppid, uid, python_hex;
	uint64_t start_time;     /* field 22 of /proc/self/stat: clock ticks since boot */
	uint8_t boot_id[16];
	uint32_t nonce;
	uint32_t flags;          /* enum segment_flags */
	uint32_t coverage;       /* enum coverage */
	uint32_t stack;          /* own settings, and the event list below */
	uint64_t launch_id;      /* of the collector that started this process tree; 0: none */
	uint32_t parent_pid, parent_nonce; /* the segment it was forked from; 0: none */
	uint64_t parent_start_time;
	uint64_t pid_ns;         /* inode of /proc/self/ns/pid: where `pid` means something */
	char events[LEVELS_TEXT_BYTES];
	char reveal[512];
	/* state; the hook goes on writing these */
	uint64_t stopped;        /* 1: stop() was called; 2: the interpreter ended cleanly */
	uint64_t stop_ticks;     /* when; like boot_id and uid for people with a debugger */
	uint64_t lost[N_LOST_REASONS]; /* events that reached no lane; several writers */
	uint64_t lanes_used;     /* lanes [0, lanes_used) have been taken at least once */
	/* dead segments that were removed to make room for this one, and their unread events */
	uint64_t removed_segments, removed_events;
	struct call_settings calls; /* own settings */
	uint32_t calls_backend;  /* in force: enum call_backend; 0: calls are not traced */
	uint32_t calls_level;    /* in force: enum call_level */
	uint32_t call_tables;
};
_Static_assert(sizeof(struct segment_header) <= SEGMENT_PAGE, "the header is one page");
_Static_assert(offsetof(struct segment_header, events) == 160, "part of the format");

/* Parts of the settings. */
enum setting_part {
	SETTING_EVENTS = 1,
	SETTING_REVEAL = 2,
	SETTING_STACK = 4,
	SETTING_CALLS = 8,
	SETTING_ALL = 15,
};

/*
 * Written by the collector that holds the lock on the object (flock), read by the hook. The
 * settings are a lease: `version` is even when they are whole, odd while they are written,
 * 0 when the program's own settings apply. `heartbeat` moves once a second while it lives.
 */
struct segment_control {
	uint64_t version;
	uint64_t heartbeat;     /* 0: no reader */
	uint32_t reader_pid;
	uint32_t wake;          /* futex: the hook adds 1 and wakes */
	uint32_t stack;         /* frames of context per event */
	uint32_t was_read;      /* 1: a reader came and left again */
	char events[LEVELS_TEXT_BYTES];
	char reveal[512];
	uint64_t told_lost[N_LOST_REASONS]; /* of the header's `lost`, what was told so far */
	struct call_settings calls;
	/* between collectors: the hook never looks here */
	uint32_t gives_way;     /* 1: the reader only looks, and leaves when it is asked to */
	uint32_t asked;         /* 1: another one wants to read; cleared by who reads next */
	/* for the hook again */
	uint32_t own;           /* enum setting_part: those that the collector leaves as they are */
};
_Static_assert(offsetof(struct segment_control, told_lost) == 1568, "part of the format");
_Static_assert(sizeof(struct segment_control) <= SEGMENT_PAGE, "the control region is one page");

/* Where things are; computed, never read from shared memory. All in bytes. */
struct segment_layout {
	uint64_t control, levels, defs, lanes;
	uint64_t call_tables;          /* the first */
	uint64_t call_table_bytes;
	uint32_t n_call_tables;
	uint64_t counters, slots;      /* from the start of a lane */
	uint64_t lane0_bytes, other_bytes;
	uint64_t mapped_bytes;         /* everything up to the end of lane 0 */
	uint64_t total_bytes;
};

/* From the geometry fields, which must have passed segment_check(). */
struct segment_layout segment_layout(const struct segment_header *header);

/* Start of a lane in the object. */
uint64_t segment_lane_offset(const struct segment_layout *layout, uint32_t lane);

enum segment_check_outcome {
	SEGMENT_NOT_READY = 1, /* its process is still setting it up */
};

/*
 * Is this private copy of a header one that we can follow, in an object of object_bytes?
 * 0, SEGMENT_NOT_READY, -EPROTO (other ABI) or -EBADMSG (no sense), with `why` a sentence.
 */
int segment_check(const struct segment_header *header, uint64_t object_bytes, char *why,
		  size_t why_bytes);

/* "/pyauditd.<uid>.<pid>.<nonce>" and back; parse returns -EINVAL for any other name. */
void segment_name(char name[SEGMENT_NAME_BYTES], uint32_t uid, uint32_t pid, uint32_t nonce);
int segment_name_parse(const char *name, uint32_t *uid, uint32_t *pid, uint32_t *nonce);

const char *coverage_name(unsigned coverage);
const char *lost_reason_name(unsigned reason);

#endif
