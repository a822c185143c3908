/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets have in common. Each fuzz_*.c is one target: LLVMFuzzerTestOneInput(),
 * which libFuzzer, AFL++ and replay.c call. What must never happen is an abort().
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define NEED(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* The input, read from front to back; behind its end there are zeroes. */
struct input {
	const uint8_t *at, *end;
};

/* So many of the next bytes, fewer at the end; *n is how many. */
static inline const uint8_t *
input_take(struct input *input, size_t *n)
{
	const uint8_t *at = input->at;
	size_t left = (size_t)(input->end - at);
	if (*n > left)
		*n = left;
	input->at += *n;
	return at;
}

static inline uint64_t
input_number(struct input *input, size_t n_bytes)
{
	uint64_t number = 0;
	const uint8_t *at = input_take(input, &n_bytes);
	memcpy(&number, at, n_bytes);
	return number;
}

/* Before the first event of an input. */
void show_begin(void);

/* Of the events of one input, so many are looked at closely: an input has to be fast (8: a third of
 * the executions of fuzz_lane in the same time). */
#define SHOW_WHOLE 1

/*
 * Encode an event in every way there is, and put it to the filter. What comes out is one line:
 * of JSON that jansson reads, and of text without a control character; both valid UTF-8.
 */
void show_event(const struct event *event);

/* A line as said; `json`: and an object of JSON. */
void show_check(const char *text, size_t n, bool json);

/* The definitions that records of the targets may name; one for all inputs. */
struct symbols;
struct symbols *show_symbols(void);

#endif
