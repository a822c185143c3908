/* SPDX-License-Identifier: MIT */
#include "sketch.h"

#include <stdlib.h>
#include <string.h>

#define N_SLOTS (4 * SKETCH_MOST) /* a power of two; a quarter full at the most */

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
sketch_reset(struct sketch *sketch)
{
	for (size_t i = 0; i < sketch->n; i++)
		free(sketch->items[i].text);
	sketch->n = 0;
	sketch->n_seen = sketch->floor = 0;
	if (sketch->slots != NULL)
		memset(sketch->slots, 0, N_SLOTS * sizeof *sketch->slots);
}

void
sketch_fini(struct sketch *sketch)
{
	sketch_reset(sketch);
	free(sketch->items);
	free(sketch->slots);
	*sketch = (struct sketch){0};
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
find(const struct sketch *sketch, uint8_t is, const char *text, size_t len)
{
	for (uint32_t i = hash(is, text, len);; i++) {
		uint32_t *slot = &sketch->slots[i % N_SLOTS];
		if (*slot == 0)
			return slot;
		const struct sketch_item *item = &sketch->items[*slot - 1];
		if (item->is == is && strlen(item->text) == len && memcmp(item->text, text, len) == 0)
			return slot;
	}
}

static void
rebuild(struct sketch *sketch)
{
	memset(sketch->slots, 0, N_SLOTS * sizeof *sketch->slots);
	for (size_t i = 0; i < sketch->n; i++) {
		const struct sketch_item *item = &sketch->items[i];
		*find(sketch, item->is, item->text, strlen(item->text)) = (uint32_t)i + 1;
	}
}

static int
by_count(const void *a, const void *b)
{
	uint64_t left = ((const struct sketch_item *)a)->n, right = ((const struct sketch_item *)b)->n;
	return (left < right) - (left > right);
}

/* The smallest eighth goes; what comes in its place may have been one of them, so often. */
static uint64_t
make_room(struct sketch *sketch)
{
	size_t kept = SKETCH_MOST - SKETCH_MOST / 8;
	qsort(sketch->items, sketch->n, sizeof *sketch->items, by_count);
	uint64_t error = sketch->items[kept].n;
	while (sketch->n > kept)
		free(sketch->items[--sketch->n].text);
	rebuild(sketch);
	return error;
}

static bool
make_table(struct sketch *sketch)
{
	if (sketch->items == NULL)
		sketch->items = malloc(SKETCH_MOST * sizeof *sketch->items);
	if (sketch->slots == NULL)
		sketch->slots = calloc(N_SLOTS, sizeof *sketch->slots);
	return sketch->items != NULL && sketch->slots != NULL;
}

void
sketch_add(struct sketch *sketch, enum target_is is, const char *text, size_t len)
{
	if (!make_table(sketch))
		return;
	sketch->n_seen++;
	uint32_t *slot = find(sketch, (uint8_t)is, text, len);
	if (*slot == 0) {
		char *copy = strndup(text, len);
		if (copy == NULL)
			return;
		if (sketch->n == SKETCH_MOST) {
			sketch->floor = make_room(sketch);
			slot = find(sketch, (uint8_t)is, text, len);
		}
		sketch->items[sketch->n] = (struct sketch_item){
			.text = copy, .is = (uint8_t)is, .n = sketch->floor, .error = sketch->floor};
		*slot = (uint32_t)++sketch->n;
	}
	sketch->items[*slot - 1].n++;
	sketch->items[*slot - 1].recent++;
}

void
sketch_tick(struct sketch *sketch)
{
	for (size_t i = 0; i < sketch->n; i++) {
		sketch->items[i].before = sketch->items[i].recent;
		sketch->items[i].recent = 0;
	}
}
