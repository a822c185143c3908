/* SPDX-License-Identifier: MIT */
/*
 * What is called, as a number: the definition of a Python or C function, and whether calls of
 * it are wanted. Found by address in a cache; what dies leaves it (code objects), what may be
 * replaced in its place is compared by its name (C functions).
 */
#ifndef HOOK_CALL_TARGET_H
#define HOOK_CALL_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "call_rules.h"
#include "pycompat.h"
#include "same_text.h"
#include "session.h"

/* A definition's id where it stands in a packed event (CALLS_TICK_BITS), or: */
#define CALL_UNWANTED (1ull << 32)

#define CALL_CODE_BITS 12 /* of the number of a line in the caches */
#define CALL_CFUNC_BITS (PY_HAS_GIL ? 10 : 8)

/* A name, and eight bytes that may be read behind it (same_text.h). */
#define CALL_CFUNC_NAME 39

struct call_cfunc_line {
	const PyMethodDef *method;  /* types may share one */
	const PyTypeObject *type;   /* it was last called for, see call_target_type(); or NULL */
	const PyTypeObject *definer; /* the class that has the method; or NULL */
	uint32_t version;           /* call_target_version() */
	uint32_t id;
	uint8_t len;
	char name[CALL_CFUNC_NAME];
};

/*
 * All of it is wiped in a fork child, as the definitions are. Of code objects, a line is one word,
 * for without a GIL all threads read and write it: the word of the function, and in its lower 32
 * bits those of the object's address that the line's number does not tell. The lowest four are 0,
 * and of 64 bits, 48 make an address, unless a program asks the kernel for more.
 */
struct call_cache {
	uint64_t codes[1 << CALL_CODE_BITS];
#if PY_HAS_GIL
	struct call_cfunc_line cfuncs[1 << CALL_CFUNC_BITS];
#endif
} __attribute__((aligned(WIPED_ALIGN)));
extern struct call_cache call_cache __attribute__((visibility("hidden")));

/* Without a GIL each thread has a cache of C functions of its own. */
#if !PY_HAS_GIL
struct call_cfuncs {
	uint64_t epoch; /* session.calls_epoch that it is of */
	struct call_cfunc_line *lines;
};
extern __thread struct call_cfuncs call_cfuncs
	__attribute__((tls_model("initial-exec"), visibility("hidden")));
#endif

/* Once: 0, or -errno: then calls cannot be traced. */
int call_target_init(void);

/* Other rules: everything is looked up again. Parsed before, by call_rules_parse(). */
void call_target_set_rules(const struct call_rules *rules);
void call_target_fini(void);

/* The calling thread ends. */
void call_target_leave(void);

/* Off the fast path. `globals` may be NULL; then the module is not known. */
uint64_t call_target_find_code(PyCodeObject *code, PyObject *globals);

static inline unsigned
call_target_code_line(const PyCodeObject *code)
{
	uintptr_t address = (uintptr_t)code;
	return (unsigned)(address >> 4 ^ address >> 16) & ((1u << CALL_CODE_BITS) - 1);
}

static inline uint32_t
call_target_code_tag(const PyCodeObject *code)
{
	return (uint32_t)((uintptr_t)code >> 16);
}

/* What the cache has of it: a wanted function, or CALL_UNWANTED. False: nothing. */
static inline bool
call_target_cached(const PyCodeObject *code, uint64_t *word)
{
	uint64_t line = load_relaxed(&call_cache.codes[call_target_code_line(code)]);
	uint32_t tag = call_target_code_tag(code);
	*word = line - tag;
	return likely((uint32_t)line == tag);
}

/* The function of a frame. */
static inline uint64_t
call_target_frame(py_frame frame)
{
	uint64_t word;
	PyCodeObject *code = py_frame_code(frame);
	if (!call_target_cached(code, &word))
		word = call_target_find_code(code, py_frame_globals(frame));
	return word;
}

/* A function of which only the code is known: if it is the innermost, its module is, too. */
static inline uint64_t
call_target_code(PyCodeObject *code)
{
	uint64_t word;
	if (call_target_cached(code, &word))
		return word;
	py_frame frame = py_frame_current(py_thread_state());
	bool known = frame != NULL && py_frame_code(frame) == code;
	return call_target_find_code(code, known ? py_frame_globals(frame) : NULL);
}

uint64_t call_target_find_descriptor(PyMethodDescrObject *descriptor);
uint64_t call_target_find_cfunction(PyCFunctionObject *function);

/* NULL: none yet. */
static inline struct call_cfunc_line *
call_target_cfunc_line(const PyMethodDef *method)
{
	unsigned i = (unsigned)((uintptr_t)method * 0x9e3779b97f4a7c15u >> (64 - CALL_CFUNC_BITS));
#if PY_HAS_GIL
	return &call_cache.cfuncs[i];
#else
	return likely(call_cfuncs.epoch == load_relaxed(&session.calls_epoch)) ? &call_cfuncs.lines[i]
									       : NULL;
#endif
}

/* The type of the object that it is bound to, or the type that it is bound to, as __new__ is. */
static inline PyTypeObject *
call_target_type(const PyCFunctionObject *function)
{
	PyObject *self = function->m_self;
	if (self == NULL)
		return NULL;
	return PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self);
}

static inline bool
call_target_dies(const PyTypeObject *type)
{
	return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
}

/*
 * Where the name is that of the type itself, for it may die and another have its address: its
 * version. 0 of others, and where it has none yet.
 */
static inline uint32_t
call_target_version(const PyCFunctionObject *function, const PyTypeObject *type)
{
	bool own = type != NULL && function->m_self == (const PyObject *)type;
	return own && call_target_dies(type) ? (uint32_t)type->tp_version_tag : 0;
}

/* Its line, but for the name; or NULL. */
static inline const struct call_cfunc_line *
call_target_same_cfunc(const PyMethodDef *method, const PyTypeObject *type, uint32_t version)
{
	const struct call_cfunc_line *line = call_target_cfunc_line(method);
	if (!PY_HAS_GIL && unlikely(line == NULL))
		return NULL;
	bool there = line->method == method && line->type == type && line->version == version;
	return likely(there) ? line : NULL;
}

/* 0: it is not there. */
static inline uint64_t
call_target_cached_cfunc(const PyMethodDef *method, const PyTypeObject *type, uint32_t version)
{
	const struct call_cfunc_line *line = call_target_same_cfunc(method, type, version);
	bool there = line != NULL && same_text(line->name, line->len, method->ml_name);
	return likely(there) ? call_word(0, line->id) : 0;
}

/* The same, and 0 also where the name lies at the end of its page: it calls nothing. */
static inline uint64_t
call_target_cfunc_fast(const PyMethodDef *method, const PyTypeObject *type, uint32_t version)
{
	const struct call_cfunc_line *line = call_target_same_cfunc(method, type, version);
	bool there = line != NULL && text_in_page(method->ml_name, line->len) &&
		     same_text_in_page(line->name, line->len, method->ml_name);
	return likely(there) ? call_word(0, line->id) : 0;
}

static inline uint64_t
call_target_descriptor_fast(const PyMethodDescrObject *descriptor)
{
	return call_target_cfunc_fast(descriptor->d_method, descriptor->d_common.d_type, 0);
}

static inline uint64_t
call_target_cfunction_fast(const PyCFunctionObject *function)
{
	const PyTypeObject *type = call_target_type(function);
	return call_target_cfunc_fast(function->m_ml, type, call_target_version(function, type));
}

/* A method of a type, found without an object. */
static inline uint64_t
call_target_descriptor(PyMethodDescrObject *descriptor)
{
	uint64_t word =
		call_target_cached_cfunc(descriptor->d_method, descriptor->d_common.d_type, 0);
	return likely(word != 0) ? word : call_target_find_descriptor(descriptor);
}

/* A built-in function, or a method of an object. */
static inline uint64_t
call_target_cfunction(PyCFunctionObject *function)
{
	const PyTypeObject *type = call_target_type(function);
	uint64_t word = call_target_cached_cfunc(function->m_ml, type,
						 call_target_version(function, type));
	return likely(word != 0) ? word : call_target_find_cfunction(function);
}

#endif
