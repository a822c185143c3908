/* SPDX-License-Identifier: MIT */
/* What is known of a code object, and the ids of codes and sites by content. */
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
	uint32_t id;        /* definition; 0: no room for it */
	uint8_t class;      /* enum code_class */
	uint64_t cached;    /* which parts of the site cache may name this code */
};

void code_info_set_stdlib(const char *folder);

/* Everything from the code object's content; takes the session's lock. */
struct code_info code_info_make(PyCodeObject *code, PyObject *globals);

/* The definition of a line in a code, made when it is new; 0: no room. Takes the lock. */
uint32_t code_info_site(const struct code_info *info, PyCodeObject *code, int offset);

/* Define the code again, in a fork child's segment. */
void code_info_define(const struct code_info *info, PyCodeObject *code, PyObject *globals);

#endif
