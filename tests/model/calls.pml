/* SPDX-License-Identifier: MIT */
/*
 * Packed calls (common/lane.h) on a weak memory (memory.pml), for Spin. tests/model/run checks
 * it, and that each MUTANT below is caught.
 *
 * An event is a call, or a record of one word, or dropped. A slot has room for W calls. That
 * it closes for its ticks is that it closes by hand. What a word says is its event's number,
 * apart from the lane's own count, and where it belongs. The first words of a slot are one, and
 * what orders them is in lane.pml; before each further one its definition is stored. The
 * collector loads in the order of the program but for mutants; what else may move there is in
 * lane.pml. It may be killed with a batch written out but not released: another then begins at
 * tail. Killed after it, it leaves the open slot to be read again, as it reads it itself.
 *
 * -DOVERWRITE checks the flight recorder, else drop mode is checked.
 */

#define N 2 /* slots of the ring */
#ifndef W
#define W 2 /* events of a slot */
#endif
#define ATTEMPTS 4
#define B 4

#define HEAD 0
#define TAIL 1
#define INTENT 2
#define SEQ 3
#define DROPPED 4
#define CALLS 5
#define DEFINED 6 /* so many definitions are there */
#define FIRST(position) (7 + (position) % N * W)
#define PLACE(position, i) (FIRST(position) + (i))
#define PLACES (7 + N * W)
#include "memory.pml"

#define RECORD 0
#define PACKED 1
#define FIRST_WORDS(type, seq, event, position) \
	(1024 + (event) * 512 + (seq) * 32 + (position) * 2 + (type))
#define W0_TYPE(w) ((w) % 2)
#define W0_POSITION(w) ((w) / 2 % 16)
#define W0_SEQ(w) ((w) / 32 % 16)
#define W0_EVENT(w) (((w) - 1024) / 512)
#define WORD(event, position) (2048 + (event) * 16 + (position))

/* ---- what became of each event: for the checks alone ---- */

#define UNDER_WAY 0
#define COMMITTED 1
#define LOST 2
byte fate[ATTEMPTS + 1];
bool is_call[ATTEMPTS + 1];
byte n_committed;
bool ended, left_open;

/* ---- hook ---- */

#ifdef K_RELAXED
#define K RELAXED
#else
#define K RELEASE
#endif
#ifdef M_RELAXED
#define M RELAXED
#else
#define M RELEASE
#endif
#if defined(OVERWRITE) && !defined(F_MISSING)
#define ORDERED FENCED
#else
#define ORDERED RELAXED
#endif

inline close()
{
	if
	:: n > 0 ->
#ifndef SEQ_NOT_ADVANCED
		seq = seq + n;
#endif
		calls = calls + n;
#ifndef APPENDS_AFTER_CLOSE
		n = 0;
#endif
#ifdef CALLS_BEFORE_SEQ
		store(CALLS, calls, RELEASE);
		store(SEQ, seq, M);
#else
		store(SEQ, seq, M);
		store(CALLS, calls, RELEASE);
#endif
#ifdef APPENDS_AFTER_CLOSE
		seq = seq - n;
		calls = calls - n
#endif
	:: else
	fi
}

inline drop(call)
{
	atomic { fate[event] = LOST; is_call[event] = call };
#ifndef DROP_LEAVES_OPEN
	close();
#endif
	seq++;
	dropped++;
	store(SEQ, seq, RELAXED);
	store(DROPPED, dropped, RELEASE);
	if
	:: call -> calls++; store(CALLS, calls, RELEASE)
	:: else
	fi;
	event++
}

#ifdef OVERWRITE
#define ROOM true
#ifdef OPEN_WITHOUT_INTENT
#define BEGIN_CALLS skip
#else
#define BEGIN_CALLS store(INTENT, head + 1, RELAXED)
#endif
#define BEGIN_RECORD store(INTENT, head + 1, RELAXED)
#else
#define ROOM (head < limit)
#define BEGIN_CALLS skip
#define BEGIN_RECORD skip
#endif

inline refill()
{
#ifndef OVERWRITE
	if
	:: head >= limit -> limit = mem[TAIL] + N
	:: else
	fi
#else
	skip
#endif
}

/* (A) */
inline commit(call)
{
	atomic {
		store(HEAD, head + 1, RELEASE);
		fate[event] = COMMITTED;
		is_call[event] = call;
		n_committed++;
		head++;
		event++
	}
}

active proctype hook()
{
	byte head, limit, seq, n /* events of the open slot */, calls, dropped, event, i;

	do
	:: event < ATTEMPTS ->
		if
		:: n > 0 && n < W -> /* lane_call() */
			store(DEFINED, event + 1, RELAXED);
			atomic {
				store(PLACE(head - 1, n), WORD(event, head - 1), K);
				fate[event] = COMMITTED;
				is_call[event] = true;
				n_committed++;
				event++;
				n++
			}
		:: n == 0 || n == W -> /* lane_call_open() */
			close();
			refill();
			if
			:: ROOM ->
				BEGIN_CALLS;
				store(FIRST(head), FIRST_WORDS(PACKED, seq, event, head), ORDERED);
#ifndef WORDS_NOT_CLEARED
				i = 1;
				do
				:: i < W -> store(PLACE(head, i), 0, ORDERED); i++
				:: else -> break
				od;
#endif
				i = 0;
				commit(true);
				n = 1
			:: else -> drop(true)
			fi
		:: n > 0 -> /* lane_begin(), lane_commit() */
#ifndef RECORD_LEAVES_OPEN
			close();
#endif
			refill();
			if
			:: ROOM ->
				BEGIN_RECORD;
				store(FIRST(head), FIRST_WORDS(RECORD, seq, event, head), ORDERED);
				seq++;
				store(SEQ, seq, RELAXED);
				commit(false)
			:: else -> drop(false)
			fi
		:: n > 0 -> close() /* so that another slot is opened, or none */
#ifndef OVERWRITE
		:: n > 0 -> drop(false) /* lane_drop(), for a reason of the hook's own */
#endif
		fi
	:: else -> break
	od;
	if
	:: close()
	:: left_open = (n > 0 && n < W)
	fi;
dead:
	skip;
	d_step { ended = true; head = 0; limit = 0; seq = 0; n = 0; calls = 0; dropped = 0; event = 0; i = 0 }
}

/* ---- collector ---- */

#ifdef TAKES_BEHIND_ZERO
#define IS_LAST(i) false
#else
#define IS_LAST(i) (word[i] == 0)
#endif

/* `number` is the event's by the lane's count. */
inline take(number)
{
	assert(fate[number] == COMMITTED);
	if
	:: number < next ->
		assert(again || p == position); /* at most those of an open slot */
#ifdef WITNESS_REPEATED
		assert(!again)
#endif
	:: else ->
#ifndef OVERWRITE
		explained = explained + (number - next);
		do
		:: next < number -> assert(fate[next] == LOST); next++
		:: else -> break
		od;
#endif
		next = number + 1;
		taken++
	fi
}

active proctype collector()
{
	byte position, head, p, i, next, taken, explained, dropped, defined, n_calls, n_open;
	short w0, word[W], intent;
	bool last, closed, gone, again;

	do
	:: atomic {
		last = ended && n_stores == 0;
		dropped = mem[DROPPED];
		head = mem[HEAD];
#ifdef OVERWRITE
		if
		:: head > position + N -> position = head - N
		:: else
		fi;
#endif
		assert(head - position <= N);
		p = position;
		closed = true
	   };
	   do
	   :: p < head && closed ->
		/* (N) */
		atomic {
			w0 = mem[FIRST(p)];
			closed = (p < head - 1 || mem[SEQ] != W0_SEQ(w0));
			i = 1
		};
#ifdef L_RELAXED
		defined = mem[DEFINED];
#endif
		/* (L) */
		do
		:: atomic { i < W ->
			word[i] = mem[PLACE(p, i)];
#ifndef L_RELAXED
			defined = mem[DEFINED];
#endif
			if
			:: IS_LAST(i) -> break
			:: else -> i++
			fi
		   }
		:: else -> break
		od;
#ifdef N_LATE
		closed = (p < head - 1 || mem[SEQ] != W0_SEQ(w0));
#endif
#if defined(OVERWRITE) && !defined(OPEN_NOT_CHECKED)
		/* (H), (I) */
		intent = mem[INTENT];
		gone = (intent > p + N);
#endif
		skip;
		d_step {
			if
			:: gone -> closed = true
			:: !gone && W0_TYPE(w0) == PACKED ->
				assert(W0_POSITION(w0) == p);
				assert(W0_EVENT(w0) == W0_SEQ(w0));
				take(W0_SEQ(w0));
				n_open = i;
				i = 1;
				do
				:: i < n_open && word[i] == 0 -> i++ /* mutant only */
				:: i < n_open && word[i] != 0 ->
					assert(word[i] == WORD(W0_SEQ(w0) + i, p));
					assert(W0_SEQ(w0) + i < defined);
					take(W0_SEQ(w0) + i);
					i++
				:: else -> break
				od;
				closed = (closed || n_open == W)
			:: else ->
				assert(W0_POSITION(w0) == p);
				assert(W0_EVENT(w0) == W0_SEQ(w0));
				take(W0_SEQ(w0))
			fi;
			p = (closed -> p + 1 : p);
			w0 = 0; i = 0; n_open = 0; defined = 0; intent = 0;
			do
			:: i < W -> word[i] = 0; i++
			:: else -> i = 0; break
			od
		}
	   :: else -> break
	   od;
	   skip;
	   d_step {
#ifndef OVERWRITE
		/* Drops that no gap explains lie behind the last event that was found. */
		do
		:: explained < dropped -> assert(fate[next] == LOST); next++; explained++
		:: else -> break
		od;
#endif
#ifdef RELEASES_OPEN
		p = head;
#endif
		dropped = 0;
		again = false;
		closed = false
	   };
	   if
	   :: atomic { true -> /* (D) */
		mem[TAIL] = p;
		position = p
	      }
#ifndef OVERWRITE
	   :: atomic { !last && p > position -> again = true; p = position }
#endif
	   fi;
	   if
	   :: last ->
		/* Nothing committed is lost, and everything is accounted for. */
		d_step {
#ifdef OVERWRITE
			assert(n_committed == 0 || fate[next] == UNDER_WAY);
#else
			assert(taken == n_committed);
			assert(explained == mem[DROPPED]);
#endif
			/* What closed was released; the rest is counted by its words. */
			w0 = (head > 0 -> mem[FIRST(head - 1)] : 0);
			if
			:: head > 0 && W0_TYPE(w0) == PACKED && W0_SEQ(w0) == mem[SEQ] ->
				n_open = 1;
				do
				:: n_open < W && mem[PLACE(head - 1, n_open)] != 0 -> n_open++
				:: else -> break
				od;
				assert(position == (n_open == W -> head : head - 1))
			:: else -> assert(position == head)
			fi;
			assert(killed || left_open == (position < head));
			assert(mem[SEQ] + n_open == next || (killed && mem[SEQ] + n_open == next + 1));
			i = 0;
			do
			:: i < mem[SEQ] + n_open -> n_calls = n_calls + is_call[i]; i++
			:: else -> break
			od;
			n_open = (killed && n_open == 0 -> n_calls - mem[CALLS] : n_open);
			assert(n_open <= W && n_calls == mem[CALLS] + n_open)
		};
#ifdef WITNESS_OPEN
		assert(position == head || !killed);
#endif
#ifdef WITNESS_UNCOUNTED
		assert(n_calls == mem[CALLS]);
#endif
#ifdef WITNESS_LOST
		assert(explained < 2);
#endif
#ifdef WITNESS_OVERWRITTEN
		assert(taken == n_committed);
#endif
		break
	   :: else
	   fi;
	   atomic { assert(mem[CALLS] <= mem[SEQ]); head = 0; p = 0 }
	od
}
