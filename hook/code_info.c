/* SPDX-License-Identifier: MIT */
#include "code_info.h"

#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "code_table.h"
#include "content_id.h"
#include "define.h"
#include "dict_scan.h"
#include "session.h"

static code_info_forget_fn forget_site, forget_call;

static char stdlib[CODE_TEXT_BYTES];
static size_t stdlib_len;

void
code_info_on_end(code_info_forget_fn sites, code_info_forget_fn calls)
{
	if (sites != NULL)
		forget_site = sites;
	if (calls != NULL)
		forget_call = calls;
}

/* A code object dies: nothing may be found under its address any more. */
static void
forget(const struct code_info *info)
{
	if (info->site_cached != 0 && forget_site != NULL)
		forget_site(info);
	if (info->call_cached != 0 && forget_call != NULL)
		forget_call(info);
}

/* ---- where infos hang ---- */

#if PY_HAS_GIL
static Py_ssize_t extra_index = -1;

/* NULL: another tool hung something on this code object, and we did not. */
static void
end(void *value)
{
	if (value != NULL)
		forget(value);
	free(value);
}

static void
attach_init(void)
{
	if (extra_index < 0)
		extra_index = py_code_extra_index(end);
}

static void
attach_fini(void)
{
	extra_index = -1;
}

static bool
attach_can(void)
{
	return extra_index >= 0;
}

static struct code_info *
attached(PyCodeObject *code)
{
	void *found = NULL;
	return py_code_extra_get((PyObject *)code, extra_index, &found) == 0 ? found : NULL;
}

static struct code_info *
attach(PyCodeObject *code, const struct code_info *like)
{
	struct code_info *info = malloc(sizeof *info);
	if (info == NULL)
		return NULL;
	*info = *like;
	bool had_error = PyErr_Occurred() != NULL;
	if (py_code_extra_set((PyObject *)code, extra_index, info) < 0) {
		if (!had_error)
			PyErr_Clear();
		free(info);
		return NULL;
	}
	py_code_extra_trim(code, extra_index, info);
	return info;
}
#else
static bool can_attach;

static void
attach_init(void)
{
	can_attach = code_table_init(forget) == 0;
}

static void
attach_fini(void)
{
	can_attach = false;
	code_table_fini();
}

static bool
attach_can(void)
{
	return can_attach;
}

#define attached code_table_find
#define attach code_table_add
#endif

int
code_info_init(const char *folder)
{
	stdlib_len = strlen(folder);
	if (stdlib_len >= sizeof stdlib)
		stdlib_len = 0;
	memcpy(stdlib, folder, stdlib_len);
	stdlib[stdlib_len] = '\0';
	attach_init();
	return attach_can() ? 0 : -1;
}

void
code_info_fini(void)
{
	attach_fini();
}

/* ---- content ---- */

size_t
code_info_text(PyObject *str, char to[CODE_TEXT_BYTES])
{
	size_t len = 0;
	if (str != NULL && PyUnicode_Check(str) && py_str_ready(str))
		len = args_utf8(str, to, CODE_TEXT_BYTES - 1);
	/* Stands NUL-terminated in the definition: an inner NUL would end it early. */
	for (size_t i = 0; i < len; i++)
		if (to[i] == '\0')
			to[i] = '?';
	to[len] = '\0';
	return len + 1;
}

size_t
code_info_dict_text(PyObject *dict, const char *name, char to[CODE_TEXT_BYTES])
{
	bool is_dict = dict != NULL && PyDict_CheckExact(dict);
	enum py_hold hold = is_dict ? py_hold(dict) : PY_NOT_HELD;
	size_t bytes = code_info_text(hold ? dict_scan(dict, name) : NULL, to);
	py_release(dict, hold);
	return bytes;
}

static uint64_t
hash_module(uint64_t hash, PyObject *globals)
{
	bool is_dict = globals != NULL && PyDict_CheckExact(globals);
	enum py_hold hold = is_dict ? py_hold(globals) : PY_NOT_HELD;
	hash = content_hash_str(hash, hold ? dict_scan(globals, "__name__") : NULL);
	py_release(globals, hold);
	return hash;
}

void
code_info_texts(PyCodeObject *code, PyObject *globals, struct code_texts *texts)
{
	texts->module_bytes = code_info_dict_text(globals, "__name__", texts->module);
	texts->file_bytes = code_info_text(code->co_filename, texts->file);
	texts->name_bytes = code_info_text(py_code_qualname(code), texts->name);
}

static uint64_t
hash_code(PyCodeObject *code, PyObject *globals)
{
	uint64_t hash = content_hash_str(1, code->co_filename);
	hash = content_hash_str(hash, py_code_qualname(code));
	hash = hash_module(hash, globals);
	return content_hash(hash, &code->co_firstlineno, sizeof code->co_firstlineno);
}

static bool
define_code(uint32_t id, PyCodeObject *code, const struct code_texts *texts)
{
	uint32_t line = (uint32_t)code->co_firstlineno;
	const struct def_part parts[] = {
		{&line, sizeof line},
		{texts->module, texts->module_bytes},
		{texts->file, texts->file_bytes},
		{texts->name, texts->name_bytes},
	};
	return define_locked(id, DEF_CODE, parts, 4, LEVEL_COUNT);
}

static enum code_class
classify(PyCodeObject *code)
{
	char file[CODE_TEXT_BYTES];
	code_info_text(code->co_filename, file);
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

/* ---- infos ---- */

struct code_info *
code_info_of(PyCodeObject *code, bool main_interpreter, struct code_info *spare)
{
	bool can = main_interpreter && attach_can();
	struct code_info *info = can ? attached(code) : NULL;
	if (info != NULL)
		return info;
	*spare = (struct code_info){.class = (uint8_t)classify(code)};
	info = can ? attach(code, spare) : NULL;
	return info != NULL ? info : spare;
}

bool
code_info_define(struct code_info *info, PyCodeObject *code, PyObject *globals)
{
	if (define_done(load_relaxed(&info->id)))
		return true;
	uint64_t hash = hash_code(code, globals);
	struct code_texts texts;
	code_info_texts(code, globals, &texts); /* may wait for a moment: not with the lock */
	session_lock();
	if (info->id == 0)
		store_relaxed(&info->id, content_id(hash, CONTENT_CODE));
	bool done = define_done(info->id) ||
		    (info->id != 0 && define_code(info->id, code, &texts));
	session_unlock();
	return done;
}
