/* SPDX-License-Identifier: MIT */
/*
 * Where the main loop sleeps: until a lane asks for it (a futex in its segment), a watched
 * descriptor is readable, a signal arrives, or the time is up.
 *
 * Futexes and descriptors cannot be waited for together, so a second thread waits for the
 * descriptors and then changes a futex of our own; it goes on when the loop has come round
 * again. Without futex_waitv (before Linux 5.16, or under a filter) the loop waits for the
 * descriptors itself, and looks at the lanes every few milliseconds.
 *
 *	waiter_begin(&w);                what changes from here on cuts the sleep short
 *	... look at everything, waiter_word(&w, word) for each lane's futex ...
 *	waiter_sleep(&w, timeout_ns);
 */
#ifndef COLLECTOR_WAITER_H
#define COLLECTOR_WAITER_H

#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef FUTEX_WAITV_MAX
#define FUTEX_WAITV_MAX 128
#endif

struct waiter {
	int epoll;
	int end;         /* readable; watched when the thread is to end */
	bool ending;
	uint32_t ready;  /* futex: the thread found a descriptor readable */
	sem_t resume;    /* the loop has seen it */
	sem_t started;
	pthread_t thread;
	bool has_thread;
	uint32_t *words[FUTEX_WAITV_MAX];
	uint32_t seen[FUTEX_WAITV_MAX];
	unsigned n_words;
	uint32_t last_ready;
};

/* 0 or -errno. */
int waiter_init(struct waiter *waiter);

/*
 * Start the thread; without it all works the slower way. It takes no signals, so they must have
 * been set up, and has the capabilities of its maker, who gives up his first (privileges.h).
 */
void waiter_start(struct waiter *waiter);
void waiter_fini(struct waiter *waiter);

/* A descriptor whose readability ends a sleep; it stays readable until it is dealt with. */
int waiter_watch(struct waiter *waiter, int fd);
void waiter_unwatch(struct waiter *waiter, int fd);

/* True: a watched descriptor may be readable. */
bool waiter_begin(struct waiter *waiter);

/* Before this lane is looked at. Beyond 127 a word is left to the timeout. */
void waiter_word(struct waiter *waiter, uint32_t *word);

void waiter_sleep(struct waiter *waiter, uint64_t timeout_ns);

#endif
