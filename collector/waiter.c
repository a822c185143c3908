/* SPDX-License-Identifier: MIT */
#include "waiter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "barrier.h"
#include "clock.h"

#define POLL_NS 5000000u /* how often lanes are looked at where futexes cannot be waited for */

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef FUTEX_32
#define FUTEX_32 2
struct futex_waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};
#endif

static long
wait_for_any(struct futex_waitv *waits, unsigned n, const struct timespec *deadline)
{
	return syscall(SYS_futex_waitv, waits, n, 0, deadline, CLOCK_MONOTONIC);
}

static void *
watch_descriptors(void *argument)
{
	struct waiter *waiter = argument;
	struct pollfd poller = {.fd = waiter->epoll, .events = POLLIN};
	sem_post(&waiter->started);
	while (!load_acquire(&waiter->ending)) {
		if (poll(&poller, 1, -1) <= 0)
			continue;
		__atomic_add_fetch(&waiter->ready, 1, __ATOMIC_RELEASE);
		syscall(SYS_futex, &waiter->ready, FUTEX_WAKE, 1, NULL, NULL, 0);
		while (sem_wait(&waiter->resume) < 0 && errno == EINTR) {
		}
	}
	return NULL;
}

static bool
can_wait_for_futexes(void)
{
	uint32_t word = 1;
	struct futex_waitv wait = {.val = 0, .uaddr = (uintptr_t)&word, .flags = FUTEX_32};
	return wait_for_any(&wait, 1, NULL) < 0 && errno == EAGAIN;
}

int
waiter_init(struct waiter *waiter)
{
	memset(waiter, 0, sizeof *waiter);
	waiter->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (waiter->epoll < 0)
		return -errno;
	waiter->end = eventfd(1, EFD_CLOEXEC);
	if (waiter->end >= 0)
		return 0;
	int err = -errno;
	close(waiter->epoll);
	return err;
}

void
waiter_start(struct waiter *waiter)
{
	sigset_t all, before;
	if (!can_wait_for_futexes() || sem_init(&waiter->started, 0, 0) < 0 ||
	    sem_init(&waiter->resume, 0, 0) < 0)
		return;
	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* it means the thread that made the call (system_calls.h) */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	waiter->has_thread = pthread_create(&waiter->thread, NULL, watch_descriptors, waiter) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/*
	 * The C library makes calls in a new thread that we need no longer then (system_calls.h).
	 */
	while (waiter->has_thread && sem_wait(&waiter->started) < 0 && errno == EINTR) {
	}
}

/*
 * Not by pthread_cancel(): the C library loads another library for it, at a time when we may
 * map no code any more.
 */
static void
end_thread(struct waiter *waiter)
{
	store_release(&waiter->ending, true);
	waiter_watch(waiter, waiter->end);
	sem_post(&waiter->resume);
	pthread_join(waiter->thread, NULL);
	sem_destroy(&waiter->resume);
}

void
waiter_fini(struct waiter *waiter)
{
	if (waiter->has_thread)
		end_thread(waiter);
	close(waiter->end);
	close(waiter->epoll);
}

int
waiter_watch(struct waiter *waiter, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void
waiter_unwatch(struct waiter *waiter, int fd)
{
	epoll_ctl(waiter->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void
waiter_word(struct waiter *waiter, uint32_t *word)
{
	if (waiter->n_words == FUTEX_WAITV_MAX)
		return;
	waiter->words[waiter->n_words] = word;
	waiter->seen[waiter->n_words++] = load_acquire(word);
}

bool
waiter_begin(struct waiter *waiter)
{
	waiter->n_words = 0;
	waiter_word(waiter, &waiter->ready);
	if (!waiter->has_thread)
		return true;
	if (waiter->seen[0] == waiter->last_ready)
		return false;
	waiter->last_ready = waiter->seen[0];
	sem_post(&waiter->resume);
	return true;
}

static struct timespec
timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
				 .tv_nsec = (long)(ns % 1000000000u)};
}

void
waiter_sleep(struct waiter *waiter, uint64_t timeout_ns)
{
	struct futex_waitv waits[FUTEX_WAITV_MAX];
	if (!waiter->has_thread) {
		struct pollfd poller = {.fd = waiter->epoll, .events = POLLIN};
		struct timespec most = timespec_of(timeout_ns < POLL_NS ? timeout_ns : POLL_NS);
		ppoll(&poller, 1, &most, NULL);
		return;
	}
	for (unsigned i = 0; i < waiter->n_words; i++)
		waits[i] = (struct futex_waitv){.val = waiter->seen[i],
						.uaddr = (uintptr_t)waiter->words[i],
						.flags = FUTEX_32};
	struct timespec deadline = timespec_of(clock_ns(CLOCK_MONOTONIC) + timeout_ns);
	wait_for_any(waits, waiter->n_words, &deadline);
}
