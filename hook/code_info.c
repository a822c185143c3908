/* SPDX-License-Identifier: MIT */
#include "code_info.h"

#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "define.h"
#include "dict_scan.h"
#include "session.h"

#define TEXT_BYTES 1024 /* of a file name or a qualified name */

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

static char stdlib[TEXT_BYTES];
static size_t stdlib_len;

/* Two words at a time; good enough where an attacker gains only a wrong line number. */
static uint64_t
hash_bytes(uint64_t hash, const void *bytes, size_t n)
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

static uint64_t
hash_str(uint64_t hash, PyObject *str)
{
	if (str == NULL || !PyUnicode_Check(str) || !py_str_ready(str))
		return hash + 1;
	return hash_bytes(hash, PyUnicode_DATA(str),
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

/* The id of a meaning; a new one when it is new; 0: no room. With the lock held. */
static uint32_t
id_of(uint64_t hash)
{
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

static PyObject *
module_name(PyObject *globals)
{
	bool is_dict = globals != NULL && PyDict_CheckExact(globals);
	return is_dict ? dict_scan(globals, "__name__") : NULL;
}

static uint64_t
hash_code(PyCodeObject *code, PyObject *globals)
{
	uint64_t hash = hash_str(1, code->co_filename);
	hash = hash_str(hash, py_code_qualname(code));
	hash = hash_str(hash, module_name(globals));
	return hash_bytes(hash, &code->co_firstlineno, sizeof code->co_firstlineno) | 1;
}

static size_t
text_of(PyObject *str, char to[TEXT_BYTES])
{
	size_t len = 0;
	if (str != NULL && PyUnicode_Check(str) && py_str_ready(str))
		len = args_utf8(str, to, TEXT_BYTES - 1);
	/* Stands NUL-terminated in the definition: an inner NUL would end it early. */
	for (size_t i = 0; i < len; i++)
		if (to[i] == '\0')
			to[i] = '?';
	to[len] = '\0';
	return len + 1;
}

static void
define_code(uint32_t id, PyCodeObject *code, PyObject *globals)
{
	char module[TEXT_BYTES], file[TEXT_BYTES], name[TEXT_BYTES];
	uint32_t line = (uint32_t)code->co_firstlineno;
	const struct def_part parts[] = {
		{&line, sizeof line},
		{module, text_of(module_name(globals), module)},
		{file, text_of(code->co_filename, file)},
		{name, text_of(py_code_qualname(code), name)},
	};
	define_locked(id, DEF_CODE, parts, 4, LEVEL_COUNT);
}

void
code_info_set_stdlib(const char *folder)
{
	stdlib_len = strlen(folder);
	if (stdlib_len >= sizeof stdlib)
		stdlib_len = 0;
	memcpy(stdlib, folder, stdlib_len);
	stdlib[stdlib_len] = '\0';
}

static enum code_class
classify(PyCodeObject *code)
{
	char file[TEXT_BYTES];
	text_of(code->co_filename, file);
	if (strncmp(file, "<frozen ", 8) == 0)
		return strncmp(file + 8, "importlib.", 10) == 0 ||
				       strncmp(file + 8, "zipimport", 9) == 0
			       ? CODE_IMPORTLIB
			       : CODE_STDLIB;
	if (stdlib_len == 0 || strncmp(file, stdlib, stdlib_len) != 0 || file[stdlib_len] != '/')
		return CODE_USER;
	const char *below = file + stdlib_len;
	if (strstr(below, "/site-packages/") != NULL || strstr(below, "/dist-packages/") != NULL)
		return CODE_USER;
	return strncmp(below, "/importlib/_bootstrap", 21) == 0 ? CODE_IMPORTLIB : CODE_STDLIB;
}

struct code_info
code_info_make(PyCodeObject *code, PyObject *globals)
{
	struct code_info info = {.class = (uint8_t)classify(code)};
	uint64_t hash = hash_code(code, globals);
	session_lock();
	info.id = id_of(hash);
	if (info.id != 0 && !define_done(info.id))
		define_code(info.id, code, globals);
	session_unlock();
	return info;
}

void
code_info_define(const struct code_info *info, PyCodeObject *code, PyObject *globals)
{
	session_lock();
	if (info->id != 0 && !define_done(info->id))
		define_code(info->id, code, globals);
	session_unlock();
}

uint32_t
code_info_site(const struct code_info *info, PyCodeObject *code, int offset)
{
	int line = PyCode_Addr2Line(code, offset);
	uint32_t meaning[2] = {info->id, line > 0 ? (uint32_t)line : 0};
	if (info->id == 0 || !define_done(info->id))
		return 0;
	session_lock();
	uint32_t id = id_of((hash_bytes(2, meaning, sizeof meaning) | 1) - 1);
	if (id != 0 && !define_done(id)) {
		struct def_part part = {meaning, sizeof meaning};
		if (!define_locked(id, DEF_SITE, &part, 1, LEVEL_COUNT))
			id = 0;
	}
	session_unlock();
	return id;
}
