/* SPDX-License-Identifier: MIT */
#include "call_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "code_info.h"
#include "content_id.h"
#include "define.h"
#include "dict_scan.h"

#define CODE_PARTS 64
#define CODES (1u << CALL_CODE_BITS)
#define CODES_PER_PART (CODES / CODE_PARTS)

struct call_cache call_cache;
static struct call_rules rules;
static uint32_t rules_version = 1;

/* A code object dies: nothing may be found under its address any more. */
static void
forget(const struct code_info *info)
{
	for (unsigned i = 0; i < CODES; i++) {
		if ((info->call_cached >> i / CODES_PER_PART & 1) == 0)
			i += CODES_PER_PART - 1;
		else
			store_relaxed(&call_cache.codes[i], 0);
	}
}

int
call_target_init(void)
{
	if (madvise(&call_cache, sizeof call_cache, MADV_WIPEONFORK) < 0)
		return -errno;
	code_info_on_end(NULL, forget);
	return 0;
}

void
call_target_set_rules(const struct call_rules *new_rules)
{
	rules = *new_rules;
	rules_version++;
	memset(&call_cache, 0, sizeof call_cache);
}

void
call_target_fini(void)
{
	memset(&call_cache, 0, sizeof call_cache);
}

/* ---- Python functions ---- */

static bool
wanted(struct code_info *info, PyCodeObject *code, PyObject *globals)
{
	struct code_texts texts;
	if (rules.n_globs + rules.n_paths == 0)
		return true;
	/* Without a GIL, threads that come at once find the same. */
	if (load_acquire(&info->call_rules) != rules_version) {
		code_info_texts(code, globals, &texts);
		bool is_wanted = call_rules_apply(&rules, texts.module, texts.name, texts.file,
						  info->class != CODE_USER);
		store_relaxed(&info->call_wanted, is_wanted);
		store_release(&info->call_rules, rules_version);
	}
	return load_relaxed(&info->call_wanted);
}

uint64_t
call_target_find_code(PyCodeObject *code, PyObject *globals)
{
	struct code_info spare, *info;
	if (load_relaxed(&session.state) != SESSION_RUNNING && !session_ensure())
		return CALL_UNWANTED;
	info = code_info_of(code, true, &spare);
	uint64_t word = CALL_UNWANTED;
	if (wanted(info, code, globals))
		word = code_info_define(info, code, globals) ? call_word(0, info->id) : 0;
	if (info != &spare && word != 0) {
		unsigned i = call_target_code_line(code);
		code_info_note_cached(&info->call_cached, i / CODES_PER_PART);
		store_relaxed(&call_cache.codes[i], word + call_target_code_tag(code));
	}
	return word;
}

/* ---- C functions ---- */

static bool
has_method(const PyTypeObject *type, const PyMethodDef *method)
{
	for (const PyMethodDef *at = type->tp_methods; at != NULL && at->ml_name != NULL; at++)
		if (at == method)
			return true;
	return false;
}

/* The class of these that has the method, or NULL. */
static PyTypeObject *
definer_among(const PyTypeObject *type, const PyMethodDef *method)
{
	PyObject *mro = type->tp_mro;
	for (Py_ssize_t i = 0; mro != NULL && PyTuple_CheckExact(mro) && i < PyTuple_GET_SIZE(mro); i++) {
		PyObject *base = PyTuple_GET_ITEM(mro, i);
		if (PyType_Check(base) && has_method((PyTypeObject *)base, method))
			return (PyTypeObject *)base;
	}
	return NULL;
}

/* The class that a bound method comes from, or NULL; the object may be of one derived from it. */
static PyTypeObject *
find_definer(const PyCFunctionObject *function)
{
	PyObject *self = function->m_self;
	if (self == NULL)
		return NULL;
	PyTypeObject *found = NULL;
	if (PyType_Check(self))
		found = definer_among((PyTypeObject *)self, function->m_ml);
	return found != NULL ? found : definer_among(Py_TYPE(self), function->m_ml);
}

static bool
is_heap_class(const PyTypeObject *type)
{
	return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 && strchr(type->tp_name, '.') == NULL;
}

/*
 * A type is named "module.Type" in C, and its module stands in its dict if it was made in Python.
 */
static void
type_texts(PyTypeObject *type, const char *name, char *module, char *function)
{
	const char *dot = strrchr(type->tp_name, '.');
	snprintf(function, CODE_TEXT_BYTES, "%s.%s", dot != NULL ? dot + 1 : type->tp_name, name);
	if (dot != NULL)
		snprintf(module, CODE_TEXT_BYTES, "%.*s", (int)(dot - type->tp_name), type->tp_name);
	else if (is_heap_class(type) && type->tp_dict != NULL)
		code_info_dict_text(type->tp_dict, "__module__", module);
	else
		strcpy(module, "builtins");
}

static uint32_t
define(const char *module, const char *function)
{
	const uint32_t line = 0;
	const struct def_part parts[] = {
		{&line, sizeof line},
		{module, strlen(module) + 1},
		{"", 1}, /* no file */
		{function, strlen(function) + 1},
	};
	uint64_t hash = content_hash(3, module, strlen(module));
	hash = content_hash(hash, function, strlen(function));
	session_lock();
	uint32_t id = content_id(hash, CONTENT_CFUNC);
	if (id != 0 && !define_done(id) && !define_locked(id, DEF_CFUNC, parts, 4, LEVEL_COUNT))
		id = 0;
	session_unlock();
	return id;
}

#if !PY_HAS_GIL
#define CFUNCS_BYTES (sizeof(struct call_cfunc_line) << CALL_CFUNC_BITS)
__thread struct call_cfuncs call_cfuncs __attribute__((tls_model("initial-exec"))) = {UINT64_MAX, NULL};

/* For this epoch; when there is no memory, none: look-ups are slower. */
static void
renew_cfuncs(void)
{
	int saved = errno;
	if (call_cfuncs.lines == NULL)
		call_cfuncs.lines = calloc(1, CFUNCS_BYTES);
	else
		memset(call_cfuncs.lines, 0, CFUNCS_BYTES);
	if (call_cfuncs.lines != NULL)
		call_cfuncs.epoch = load_relaxed(&session.calls_epoch);
	errno = saved;
}
#endif

void
call_target_leave(void)
{
#if !PY_HAS_GIL
	free(call_cfuncs.lines);
	call_cfuncs.lines = NULL;
	call_cfuncs.epoch = UINT64_MAX;
#endif
}

static bool
running(void)
{
	return load_relaxed(&session.state) == SESSION_RUNNING || session_ensure();
}

/* Its line, or the one that it will have, for a call that was not found there; NULL: none. */
static struct call_cfunc_line *
line_of(const PyMethodDef *method)
{
#if !PY_HAS_GIL
	if (call_target_cfunc_line(method) == NULL)
		renew_cfuncs();
#endif
	return call_target_cfunc_line(method);
}

/*
 * The line has the function, but was last asked for another type with it. A class that may die is
 * not taken for the same: another may have its address, and share its methods.
 */
static bool
is_same(const struct call_cfunc_line *line, const struct call_cfunc_line *now)
{
	return line != NULL && now->definer != NULL && !call_target_dies(now->definer) &&
	       line->method == now->method && line->definer == now->definer &&
	       same_text(line->name, line->len, now->method->ml_name);
}

/* Where it is found next time, if its name is short enough. */
static void
remember(struct call_cfunc_line *line, const struct call_cfunc_line *now, uint32_t id)
{
	const char *name = now->method->ml_name;
	size_t len = strlen(name);
	if (line == NULL)
		return;
	line->method = NULL;
	if (len + 8 >= sizeof line->name || id == 0)
		return;
	line->type = now->type;
	line->definer = now->definer;
	line->version = now->version;
	line->len = (uint8_t)len;
	memcpy(line->name, name, len + 1);
	line->id = id;
	line->method = now->method;
}

uint64_t
call_target_find_descriptor(PyMethodDescrObject *descriptor)
{
	char module[CODE_TEXT_BYTES], function[CODE_TEXT_BYTES];
	PyTypeObject *type = descriptor->d_common.d_type;
	const struct call_cfunc_line now = {
		.method = descriptor->d_method, .type = type, .definer = type};
	if (!running())
		return CALL_UNWANTED;
	struct call_cfunc_line *line = line_of(now.method);
	uint32_t id = is_same(line, &now) ? line->id : 0;
	if (id == 0) {
		type_texts(type, now.method->ml_name, module, function);
		id = define(module, function);
	}
	remember(line, &now, id);
	return call_word(0, id);
}

/*
 * What no class has is a function of the module that it names, as those that are bound to a capsule;
 * but a function of the type itself, as __new__, if it names none.
 */
static void
cfunction_texts(const PyCFunctionObject *object, PyTypeObject *definer, PyTypeObject *type,
		char *module, char *function)
{
	PyObject *self = object->m_self;
	bool named = object->m_module != NULL && PyUnicode_Check(object->m_module);
	if (definer != NULL) {
		type_texts(definer, object->m_ml->ml_name, module, function);
	} else if (self == NULL || PyModule_Check(self) || (named && !PyType_Check(self))) {
		snprintf(function, CODE_TEXT_BYTES, "%s", object->m_ml->ml_name);
		code_info_text(object->m_module, module);
	} else {
		type_texts(type, object->m_ml->ml_name, module, function);
	}
}

uint64_t
call_target_find_cfunction(PyCFunctionObject *object)
{
	char module[CODE_TEXT_BYTES], function[CODE_TEXT_BYTES];
	PyTypeObject *type = call_target_type(object), *definer = find_definer(object);
	const struct call_cfunc_line now = {.method = object->m_ml,
					    .type = type,
					    .definer = definer,
					    .version = call_target_version(object, type)};
	if (!running())
		return CALL_UNWANTED;
	struct call_cfunc_line *line = line_of(now.method);
	uint32_t id = is_same(line, &now) ? line->id : 0;
	if (id == 0) {
		cfunction_texts(object, definer, type, module, function);
		id = define(module, function);
	}
	bool own = type != NULL && object->m_self == (PyObject *)type;
	if (!own || !call_target_dies(type) || now.version != 0)
		remember(line, &now, id);
	return call_word(0, id);
}
