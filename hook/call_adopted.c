/* SPDX-License-Identifier: MIT */
#include "call_adopted.h"

#include <string.h>

#include "call_target.h"
#include "code_info.h"

#define MOST_FRAMES 16384 /* that are looked at: some 0.1 ms */

/* The function of a frame; 0: it is not wanted, or has no number. */
static uint32_t
id_of(py_frame frame)
{
	uint64_t word = call_target_frame(frame);
	return (word & CALL_UNWANTED) == 0 ? call_id(word) : 0;
}

static bool
is_of_package(py_frame frame)
{
	char module[CODE_TEXT_BYTES];
	code_info_dict_text(py_frame_globals(frame), "__name__", module);
	return strcmp(module, "pyauditd") == 0 || strncmp(module, "pyauditd.", 9) == 0;
}

static void
turn_around(struct call_shadow *open)
{
	for (uint32_t i = 0; i < open->n / 2; i++) {
		struct call_time *a = &open->calls[i], *b = &open->calls[open->n - 1 - i], swapped = *a;
		*a = *b;
		*b = swapped;
	}
}

void
call_adopt(struct call_times *times, py_frame frame)
{
	struct call_shadow *open = &times->open;
	uint64_t ticks = clock_ticks(session.clock_kind);
	if (open->n > 0 || open->n_beyond > 0)
		return;
	while (frame != NULL && is_of_package(frame))
		frame = py_frame_back(frame);
	for (uint32_t n = 0; frame != NULL && n < MOST_FRAMES; n++, frame = py_frame_back(frame)) {
		uint32_t id = id_of(frame);
		if (id == 0)
			continue;
		if (!call_times_has_room(times, id))
			break;
		open->calls[open->n++] = (struct call_time){ticks, 0, id};
		times->levels[id]++;
	}
	turn_around(open);
	/* Where the outermost are left out, the others have not the same place among the frames. */
	for (uint32_t i = 0; i < open->n && frame == NULL; i++)
		open->calls[i].id |= CALL_ADOPTED;
}

/* From the innermost frame on: how many have a number; UINT32_MAX: too many. */
static uint32_t
count_frames(py_frame frame)
{
	uint32_t n = 0;
	for (uint32_t i = 0; frame != NULL; i++, frame = py_frame_back(frame)) {
		if (i == MOST_FRAMES)
			return UINT32_MAX;
		n += id_of(frame) != 0;
	}
	return n;
}

void
call_adopted_drop_ended(struct call_times *times)
{
	struct call_shadow *open = &times->open;
	uint32_t n_adopted = 0, n_left;
	while (n_adopted < open->n && (open->calls[n_adopted].id & CALL_ADOPTED) != 0)
		n_adopted++;
	if (n_adopted == 0)
		return;
	py_frame frame = py_frame_current(py_thread_state());
	uint32_t at = count_frames(frame);
	if (at == UINT32_MAX)
		return;
	n_left = at < n_adopted ? at : n_adopted;
	for (; frame != NULL; frame = py_frame_back(frame)) {
		uint32_t id = id_of(frame);
		if (id != 0 && --at < n_left && id != call_time_id(&open->calls[at]))
			n_left = at;
	}
	for (uint32_t i = n_left; i < n_adopted; i++)
		times->levels[call_time_id(&open->calls[i])]--;
	memmove(open->calls + n_left, open->calls + n_adopted,
		(open->n - n_adopted) * sizeof *open->calls);
	open->n -= n_adopted - n_left;
}
