/* SPDX-License-Identifier: MIT */
/*
 * What is known of a code object. A code is a definition by its content (module, file, first
 * line, qualified name), never by its address, for addresses are reused and classes that are
 * generated a hundred times are one place in the source.
 *
 * Nothing is kept alive. What is known hangs on the code object itself (its co_extra; without a
 * GIL, code_table.h) and goes with it; so does what other files cache by its address.
 */
#ifndef HOOK_CODE_INFO_H
#define HOOK_CODE_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "pycompat.h"

enum code_class {
	CODE_USER,      /* outside the standard library */
	CODE_STDLIB,
	CODE_IMPORTLIB, /* the import system, which is part of it */
};

struct code_info {
	uint32_t id;        /* definition; 0: none yet, or no room for it */
	uint8_t class;      /* enum code_class */
	bool call_wanted;   /* calls of it are traced, by the rules of this version: */
	uint32_t call_rules;
	uint64_t site_cached; /* which parts of the cache of sites may name this code */
	uint64_t call_cached; /* and of the cache of calls */
#if !PY_HAS_GIL
	PyCodeObject *code;     /* code_table.h */
	struct code_info *next;
#endif
};

/*
 * Ask for what it hangs on, with the GIL, in the main interpreter. 0 or -1, then every look is one
 * at the content, slower. `stdlib` is the folder of the standard library, "" when unknown;
 * copied.
 */
int code_info_init(const char *stdlib);

/* The interpreter ends, and with it the index; another Py_Initialize may follow. */
void code_info_fini(void);

/* A code object that was cached somewhere dies: called with its info. For one of each cache. */
typedef void (*code_info_forget_fn)(const struct code_info *info);
void code_info_on_end(code_info_forget_fn sites, code_info_forget_fn calls);

/* Without a GIL, by several threads at once. */
static inline void
code_info_note_cached(uint64_t *parts, unsigned part)
{
#if PY_HAS_GIL
	*parts |= 1ull << part;
#else
	__atomic_fetch_or(parts, 1ull << part, __ATOMIC_RELAXED);
#endif
}

/*
 * The info of a code object; made at first sight. What could not be attached to it, always so
 * outside the main interpreter, is in `spare`.
 */
struct code_info *code_info_of(PyCodeObject *code, bool main_interpreter, struct code_info *spare);

/* See to it that it has a definition in the present segment; false: no room. Takes the lock. */
bool code_info_define(struct code_info *info, PyCodeObject *code, PyObject *globals);

/* The texts of a code as its definition has them, NUL-terminated. */
#define CODE_TEXT_BYTES 1024
struct code_texts {
	char module[CODE_TEXT_BYTES], file[CODE_TEXT_BYTES], name[CODE_TEXT_BYTES];
	size_t module_bytes, file_bytes, name_bytes; /* with the NUL */
};
void code_info_texts(PyCodeObject *code, PyObject *globals, struct code_texts *texts);

/* A str into such a text; its size with the NUL. */
size_t code_info_text(PyObject *str, char to[CODE_TEXT_BYTES]);

/* The same of what a dict has under a name near its beginning; of no dict: "". */
size_t code_info_dict_text(PyObject *dict, const char *name, char to[CODE_TEXT_BYTES]);

#endif
