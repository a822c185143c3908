/* SPDX-License-Identifier: MIT */
#ifndef COLLECTOR_PYTHON_VERSION_H
#define COLLECTOR_PYTHON_VERSION_H

#include <stdint.h>

#define PYTHON_VERSION_BYTES 32

/* sys.hexversion as people write it: 3.11.7, 3.15.0a2 */
void python_version(char text[PYTHON_VERSION_BYTES], uint32_t hex);

#endif
