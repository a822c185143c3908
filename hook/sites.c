/* SPDX-License-Identifier: MIT */
#include "sites.h"

#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "code_info.h"
#include "define.h"

/* The main interpreter's cache of sites: a code object's address and an instruction. */
#define CACHE_LINES 1024
#define CACHE_PARTS 64
struct cached_site {
	PyCodeObject *code;
	int32_t offset;
	uint32_t site;
	bool importlib, user;
};
static struct cached_site cache[CACHE_LINES];

static Py_ssize_t extra_index = -1;

/* A code object dies: nothing may be found under its address any more. */
static void
forget(void *value)
{
	struct code_info *info = value;
	for (unsigned part = 0; part < CACHE_PARTS; part++)
		if (info->cached >> part & 1)
			memset(&cache[part * (CACHE_LINES / CACHE_PARTS)], 0,
			       CACHE_LINES / CACHE_PARTS * sizeof cache[0]);
	free(info);
}

int
sites_init(const char *stdlib)
{
	code_info_set_stdlib(stdlib);
	if (extra_index < 0)
		extra_index = py_code_extra_index(forget);
	return extra_index < 0 ? -1 : 0;
}

void
sites_fini(void)
{
	extra_index = -1;
	memset(cache, 0, sizeof cache);
}

/* The info that hangs on a code object of the main interpreter; made at first sight. */
static struct code_info *
info_of(PyCodeObject *code, PyObject *globals, struct code_info *spare)
{
	void *found = NULL;
	if (extra_index >= 0 && py_code_extra_get((PyObject *)code, extra_index, &found) == 0 &&
	    found != NULL)
		return found;
	*spare = code_info_make(code, globals);
	struct code_info *info = extra_index >= 0 ? malloc(sizeof *info) : NULL;
	if (info == NULL)
		return spare;
	*info = *spare;
	bool had_error = PyErr_Occurred() != NULL;
	if (py_code_extra_set((PyObject *)code, extra_index, info) < 0) {
		if (!had_error)
			PyErr_Clear();
		free(info);
		return spare;
	}
	return info;
}

static struct cached_site *
cache_line(PyCodeObject *code, int offset)
{
	uint64_t hash = ((uintptr_t)code >> 4) * 0x9e3779b97f4a7c15u +
			(uint64_t)(unsigned)offset * 0x85ebca6bu;
	return &cache[hash >> 20 & (CACHE_LINES - 1)];
}

/* Look a frame's site up, without the cache's help. */
static void
find_site(py_frame frame, bool main_interpreter, struct cached_site *out)
{
	PyCodeObject *code = py_frame_code(frame);
	PyObject *globals = py_frame_globals(frame);
	int offset = py_frame_offset(frame);
	struct code_info spare, *info = &spare;
	if (main_interpreter)
		info = info_of(code, globals, &spare);
	else
		spare = code_info_make(code, globals);
	if (!define_done(info->id))
		code_info_define(info, code, globals);
	*out = (struct cached_site){
		.code = code,
		.offset = offset,
		.site = code_info_site(info, code, offset),
		.importlib = info->class == CODE_IMPORTLIB,
		.user = info->class == CODE_USER,
	};
	if (main_interpreter && info != &spare && out->site != 0) {
		struct cached_site *line = cache_line(code, offset);
		*line = *out;
		info->cached |= 1ull << (line - cache) / (CACHE_LINES / CACHE_PARTS);
	}
}

static inline void
site_of(py_frame frame, bool main_interpreter, struct cached_site *out)
{
	if (likely(main_interpreter)) {
		PyCodeObject *code = py_frame_code(frame);
		int offset = py_frame_offset(frame);
		const struct cached_site *line = cache_line(code, offset);
		if (likely(line->code == code && line->offset == offset &&
			   define_done(line->site))) {
			*out = *line;
			return;
		}
	}
	find_site(frame, main_interpreter, out);
}

/* Is this frame's code outside the standard library? Cheaper than its site. */
static bool
is_user(py_frame frame, bool main_interpreter)
{
	PyCodeObject *code = py_frame_code(frame);
	struct code_info spare;
	if (!main_interpreter)
		spare = code_info_make(code, py_frame_globals(frame));
	else
		return info_of(code, py_frame_globals(frame), &spare)->class == CODE_USER;
	return spare.class == CODE_USER;
}

void
sites_find(PyThreadState *tstate, bool main_interpreter, uint32_t frames, struct sites *out)
{
	struct cached_site site;
	out->at = out->caller = out->n_stack = 0;
	out->importlib = false;
	if (frames == 0)
		return;
	py_frame frame = py_frame_current(tstate);
	if (frame == NULL)
		return;
	site_of(frame, main_interpreter, &site);
	out->at = site.site;
	out->importlib = site.importlib;
	bool found = site.user;
	for (unsigned i = 1; (!found && i < SITES_CALLER_FRAMES) || i < frames; i++) {
		frame = py_frame_back(frame);
		if (frame == NULL)
			break;
		bool wanted = !found && i < SITES_CALLER_FRAMES && is_user(frame, main_interpreter);
		if (!wanted && i >= frames)
			continue;
		site_of(frame, main_interpreter, &site);
		if (wanted) {
			out->caller = site.site;
			found = true;
		}
		if (i < frames && out->n_stack < SITES_STACK_MAX)
			out->stack[out->n_stack++] = site.site;
	}
}

bool
sites_importlib(PyThreadState *tstate, bool main_interpreter)
{
	struct cached_site site;
	py_frame frame = py_frame_current(tstate);
	if (frame == NULL)
		return false;
	site_of(frame, main_interpreter, &site);
	return site.importlib;
}
