/* SPDX-License-Identifier: MIT */
/*
 * A weak memory, for the models beside this. Before it is included: PLACES, and TAIL, one of
 * them. Behind it `dead:` must stand at the end of the hook.
 *
 * Memory: one shared array. What C11 lets move, moves:
 *  - a store of the hook waits in `at`/`what` and reaches memory whenever it likes, except
 *    that stores of one place keep their order, that a release store waits for all that
 *    was issued before it, and that nothing passes a release fence. Stores issued after a
 *    release store do pass it.
 *  - a relaxed load (mutants only) is a guess, used at once, and made good at any later
 *    time: when memory never comes to hold what was guessed, that run is none and is left.
 *    So not even a branch on the value orders what follows, as in C11.
 *
 * SIGKILL stops the hook between any two of its stores, in the order of the program: those
 * behind it are done, and reach memory; none after it ever begins. (That the compiler keeps
 * that order is tested by tests/torture/kill_producer.c, which looks after each instruction.)
 */

short mem[PLACES];

/* ---- stores of the hook under way, oldest first ---- */

#ifndef B
#define B 6
#endif
byte n_stores;
byte at[B];
short what[B];
bool release[B]; /* waits for all before it */
bool fenced[B];  /* a fence stands before it */
bool guessing;   /* a relaxed load of tail is not made good yet */
byte guess;

#define APART(i, j) (at[i] != at[j])
#define MAY_0 (n_stores > 0 && !(release[0] && guessing))
#define MAY_1 (n_stores > 1 && !release[1] && !fenced[1] && APART(1, 0))
#define MAY_2 (n_stores > 2 && !release[2] && !fenced[1] && !fenced[2] && APART(2, 0) && APART(2, 1))
#define MAY_3 (n_stores > 3 && !release[3] && !fenced[1] && !fenced[2] && !fenced[3] && \
	       APART(3, 0) && APART(3, 1) && APART(3, 2))
#define MAY_4 (n_stores > 4 && !release[4] && !fenced[1] && !fenced[2] && !fenced[3] && \
	       !fenced[4] && APART(4, 0) && APART(4, 1) && APART(4, 2) && APART(4, 3))
#define MAY_5 (n_stores > 5 && !release[5] && !fenced[1] && !fenced[2] && !fenced[3] && \
	       !fenced[4] && !fenced[5] && APART(5, 0) && APART(5, 1) && APART(5, 2) && \
	       APART(5, 3) && APART(5, 4))

inline arrive(i)
{
	d_step {
		mem[at[i]] = what[i];
		j = i;
		do
		:: j + 1 < n_stores ->
			at[j] = at[j + 1];
			what[j] = what[j + 1];
			release[j] = release[j + 1];
			fenced[j] = fenced[j + 1];
			j++
		:: else -> break
		od;
		at[j] = 0; what[j] = 0; release[j] = false; fenced[j] = false;
		j = 0;
		n_stores--
	}
}

active proctype memory()
{
	byte j;
end:
	do
	:: MAY_0 -> arrive(0)
	:: MAY_1 -> arrive(1)
	:: MAY_2 -> arrive(2)
	:: MAY_3 -> arrive(3)
	:: MAY_4 -> arrive(4)
	:: MAY_5 -> arrive(5)
	:: d_step { guessing && mem[TAIL] == guess -> guessing = false; guess = 0 }
	od
}

bool killed;

#define RELAXED 0
#define RELEASE 1
#define FENCED 2 /* relaxed, behind a release fence */

inline store(place, value, how)
{
	atomic {
		if
		:: n_stores < B ->
			at[n_stores] = place;
			what[n_stores] = value;
			release[n_stores] = (how == RELEASE);
			fenced[n_stores] = (how == FENCED);
			n_stores++
		:: killed = true; goto dead
		fi
	}
}
