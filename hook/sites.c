/* SPDX-License-Identifier: MIT */
#include "sites.h"

#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "code_info.h"
#include "content_id.h"
#include "define.h"
#include "session.h"

/* A cache of sites: a code object's address and an instruction. */
#define CACHE_LINES 1024
#define CACHE_PARTS 64
struct cached_site {
	PyCodeObject *code;
	int32_t offset;
	uint32_t site;
	bool importlib, user;
#if !PY_HAS_GIL
	uint32_t deaths; /* what ends[] was for this part */
#endif
};

static unsigned
line_of(const PyCodeObject *code, int offset)
{
	uint64_t hash = ((uintptr_t)code >> 4) * 0x9e3779b97f4a7c15u +
			(uint64_t)(unsigned)offset * 0x85ebca6bu;
	return hash >> 20 & (CACHE_LINES - 1);
}

static uint64_t
part_bit(unsigned line)
{
	return 1ull << line / (CACHE_LINES / CACHE_PARTS);
}

#if PY_HAS_GIL
static struct cached_site cache[CACHE_LINES];

/* The cache of who emits into a lane; NULL: none, for another interpreter than the main one. */
static inline struct cached_site *
cache_of(uint32_t lane, bool main_interpreter)
{
	(void)lane;
	return main_interpreter ? cache : NULL;
}

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
sites_fini(void)
{
	memset(cache, 0, sizeof cache);
}

static inline bool
is_line(const struct cached_site *line, unsigned i, const PyCodeObject *code, int offset)
{
	(void)i;
	return line->code == code && line->offset == offset;
}

static void
remember(struct cached_site *own, const struct cached_site *site, struct code_info *info)
{
	unsigned i = line_of(site->code, site->offset);
	own[i] = *site;
	info->site_cached |= part_bit(i);
}
#else
/*
 * One cache for each lane, for whoever has it; kept, and found again in a fork child. Nobody clears
 * another thread's: when a code object dies, the parts that may name it are out of date in all.
 */
static struct cached_site *caches[SEGMENT_LANES];
static uint32_t ends[CACHE_PARTS];

static inline struct cached_site *
cache_of(uint32_t lane, bool main_interpreter)
{
	if (!main_interpreter)
		return NULL;
	if (unlikely(caches[lane] == NULL))
		caches[lane] = calloc(CACHE_LINES, sizeof *caches[lane]);
	return caches[lane];
}

/*
 * Whoever runs new code at the same address came by it after the old one's end, and sees this. So
 * does who caches the old one now: it has not died, for it runs.
 */
static void
forget(const struct code_info *info)
{
	uint64_t parts = load_acquire(&info->site_cached);
	for (unsigned part = 0; part < CACHE_PARTS; part++)
		if (parts >> part & 1)
			add_relaxed(&ends[part], 1);
}

void
sites_fini(void)
{
	for (unsigned part = 0; part < CACHE_PARTS; part++)
		add_relaxed(&ends[part], 1);
}

static inline bool
is_line(const struct cached_site *line, unsigned i, const PyCodeObject *code, int offset)
{
	return line->code == code && line->offset == offset &&
	       line->deaths == load_relaxed(&ends[i / (CACHE_LINES / CACHE_PARTS)]);
}

static void
remember(struct cached_site *own, const struct cached_site *site, struct code_info *info)
{
	unsigned i = line_of(site->code, site->offset);
	uint64_t bit = part_bit(i);
	if ((load_relaxed(&info->site_cached) & bit) == 0)
		__atomic_fetch_or(&info->site_cached, bit, __ATOMIC_RELEASE);
	own[i] = *site;
	own[i].deaths = load_relaxed(&ends[i / (CACHE_LINES / CACHE_PARTS)]);
}
#endif

void
sites_init(void)
{
	code_info_on_end(forget, NULL);
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
find_site(py_frame frame, struct cached_site *own, struct cached_site *out)
{
	PyCodeObject *code = py_frame_code(frame);
	int offset = py_frame_offset(frame);
	struct code_info spare, *info = code_info_of(code, own != NULL, &spare);
	bool defined = code_info_define(info, code, py_frame_globals(frame));
	*out = (struct cached_site){
		.code = code,
		.offset = offset,
		.site = defined ? define_site(info, code, offset) : 0,
		.importlib = info->class == CODE_IMPORTLIB,
		.user = info->class == CODE_USER,
	};
	if (info != &spare && out->site != 0)
		remember(own, out, info);
}

/* The line of the cache that has the frame's site, or NULL. */
static inline const struct cached_site *
cached_site_of(py_frame frame, const struct cached_site *own)
{
	if (unlikely(own == NULL))
		return NULL;
	PyCodeObject *code = py_frame_code(frame);
	int offset = py_frame_offset(frame);
	unsigned i = line_of(code, offset);
	return likely(is_line(&own[i], i, code, offset) && define_done(own[i].site)) ? &own[i] : NULL;
}

static inline void
site_of(py_frame frame, struct cached_site *own, struct cached_site *out)
{
	const struct cached_site *cached = cached_site_of(frame, own);
	if (likely(cached != NULL))
		*out = *cached;
	else
		find_site(frame, own, out);
}

/* Is this frame's code outside the standard library? Cheaper than its site. */
static bool
is_user(py_frame frame, bool main_interpreter)
{
	struct code_info spare;
	return code_info_of(py_frame_code(frame), main_interpreter, &spare)->class == CODE_USER;
}

static __attribute__((noinline)) void
find_frames(py_frame frame, struct cached_site *own, uint32_t frames, struct sites *out)
{
	struct cached_site site;
	site_of(frame, own, &site);
	out->at = site.site;
	out->importlib = site.importlib;
	bool found = site.user;
	for (unsigned i = 1; (!found && i < SITES_CALLER_FRAMES) || i < frames; i++) {
		frame = py_frame_back(frame);
		if (frame == NULL)
			break;
		bool wanted = !found && i < SITES_CALLER_FRAMES && is_user(frame, own != NULL);
		if (!wanted && i >= frames)
			continue;
		site_of(frame, own, &site);
		if (wanted) {
			out->caller = site.site;
			found = true;
		}
		if (i < frames && out->n_stack < SITES_STACK_MAX)
			out->stack[out->n_stack++] = site.site;
	}
}

void
sites_find(PyThreadState *tstate, bool main_interpreter, uint32_t lane, uint32_t frames,
	   struct sites *out)
{
	struct cached_site *own = cache_of(lane, main_interpreter);
	py_frame frame = py_frame_current(tstate);
	sites_none(out);
	if (unlikely(frame == NULL))
		return;
	const struct cached_site *cached = cached_site_of(frame, own);
	if (unlikely(cached == NULL) || unlikely(frames > 1) || !cached->user) {
		find_frames(frame, own, frames, out);
		return;
	}
	out->at = cached->site;
	out->importlib = cached->importlib;
}

bool
sites_importlib(PyThreadState *tstate, bool main_interpreter, uint32_t lane)
{
	struct cached_site site, *own = cache_of(lane, main_interpreter);
	py_frame frame = py_frame_current(tstate);
	if (frame == NULL)
		return false;
	site_of(frame, own, &site);
	return site.importlib;
}
