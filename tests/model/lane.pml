/* SPDX-License-Identifier: MIT */
/*
 * The lane protocol (common/lane.h) on a weak memory (memory.pml), for Spin. tests/model/run
 * checks it, and that each MUTANT below is caught.
 *
 * The collector's copies are loads that happen in any order, after the acquire load before
 * them, and before the release store or acquire fence behind them.
 *
 * A record has one or two slots, a slot one word: what tears is the record. The word tells
 * where it belongs, so the collector's checks are exact. Block mode is drop mode in which
 * the hook is slow.
 *
 * -DOVERWRITE checks the flight recorder, else drop mode is checked. Packed calls are in
 * calls.pml; the memory of the first lap is in neither.
 */

#ifdef OVERWRITE
#define N 4 /* slots of the ring; two may be under construction */
#else
#define N 2
#endif
#define ATTEMPTS 4

#define HEAD 0
#define TAIL 1
#define INTENT 2
#define SEQ 3
#define DROPPED 4
#define SLOT(position) (5 + (position) % N)

#define WORD(seq, position, i, k) (((seq) * 16 + (position)) * 4 + (i) * 2 + (k) - 1 + 1024)
#define WORD_SEQ(w) (((w) - 1024) / 64)
#define WORD_POSITION(w) (((w) - 1024) / 4 % 16)
#define WORD_I(w) (((w) - 1024) / 2 % 2)
#define WORD_K(w) (((w) - 1024) % 2 + 1)

#define PLACES (5 + N)
#include "memory.pml"

/* ---- what became of each event: for the checks alone ---- */

#define UNDER_WAY 0
#define COMMITTED 1
#define LOST 2
byte fate[ATTEMPTS + 1];
byte n_committed;
bool ended;

/* ---- hook ---- */

#ifdef A_RELAXED
#define A RELAXED
#else
#define A RELEASE
#endif
#ifdef J_RELAXED
#define J RELAXED
#else
#define J RELEASE
#endif
#ifdef F_MISSING
#define F RELAXED
#else
#define F FENCED
#endif

/* (B) Up to where the slots are free. */
inline refill()
{
#if defined(NO_TAIL_CHECK)
	limit = head + N
#elif defined(TAIL_OFF_BY_ONE)
	limit = mem[TAIL] + N + 1
#elif defined(B_RELAXED)
	atomic {
		!guessing; /* loads of one place keep their order */
		guess = (limit > N -> limit - N : 0);
		do
		:: guess < head -> guess++
		:: break
		od;
		guessing = true;
		limit = guess + N
	}
#else
	limit = mem[TAIL] + N
#endif
}

#ifdef OVERWRITE
/* What begins a slot: (E) and (F), then its words. */
#if defined(NO_INTENT) || defined(INTENT_LATE)
#define BEGIN_SLOT(i) skip
#elif defined(INTENT_ONCE)
#define BEGIN_SLOT(i) \
	if \
	:: i == 0 -> store(INTENT, head + 1, RELAXED) \
	:: else \
	fi
#else
#define BEGIN_SLOT(i) store(INTENT, head + i + 1, RELAXED)
#endif
#define ORDERED F
#else
#define BEGIN_SLOT(i) skip
#define ORDERED RELAXED
#endif

/* (A) */
#ifdef HEAD_PER_SLOT
#define COMMIT skip
#else
#define COMMIT \
	atomic { \
		store(HEAD, head + k, A); \
		fate[seq] = COMMITTED; \
		n_committed++ \
	}
#endif

active proctype hook()
{
	byte head, limit, seq, k, i, dropped;
	bool lost;

	do
	:: seq < ATTEMPTS ->
		atomic {
			if
			:: k = 1
			:: k = 2
			fi;
			i = 0;
			lost = false
		};
		do
		:: i < k && !lost ->
#ifndef OVERWRITE
			if
			:: head + i >= limit -> refill()
			:: else
			fi;
			lost = (head + i >= limit);
#endif
			if
			:: !lost ->
				BEGIN_SLOT(i);
#ifdef HEAD_PER_SLOT
				store(SLOT(head + i), WORD(seq, head + i, i, k), ORDERED);
				atomic {
					store(HEAD, head + i + 1, RELEASE);
					fate[seq] = COMMITTED;
					n_committed = n_committed + (i == 0)
				};
#elif !defined(HEAD_BEFORE_SLOTS)
				if
				:: i > 0 -> store(SLOT(head + i), WORD(seq, head + i, i, k), ORDERED)
				:: else
				fi;
#endif
				i++
			:: else
			fi
		:: else -> break
		od;
		if
		:: lost ->
			dropped++;
#ifdef DROP_TAKES_NO_SEQ
			if
			:: dropped > 2 -> break /* some end */
			:: else
			fi;
			store(DROPPED, dropped, J)
#else
			fate[seq] = LOST;
#ifdef DROP_BEFORE_SEQ
			store(DROPPED, dropped, RELAXED);
			store(SEQ, seq + 1, RELEASE);
#else
			store(SEQ, seq + 1, RELAXED);
			store(DROPPED, dropped, J);
#endif
			seq++
#endif
		:: else ->
#ifdef HEAD_BEFORE_SLOTS
			store(SEQ, seq + 1, RELAXED);
			COMMIT;
			if
			:: k > 1 -> store(SLOT(head + 1), WORD(seq, head + 1, 1, k), ORDERED)
			:: else
			fi;
			store(SLOT(head), WORD(seq, head, 0, k), ORDERED);
#else
#ifndef HEAD_PER_SLOT
			store(SLOT(head), WORD(seq, head, 0, k), ORDERED);
#endif
#ifdef INTENT_LATE
			store(INTENT, head + k, RELAXED);
#endif
#ifdef SEQ_AFTER_HEAD
			COMMIT;
			store(SEQ, seq + 1, RELAXED);
#else
			store(SEQ, seq + 1, RELAXED);
			COMMIT;
#endif
#endif
			head = head + k;
			seq++
		fi
	:: else -> break
	od;
dead:
	ended = true
}

/* ---- collector ---- */

/* A relaxed load of head: a guess, made good later. */
#ifdef C_RELAXED
#define LOAD_HEAD \
	head = position; \
	do \
	:: head < ATTEMPTS * 2 -> head++ \
	:: break \
	od; \
	head_guessed = true
#else
#define LOAD_HEAD head = mem[HEAD]
#endif

#define HAVE_ALL (have[0] && have[1] && (N < 3 || (have[N - 2] && have[N - 1])))
#define LOAD(i) \
	!have[i] -> atomic { copy[i] = mem[SLOT(position + i)]; have[i] = true }

active proctype collector()
{
	byte position, head, n, i, seq, next, accepted, n_accepted;
	byte dropped, explained, from;
	short intent;
	short copy[N];
	bool have[N];
	bool last, released, asked, restart, restarted, head_guessed;

	do
	:: atomic { true ->
		last = ended && n_stores == 0 && !guessing; /* what is left after its death */
		released = false;
		asked = false;
		restart = false
	   };
#ifndef OVERWRITE
#ifndef DROPPED_AFTER_HEAD
	   dropped = mem[DROPPED];
#endif
#endif
	   atomic {
		LOAD_HEAD;
#ifdef OVERWRITE
		if
		:: head > position + N -> position = head - N
		:: else
		fi;
#else
#ifndef C_RELAXED
		assert(head - position <= N); /* or it would give up the lane */
#else
		head - position <= N;
#endif
#endif
		n = head - position;
		i = 0;
		do
		:: i < N -> have[i] = (i >= n); i++
		:: else -> break
		od
	   };
#ifdef DROPPED_AFTER_HEAD
	   dropped = mem[DROPPED];
#endif
#ifdef TAIL_BEFORE_COPY
	   mem[TAIL] = head;
	   released = true;
#endif
	   do
	   :: LOAD(0)
	   :: LOAD(1)
#if N > 2
	   :: LOAD(2)
	   :: LOAD(3)
#endif
#ifdef OVERWRITE
	   /* (H), (I) */
#ifdef H_MISSING
	   :: !asked ->
#else
	   :: !asked && HAVE_ALL ->
#endif
		atomic { intent = mem[INTENT]; asked = true }
	   :: HAVE_ALL && asked && !head_guessed -> break
#else
	   /* (D) */
#ifdef D_RELAXED
	   :: !released ->
#else
	   :: !released && HAVE_ALL && !head_guessed ->
#endif
		atomic { mem[TAIL] = head; released = true }
	   /* Killed with a batch written out but not released; another comes. */
	   :: !released && HAVE_ALL && !restarted ->
		atomic { released = true; restart = true; restarted = true }
	   :: HAVE_ALL && released && !head_guessed -> break
#endif
#ifdef C_RELAXED
	   :: atomic { head_guessed && mem[HEAD] == head -> head_guessed = false }
#endif
	   od;
	   skip;

	   /* Accept what was copied. Each slot is the one that belongs there. */
	   d_step {
		from = position;
#ifdef OVERWRITE
#ifndef INTENT_NOT_CHECKED
#ifdef KEEP_ONE_MORE
		intent--;
#endif
		if
		:: intent - N > from -> from = (intent - N < head -> intent - N : head)
		:: else
		fi;
#endif
		intent = 0;
		i = 0;
		do
		:: from + i < head && WORD_I(copy[from + i - position]) != 0 ->
			assert(WORD_POSITION(copy[from + i - position]) == from + i);
			i++
		:: else -> break
		od;
		from = from + i;
#endif
		do
		:: from < head ->
			assert(copy[from - position] != 0);
			assert(WORD_POSITION(copy[from - position]) == from);
			assert(WORD_I(copy[from - position]) == 0);
			seq = WORD_SEQ(copy[from - position]);
			assert(fate[seq] == COMMITTED);
			if
			:: WORD_K(copy[from - position]) == 2 ->
				assert(from + 1 < head);
				assert(copy[from + 1 - position] == copy[from - position] + 6)
			:: else
			fi;
			if
			:: from >= accepted ->
				assert(seq >= next);
#ifndef OVERWRITE
				assert(from == accepted); /* nothing was skipped */
				explained = explained + (seq - next);
				do
				:: next < seq -> assert(fate[next] == LOST); next++
				:: else -> break
				od;
#endif
				next = seq + 1;
				n_accepted++;
				accepted = from + WORD_K(copy[from - position])
			:: else -> assert(restarted && seq < next)
			fi;
			from = from + WORD_K(copy[from - position])
		:: else -> break
		od;
		i = 0;
		do
		:: i < N -> copy[i] = 0; have[i] = false; i++
		:: else -> break
		od;
#ifndef OVERWRITE
		/* Drops that no gap explains lie behind the last record. */
		do
		:: explained < dropped -> assert(fate[next] == LOST); next++; explained++
		:: else -> break
		od;
#endif
		from = 0; seq = 0; n = 0; i = 0; dropped = 0;
		position = (restart -> mem[TAIL] : head);
		assert(restart || mem[TAIL] <= accepted);
		head = 0
	   };
	   if
	   :: last && !restart ->
		/* Nothing committed is lost, and everything is accounted for. */
#ifdef OVERWRITE
		assert(next == n_committed);
#else
		assert(n_accepted == n_committed);
		assert(explained == mem[DROPPED]);
#endif
		assert(mem[SEQ] == next || (killed && mem[SEQ] == next + 1));
#ifdef WITNESS_REPEATED
		assert(!restarted);
#endif
#ifdef WITNESS_LOST
		assert(explained < 2);
#endif
#ifdef WITNESS_LAPPED
		assert(accepted < 2 * N);
#endif
#ifdef WITNESS_KILLED
		assert(mem[SEQ] == next);
#endif
#ifdef WITNESS_OVERWRITTEN
		assert(n_accepted > 1);
#endif
		break
	   :: else
	   fi
	od
}
