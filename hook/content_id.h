/* SPDX-License-Identifier: MIT */
/* Ids of definitions by what they mean: the same content has the same id, wherever it lies. */
#ifndef HOOK_CONTENT_ID_H
#define HOOK_CONTENT_ID_H

#include <stddef.h>
#include <stdint.h>

#include "pycompat.h"

/* What a hash of content begins with, so that things of different kinds stay apart. */
enum content_kind { CONTENT_CODE = 1, CONTENT_SITE = 2, CONTENT_CFUNC = 3 };

uint64_t content_hash(uint64_t hash, const void *bytes, size_t n);
uint64_t content_hash_str(uint64_t hash, PyObject *str);

/* The id of a meaning; a new one when it is new; 0: no room. With the session's lock held. */
uint32_t content_id(uint64_t hash, enum content_kind kind);

#endif
