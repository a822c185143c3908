/* SPDX-License-Identifier: MIT */
#include "defs.h"

#include <string.h>

bool
defs_next(const uint8_t *copy, uint64_t used, uint64_t *offset, struct def *def,
	  const uint8_t **bytes, bool *damaged)
{
	*damaged = false;
	if (*offset == used)
		return false;
	*damaged = true;
	if (*offset > used || used - *offset < sizeof *def)
		return false;
	memcpy(def, copy + *offset, sizeof *def);
	if (def->len > DEF_MAX_BYTES || def_bytes(def->len) > used - *offset)
		return false;
	*bytes = copy + *offset + sizeof *def;
	*offset += def_bytes(def->len);
	*damaged = false;
	return true;
}
