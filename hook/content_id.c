/* SPDX-License-Identifier: MIT */
#include "content_id.h"

#include <stdlib.h>
#include <string.h>

#include "define.h"
#include "session.h"

/* Ids by a 64-bit hash of what they mean. Open addressing, doubled when half full. */
struct id_table {
	struct id_entry {
		uint64_t hash;
		uint32_t id;
	} *entries;
	uint32_t size, used;
};
static struct id_table ids;
/* Set while `ids` is changed: a fork in another thread could copy it half-way. */
static bool ids_busy;
static uint64_t ids_generation;

/* Two words at a time; good enough where an attacker gains only a wrong line number. */
uint64_t
content_hash(uint64_t hash, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	while (n > 0) {
		uint64_t word = 0;
		size_t part = n < 8 ? n : 8;
		memcpy(&word, at, part);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
		at += part;
		n -= part;
	}
	return hash * 0xbf58476d1ce4e5b9u ^ hash >> 32;
}

uint64_t
content_hash_str(uint64_t hash, PyObject *str)
{
	if (str == NULL || !PyUnicode_Check(str) || !py_str_ready(str))
		return hash + 1;
	return content_hash(hash, PyUnicode_DATA(str),
			    (size_t)PyUnicode_GET_LENGTH(str) * PyUnicode_KIND(str));
}

static bool
ids_grow(void)
{
	uint32_t size = ids.size ? 2 * ids.size : 1024;
	struct id_entry *entries = calloc(size, sizeof *entries);
	if (entries == NULL)
		return false;
	for (uint32_t i = 0; i < ids.size; i++) {
		uint64_t at = ids.entries[i].hash;
		if (ids.entries[i].id == 0)
			continue;
		while (entries[at % size].id != 0)
			at++;
		entries[at % size] = ids.entries[i];
	}
	free(ids.entries);
	ids.entries = entries;
	ids.size = size;
	return true;
}

uint32_t
content_id(uint64_t hash, enum content_kind kind)
{
	hash = (hash & ~3ull) | kind;
	if (ids_busy && ids_generation != session.generation)
		memset(&ids, 0, sizeof ids); /* we are a child of an unlucky fork: leaked */
	ids_generation = session.generation;
	ids_busy = true;
	uint32_t id = 0;
	if (ids.used * 2 < ids.size || ids_grow()) {
		uint64_t at = hash;
		while (ids.entries[at % ids.size].id != 0 &&
		       ids.entries[at % ids.size].hash != hash)
			at++;
		struct id_entry *entry = &ids.entries[at % ids.size];
		if (entry->id == 0) {
			entry->hash = hash;
			entry->id = define_new_id();
			ids.used += entry->id != 0;
		}
		id = entry->id;
	}
	ids_busy = false;
	return id;
}
