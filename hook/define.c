/* SPDX-License-Identifier: MIT */
#include "define.h"

#include <string.h>

#define DEFS_CHUNK (64u * 1024)
#define REFUSED_PAUSE 4096

static uint32_t last_id;

uint32_t
define_new_id(void)
{
	if (last_id + 1 >= SEGMENT_IDS)
		return 0;
	return ++last_id;
}

static bool
make_room(uint32_t id, uint64_t bytes)
{
	uint8_t *region = session.base + session.at.defs;
	if (DEFS_HEAD_BYTES + session.defs_used + bytes > SEGMENT_DEFS_BYTES)
		return false;
	while (DEFS_HEAD_BYTES + session.defs_used + bytes > session.defs_reserved) {
		if (session_reserve(region + session.defs_reserved, DEFS_CHUNK) < 0)
			return false;
		session.defs_reserved += DEFS_CHUNK;
	}
	while (id >= session.n_levels) {
		if (session_reserve(session.levels + session.n_levels, SEGMENT_PAGE) < 0)
			return false;
		store_relaxed(&session.n_levels, session.n_levels + SEGMENT_PAGE);
	}
	return true;
}

bool
define_locked(uint32_t id, enum def_kind kind, const struct def_part *parts, unsigned n_parts,
	      enum level level)
{
	size_t len = 0;
	for (unsigned i = 0; i < n_parts; i++)
		len += parts[i].n;
	if (len > DEF_MAX_BYTES)
		len = DEF_MAX_BYTES;
	/* What was refused is left in peace for so many attempts. */
	if (session.defs_refused > 0 && --session.defs_refused > 0)
		return false;
	if (!make_room(id, def_bytes(len))) {
		session.defs_refused = REFUSED_PAUSE;
		return false;
	}
	uint8_t *region = session.base + session.at.defs;
	uint8_t *to = region + DEFS_HEAD_BYTES + session.defs_used;
	struct def def = {.id = id, .kind = (uint16_t)kind, .len = (uint16_t)len};
	memcpy(to, &def, sizeof def);
	to += sizeof def;
	for (unsigned i = 0; i < n_parts && len > 0; i++) {
		size_t n = parts[i].n < len ? parts[i].n : len;
		memcpy(to, parts[i].bytes, n);
		to += n;
		len -= n;
	}
	session.defs_used += def_bytes(def.len);
	store_release((uint64_t *)region, session.defs_used);
	store_release(&session.levels[id], (uint8_t)level);
	return true;
}
