/* SPDX-License-Identifier: MIT */
#include "python_version.h"

#include <stdio.h>

void
python_version(char text[PYTHON_VERSION_BYTES], uint32_t hex)
{
	static const char *const levels[16] = {[0xa] = "a", [0xb] = "b", [0xc] = "rc"};
	const char *level = levels[hex >> 4 & 15];
	int n = snprintf(text, PYTHON_VERSION_BYTES, "%u.%u.%u", hex >> 24, hex >> 16 & 0xff,
			 hex >> 8 & 0xff);
	if (level != NULL)
		snprintf(text + n, PYTHON_VERSION_BYTES - (size_t)n, "%s%u", level, hex & 15);
}
