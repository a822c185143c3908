/* SPDX-License-Identifier: MIT */
/*
 * This process's segment: made by start(), in a fork child at its first event, left behind at fork,
 * given up at exit.
 *
 * `session` lies in pages that the kernel wipes in a fork child (MADV_WIPEONFORK), and the
 * segment's mapping is not inherited at all (MADV_DONTFORK). So a child finds "not set up",
 * at no cost on the hot path, makes its own segment at its first event, and could not write
 * to its parent's if it tried. Everything that must survive the fork (settings, the ids of
 * names, who we were) is in plain static data; thread-local data holds only what is checked
 * against session.generation.
 */
#ifndef HOOK_SESSION_H
#define HOOK_SESSION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "segment.h"

struct _ts; /* PyThreadState */

/* One lane, and what its producer remembers between events. */
struct producer {
	struct lane lane;
	uint64_t *counters;      /* by definition id */
	uint32_t n_counters;     /* ids whose counter has memory */
	uint32_t tid;            /* of the thread that emitted last */
	struct _ts *tstate;      /* the same thread's state, and its id: addresses are reused */
	uint64_t tstate_id;
	const void *interp;      /* of which that is */
	const char *thread;      /* up to 3.11: which OS thread */
	bool busy;               /* in the middle of an event */
	uint8_t *base;           /* of its mapping; NULL for lane 0, which lies in session.base */
	bool left;               /* its thread ended; the state in shared memory is for readers */
	uint32_t index;
	uint64_t waits_until_ns; /* block mode: for a collector, at the most */
} __attribute__((aligned(128))); /* what one thread writes is in no line of another's */

/* Sums of calls. */
struct call_table {
	struct call_stats *stats; /* by definition id; NULL: not mapped yet */
	uint32_t n;               /* ids that have memory there */
};

enum session_state {
	SESSION_NONE = 0,    /* what a fork child finds */
	SESSION_RUNNING,
	SESSION_STARTING,
	SESSION_STOPPED,     /* stop(), or the interpreter ended */
	SESSION_FAILED,      /* no segment is to be had: another start() tries again, a fork child itself */
};

/* The linker's page size: what is wiped has its pages for itself. */
#if defined(__x86_64__)
#define WIPED_ALIGN 4096
#else
#define WIPED_ALIGN 65536
#endif

#define LEASE_NS 3000000000u /* after so long without a heartbeat, a collector is gone */

struct session {
	uint32_t state;          /* enum session_state */
	uint32_t lock;           /* guards definitions, tables, lanes */
	uint64_t generation;     /* not 0, different in every process */
	uint8_t *base;
	struct segment_layout at;
	struct segment_header *header;
	struct segment_control *control;
	uint8_t *levels;         /* enum level by definition id */
	uint32_t n_levels;       /* ids whose level has memory */
	uint64_t defs_reserved;  /* bytes of the region that have memory */
	uint64_t defs_used;
	enum clock_kind clock_kind;
	uint32_t stack;          /* frames per event, in force */
	uint64_t settings_version; /* of the collector's settings in force; 0: our own */
	uint64_t void_version;     /* of a lease that ran out */
	int64_t budget;          /* bytes of /dev/shm that we may still take */
	uint64_t opened_ns;      /* CLOCK_MONOTONIC_COARSE, as the next but one; or failed to */
	uint64_t missed;         /* events since then */
	uint64_t heartbeat;      /* as last seen, and when */
	uint64_t heartbeat_ns;
	char name[SEGMENT_NAME_BYTES];
	bool removed;            /* the object has no name any more, for nobody reads it */
	dev_t dev;               /* of the object: its name may come to mean another */
	ino_t ino;
	uint32_t n_lanes;        /* taken at least once; the header's lanes_used is for readers */
	uint64_t calls_epoch;    /* what threads remember of calls is of this one; 0: before the first */
	uint64_t calls_way;      /* without a GIL: the ways that their events take are of this one */
	const void *calls_owner; /* the thread that has the open slot of calls in lane 0 */
	const void *calls_here;  /* the same, where its next event is known to be of the same stack */
	const void *calls_fast;  /* and where it may take the short way */
	struct call_table call_tables[SEGMENT_CALL_TABLES]; /* with a GIL, the first is all threads' */
	uint64_t calls_next_look; /* ticks: see calls_time_passed(); UINT64_MAX: never */
	/* Attempts before memory is asked for again: for sums, definitions, lanes. */
	uint32_t call_stats_refused, defs_refused, lanes_refused;
	struct producer producers[SEGMENT_LANES]; /* 0: the main interpreter, if there is a GIL */
} __attribute__((aligned(WIPED_ALIGN)));

extern struct session session;

/* What start() asked for; survives fork. */
struct session_options {
	bool enabled;
	char events[LEVELS_TEXT_BYTES];
	char reveal[512];
	uint32_t stack;
	struct call_settings calls;
	uint32_t calls_backend, calls_level; /* in force, by whoever wants it */
	uint32_t ring_bytes;
	enum lane_mode mode;
	enum coverage coverage;
	uint64_t launch_id;
	uint32_t launch_says; /* of enum setting_part: what whoever launched it has said */
	uint32_t launch_pid;  /* his, in the namespace: */
	uint64_t launch_pid_ns;
	bool keep;
	bool free_threaded; /* each thread has a lane of its own */
	unsigned block_ms;
	uint32_t python_hex;
};
extern struct session_options session_options;

/* Why session_ensure() failed last: a sentence for PYAUDITD_DEBUG. */
extern const char *session_why;
extern int session_error; /* -errno */

/* SESSION_NONE -> set up; true when events can be recorded. */
bool session_ensure(void);

/* Another calls_epoch: each thread finds out at its next call or return. */
void session_renew_calls(void);

/* The same of calls_way alone: what is open stays so. */
void session_renew_ways(void);

/* Stop recording; `stopped` as in the header: 1 stop(), 2 the interpreter ended. Unlinks the
 * object when nobody reads it and nobody asked to keep it. */
void session_stop(uint64_t stopped);

/* As if it had never been set up; for a start() that fails before any event was seen. */
void session_discard(void);

/* The header says what session_options are now, for a collector that comes. */
void session_tell_settings(void);

/* After session_stop(2): what has no name any more is none, and the next start() makes another. */
void session_leave_removed(void);

/* A start() after a stop(). */
void session_resume(void);

/*
 * The object again by its name, for we keep no descriptor: one, or -errno. -ESTALE: somebody has
 * removed it and put another one there.
 */
int session_open_own(int flags);

/* posix_fallocate(), also where signals interrupt it. 0 or -errno. */
int session_fallocate(int fd, off_t offset, off_t bytes);

/*
 * How many bytes of /dev/shm we may still take: what is free (*free_bytes) less a quarter of it
 * all, or 64 MiB of a large one, which stay for the programs of the machine, however many of them
 * are traced. -errno: it cannot be asked.
 */
int64_t session_room(int64_t *free_bytes);

/* Make memory exist behind part of the segment; 0 or -errno, never SIGBUS. */
int session_reserve(void *from, uint64_t bytes);

/* Whole pages at `from` give theirs to as many at `to`. -errno: nobody may count on them. */
int session_move(void *from, void *to, uint64_t bytes);

/*
 * Map a part of the object that is not mapped yet, not for fork children nor core dumps; NULL: it
 * cannot be.
 */
void *session_map_part(uint64_t offset, uint64_t bytes);

/* Give an id's counter memory in this producer's lane. */
bool session_reserve_counter(struct producer *producer, uint32_t id);

/* Give an id memory in a table of sums; false: there is none. */
bool session_reserve_call_stats(struct call_table *table, uint32_t id);

/* The collector that started this program has not come yet. */
bool session_awaits_reader(void);

/* Does a collector read us? Its heartbeat moved within the last seconds. */
bool session_reader_alive(void);

/* An event that reaches no lane. */
void session_lost(enum lost_reason reason);

/* One event, for which there was no segment: the first one that there is tells it (no_lane). */
void session_missed(void);

/* A short lock, off the path of an event: inside, memory may be mapped. Who waits yields. */
void session_lock(void);
void session_unlock(void);

#endif
