/* SPDX-License-Identifier: MIT */
/*
 * code_info by the code object's address, for builds without a GIL. There co_extra is not to be
 * had: whoever sets one moves the array that another thread reads. A code object that dies tells a
 * watcher, which takes it out.
 *
 * A look-up takes no lock. An info that is taken out is never freed, only used again: who stands
 * on it meanwhile may miss what he looks for, and then asks again under the lock. It is never
 * taken for another code's: its own code lives, for it runs.
 */
#ifndef HOOK_CODE_TABLE_H
#define HOOK_CODE_TABLE_H

#include "code_info.h"

/* In the main interpreter; `forget` is told of what is taken out. 0 or -1: no watcher to be had. */
int code_table_init(code_info_forget_fn forget);

/* The interpreter ends; everything is taken out. */
void code_table_fini(void);

/* NULL: it is not there. */
struct code_info *code_table_find(PyCodeObject *code);

/* The same, put in as `like` if it is not; NULL: no memory. */
struct code_info *code_table_add(PyCodeObject *code, const struct code_info *like);

#endif
