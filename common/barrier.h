/* SPDX-License-Identifier: MIT */
/*
 * The only place that names the memory orders of loads and stores. Every word that both processes
 * touch is read and written through these, once per use: what was loaded is then a private copy.
 */
#ifndef COMMON_BARRIER_H
#define COMMON_BARRIER_H

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Make it NULL if it is that; nothing else hangs on it. */
#define clear_if(p, v) \
	do { \
		__typeof__(*(p)) expected_ = (v); \
		__atomic_compare_exchange_n((p), &expected_, NULL, false, __ATOMIC_RELAXED, \
					    __ATOMIC_RELAXED); \
	} while (0)

/* For counters with several writers; nothing else hangs on their order. */
#define add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)

/* Of several who want to do it, the first finds another value than its own. */
#define exchange_relaxed(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELAXED)

/* A counter with one writer: a plain increment that no reader can see half of. */
#define bump(p) store_relaxed((p), load_relaxed(p) + 1)

/* Overwrite mode, levels, settings, what was told. ThreadSanitizer does not model these. */
#define fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
/* My store, then my load: of two who do both, at least one sees the other's. */
#define fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
