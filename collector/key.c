/* SPDX-License-Identifier: MIT */
#include "key.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

void
key_format(char key[KEY_BYTES], uint32_t pid, uint64_t start_time, uint32_t nonce)
{
	char host[65] = "";
	gethostname(host, sizeof host - 1);
	snprintf(key, KEY_BYTES, "%s:%" PRIu32 ":%" PRIu64 ":%08" PRIx32, host, pid, start_time,
		 nonce);
}
