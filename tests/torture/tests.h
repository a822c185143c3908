/* SPDX-License-Identifier: MIT */
/* The tortures. Each runs until time_is_left() says no, and prints a line of what it saw. */
#ifndef TORTURE_TESTS_H
#define TORTURE_TESTS_H

#include "lane.h"

/* live.c: two processes, or for ThreadSanitizer two threads, at full speed. */
void live(enum lane_mode mode);
void live_forking(enum lane_mode mode); /* the producer forks; its children write nothing */
void live_timeouts(enum lane_mode mode); /* block mode with a consumer that stops and goes */
void threads(enum lane_mode mode);
void threads_reuse(enum lane_mode mode); /* the lane goes from thread to thread */

/* looker.c: others look on meanwhile, as processes and, for ThreadSanitizer, as a thread */
void lookers(enum lane_mode mode);
void threads_looker(enum lane_mode mode);

/* liar.c: one side stores whatever it likes in shared memory. */
void lying_consumer(enum lane_mode mode);
void lying_producer(enum lane_mode mode);

/* kill_producer.c */
void kill_producer(enum lane_mode mode);
void step_producer(enum lane_mode mode); /* after each single instruction */

/* kill_consumer.c */
void kill_consumer(enum lane_mode mode);
void kill_consumer_noticed(enum lane_mode mode); /* the producer is told: no reader */
void step_consumer(enum lane_mode mode);

#endif
