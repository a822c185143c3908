/* SPDX-License-Identifier: MIT */
#include "sites.h"

#include <string.h>

#include "barrier.h"
#include "code_info.h"
#include "content_id.h"
#include "define.h"
#include "session.h"

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

/* A code object dies. */
static void
forget(const struct code_info *info)
{
	for (unsigned part = 0; part < CACHE_PARTS; part++)
		if (info->site_cached >> part & 1)
			memset(&cache[part * (CACHE_LINES / CACHE_PARTS)], 0,
			       CACHE_LINES / CACHE_PARTS * sizeof cache[0]);
}

void
sites_init(void)
{
	code_info_on_end(forget, NULL);
}

void
sites_fini(void)
{
	memset(cache, 0, sizeof cache);
}

static struct cached_site *
cache_line(PyCodeObject *code, int offset)
{
	uint64_t hash = ((uintptr_t)code >> 4) * 0x9e3779b97f4a7c15u +
			(uint64_t)(unsigned)offset * 0x85ebca6bu;
	return &cache[hash >> 20 & (CACHE_LINES - 1)];
}

/* The definition of a line in a code, made when it is new; 0: no room. Takes the lock. */
static uint32_t
define_site(const struct code_info *info, PyCodeObject *code, int offset)
{
	int line = PyCode_Addr2Line(code, offset);
	uint32_t meaning[2] = {info->id, line > 0 ? (uint32_t)line : 0};
	session_lock();
	uint32_t id = content_id(content_hash(2, meaning, sizeof meaning), CONTENT_SITE);
	if (id != 0 && !define_done(id)) {
		struct def_part part = {meaning, sizeof meaning};
		if (!define_locked(id, DEF_SITE, &part, 1, LEVEL_COUNT))
			id = 0;
	}
	session_unlock();
	return id;
}

/* Look a frame's site up, without the cache's help. */
static void
find_site(py_frame frame, bool main_interpreter, struct cached_site *out)
{
	PyCodeObject *code = py_frame_code(frame);
	int offset = py_frame_offset(frame);
	struct code_info spare, *info = code_info_of(code, main_interpreter, &spare);
	bool defined = code_info_define(info, code, py_frame_globals(frame));
	*out = (struct cached_site){
		.code = code,
		.offset = offset,
		.site = defined ? define_site(info, code, offset) : 0,
		.importlib = info->class == CODE_IMPORTLIB,
		.user = info->class == CODE_USER,
	};
	if (info != &spare && out->site != 0) {
		struct cached_site *line = cache_line(code, offset);
		*line = *out;
		info->site_cached |= 1ull << (line - cache) / (CACHE_LINES / CACHE_PARTS);
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
	struct code_info spare;
	return code_info_of(py_frame_code(frame), main_interpreter, &spare)->class == CODE_USER;
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
