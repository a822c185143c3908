/* SPDX-License-Identifier: MIT */
#include "targets.h"

#include <stdlib.h>
#include <string.h>

#define N_SLOTS (4 * TARGETS_MOST) /* a power of two; a quarter full at the most */

const char *
target_is_name(uint8_t is)
{
	static const char *const names[] = {
		[TARGET_IS_PATH] = "path", [TARGET_IS_ADDRESS] = "address",
		[TARGET_IS_MODULE] = "module", [TARGET_IS_COMMAND] = "command",
	};
	return is < sizeof names / sizeof names[0] ? names[is] : "?";
}

void
targets_reset(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		free(targets->items[i].text);
	targets->n = 0;
	targets->n_seen = targets->floor = 0;
	if (targets->slots != NULL)
		memset(targets->slots, 0, N_SLOTS * sizeof *targets->slots);
}

void
targets_fini(struct targets *targets)
{
	targets_reset(targets);
	free(targets->items);
	free(targets->slots);
	*targets = (struct targets){0};
}

static uint32_t
hash(uint8_t is, const char *text, size_t len)
{
	uint64_t h = 14695981039346656037u ^ is; /* FNV-1a */
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)text[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32);
}

/* Where it is in the table, or the free slot where it belongs. */
static uint32_t *
find(const struct targets *targets, uint8_t is, const char *text, size_t len)
{
	for (uint32_t i = hash(is, text, len);; i++) {
		uint32_t *slot = &targets->slots[i % N_SLOTS];
		if (*slot == 0)
			return slot;
		const struct target_count *item = &targets->items[*slot - 1];
		if (item->is == is && strlen(item->text) == len && memcmp(item->text, text, len) == 0)
			return slot;
	}
}

static void
rebuild(struct targets *targets)
{
	memset(targets->slots, 0, N_SLOTS * sizeof *targets->slots);
	for (size_t i = 0; i < targets->n; i++) {
		const struct target_count *item = &targets->items[i];
		*find(targets, item->is, item->text, strlen(item->text)) = (uint32_t)i + 1;
	}
}

static int
by_count(const void *a, const void *b)
{
	uint64_t left = ((const struct target_count *)a)->n, right = ((const struct target_count *)b)->n;
	return (left < right) - (left > right);
}

/* The smallest eighth goes; what comes in its place may have been one of them, so often. */
static uint64_t
make_room(struct targets *targets)
{
	size_t kept = TARGETS_MOST - TARGETS_MOST / 8;
	qsort(targets->items, targets->n, sizeof *targets->items, by_count);
	uint64_t error = targets->items[kept].n;
	while (targets->n > kept)
		free(targets->items[--targets->n].text);
	rebuild(targets);
	return error;
}

static bool
make_table(struct targets *targets)
{
	if (targets->items == NULL)
		targets->items = malloc(TARGETS_MOST * sizeof *targets->items);
	if (targets->slots == NULL)
		targets->slots = calloc(N_SLOTS, sizeof *targets->slots);
	return targets->items != NULL && targets->slots != NULL;
}

void
targets_count(struct targets *targets, enum target_is is, const char *text, size_t len)
{
	if (!make_table(targets))
		return;
	targets->n_seen++;
	uint32_t *slot = find(targets, (uint8_t)is, text, len);
	if (*slot == 0) {
		char *copy = strndup(text, len);
		if (copy == NULL)
			return;
		if (targets->n == TARGETS_MOST) {
			targets->floor = make_room(targets);
			slot = find(targets, (uint8_t)is, text, len);
		}
		targets->items[targets->n] = (struct target_count){
			.text = copy, .is = (uint8_t)is, .n = targets->floor, .error = targets->floor};
		*slot = (uint32_t)++targets->n;
	}
	targets->items[*slot - 1].n++;
	targets->items[*slot - 1].recent++;
}

void
targets_tick(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++) {
		targets->items[i].before = targets->items[i].recent;
		targets->items[i].recent = 0;
	}
}
