/* SPDX-License-Identifier: MIT */
/* The name of a segment in the stream, host:pid:start-time:nonce, as the process saw itself. */
#ifndef COLLECTOR_KEY_H
#define COLLECTOR_KEY_H

#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES 128

void key_format(char key[KEY_BYTES], uint32_t pid, uint64_t start_time, uint32_t nonce);

#endif
