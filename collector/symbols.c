/* SPDX-License-Identifier: MIT */
#include "symbols.h"

#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "defs.h"

/*
 * Thousands of call sites find room; programs that make them up must not fill our memory, each for
 * itself and all together. So much of what the encoder keeps is granted with a definition:
 */
#define PREPARED_EACH 1024u
#define PREPARED_BYTES (8u << 20)
#define PREPARED_OF_ALL_BYTES (256u << 20)
#define BLOCK_COST 16 /* of malloc() */

/* What those that are there have taken, all together. */
static struct {
	size_t taken, granted;
} all;

struct symbol_function {
	struct function function;
	struct prepared prepared;
	char text[];
};

struct symbol_site {
	struct site site;
	struct prepared prepared;
};

struct symbol {
	enum def_kind kind; /* 0: not defined */
	union {
		struct symbol_event *event;
		struct symbol_function *function;
		struct symbol_site *site;
		void *any;
	};
};

struct symbols {
	const uint8_t *region;
	uint64_t room, used; /* bytes behind the region's head: there, taken in */
	uint32_t n_ids;
	struct symbol *items;
	uint32_t n;
	char *process;
	size_t process_bytes;
	bool damaged, refused;
	size_t taken;           /* by what its definitions became */
	size_t granted, budget; /* to the encoder, and what is left of it */
	struct function unknown; /* of id 0 */
};

struct symbols *
symbols_new(const uint8_t *region, uint64_t region_bytes, uint32_t n_ids)
{
	struct symbols *symbols = calloc(1, sizeof *symbols);
	if (symbols != NULL) {
		symbols->region = region;
		symbols->room = region_bytes - DEFS_HEAD_BYTES;
		symbols->n_ids = n_ids;
		symbols->unknown = (struct function){.func = "?", .file = "", .module = ""};
	}
	return symbols;
}

static void
free_symbol(struct symbol *symbol)
{
	if (symbol->kind == DEF_EVENT)
		free(symbol->event->prepared.block);
	else if (symbol->kind == DEF_SITE)
		free(symbol->site->prepared.block);
	else if (symbol->kind == DEF_CODE || symbol->kind == DEF_CFUNC)
		free(symbol->function->prepared.block);
	free(symbol->any);
}

void
symbols_free(struct symbols *symbols)
{
	if (symbols == NULL)
		return;
	for (uint32_t i = 0; i < symbols->n; i++)
		free_symbol(&symbols->items[i]);
	all.taken -= symbols->taken;
	all.granted -= symbols->granted;
	free(symbols->items);
	free(symbols->process);
	free(symbols);
}

/* ---- room ---- */

static bool
may_take(struct symbols *symbols, size_t bytes)
{
	symbols->refused = symbols->taken + bytes > SYMBOLS_ALWAYS_BYTES &&
			   all.taken + bytes > SYMBOLS_OF_ALL_BYTES;
	return !symbols->refused;
}

static void
note_taken(struct symbols *symbols, size_t bytes)
{
	symbols->taken += bytes;
	all.taken += bytes;
}

static void
grant_prepared(struct symbols *symbols)
{
	if (symbols->granted + PREPARED_EACH > PREPARED_BYTES ||
	    all.granted + PREPARED_EACH > PREPARED_OF_ALL_BYTES)
		return;
	symbols->granted += PREPARED_EACH;
	symbols->budget += PREPARED_EACH;
	all.granted += PREPARED_EACH;
}

/* ---- one definition ---- */

static struct symbol_event *
new_event(struct symbols *symbols, const uint8_t *bytes, size_t n)
{
	struct symbol_event *event = calloc(1, sizeof *event + n + 1);
	if (event != NULL) {
		event->name = memcpy(event + 1, bytes, n);
		event->info = event_info_find(event->name);
		event->prepared.budget = &symbols->budget;
	}
	return event;
}

/* Three texts; one that was cut short ends where the definition does. */
static struct symbol_function *
new_function(struct symbols *symbols, const uint8_t *bytes, size_t n, bool is_c)
{
	struct symbol_function *symbol = n >= 4 ? calloc(1, sizeof *symbol + n) : NULL;
	if (symbol == NULL)
		return NULL;
	struct function *function = &symbol->function;
	memcpy(&function->line, bytes, sizeof function->line);
	function->is_c = is_c;
	function->prepared = &symbol->prepared;
	symbol->prepared.budget = &symbols->budget;
	size_t left = n - 4;
	const char **texts[] = {&function->module, &function->file, &function->func};
	char *at = memcpy(symbol->text, bytes + 4, left);
	char *end = at + left; /* a NUL stands there */
	for (size_t i = 0; i < 3; i++) {
		*texts[i] = at;
		at += strlen(at);
		if (at < end)
			at++;
	}
	return symbol;
}

static struct symbol_site *
new_site(struct symbols *symbols, const uint8_t *bytes, size_t n)
{
	static const struct function unknown = {.func = "?", .file = "?", .module = "?"};
	uint32_t numbers[2];
	struct symbol_site *site = n == sizeof numbers ? calloc(1, sizeof *site) : NULL;
	if (site == NULL)
		return NULL;
	memcpy(numbers, bytes, sizeof numbers);
	const struct function *code = &unknown;
	if (numbers[0] < symbols->n && symbols->items[numbers[0]].kind == DEF_CODE)
		code = &symbols->items[numbers[0]].function->function;
	site->site = (struct site){
		.func = code->func,
		.file = code->file,
		.module = code->module,
		.line = numbers[1],
		.prepared = &site->prepared,
	};
	site->prepared.budget = &symbols->budget;
	return site;
}

static bool
make_room(struct symbols *symbols, uint32_t id)
{
	if (id < symbols->n)
		return true;
	uint32_t n = symbols->n > 0 ? symbols->n : 256;
	while (n <= id)
		n *= 2;
	size_t more = (n - symbols->n) * sizeof(struct symbol);
	if (!may_take(symbols, more))
		return false;
	/* Not realloc(): of what nobody defines there is no memory. */
	struct symbol *items = calloc(n, sizeof *items);
	if (items == NULL)
		return false;
	if (symbols->n > 0)
		memcpy(items, symbols->items, symbols->n * sizeof *items);
	free(symbols->items);
	symbols->items = items;
	symbols->n = n;
	note_taken(symbols, more);
	return true;
}

static void
take_process(struct symbols *symbols, const uint8_t *bytes, size_t n)
{
	if (symbols->process != NULL || (symbols->process = malloc(n + 1)) == NULL)
		return;
	memcpy(symbols->process, bytes, n);
	symbols->process[n] = '\0';
	symbols->process_bytes = n;
}

static size_t
cost_of(const struct def *def)
{
	size_t head = def->kind == DEF_EVENT   ? sizeof(struct symbol_event)
		      : def->kind == DEF_SITE ? sizeof(struct symbol_site)
					      : sizeof(struct symbol_function);
	return head + def->len + BLOCK_COST;
}

/*
 * Kinds that we do not know are another version's: passed over. The first meaning stays. False: it
 * makes no sense, or there is no room.
 */
static bool
take(struct symbols *symbols, const struct def *def, const uint8_t *bytes)
{
	if (def->id >= symbols->n_ids)
		return false;
	if (def->kind == DEF_PROCESS) {
		take_process(symbols, bytes, def->len);
		return true;
	}
	if (def->kind < DEF_EVENT || def->kind > DEF_CFUNC)
		return true;
	if (!make_room(symbols, def->id))
		return !symbols->refused;
	struct symbol *symbol = &symbols->items[def->id];
	if (symbol->kind != 0)
		return true;
	if (!may_take(symbols, cost_of(def)))
		return false;
	if (def->kind == DEF_EVENT)
		symbol->event = new_event(symbols, bytes, def->len);
	else if (def->kind == DEF_CODE || def->kind == DEF_CFUNC)
		symbol->function =
			new_function(symbols, bytes, def->len, def->kind == DEF_CFUNC);
	else
		symbol->site = new_site(symbols, bytes, def->len);
	if (symbol->any != NULL) {
		symbol->kind = (enum def_kind)def->kind;
		note_taken(symbols, cost_of(def));
		grant_prepared(symbols);
	}
	return true;
}

bool
symbols_refresh(struct symbols *symbols)
{
	struct def def;
	const uint8_t *bytes;
	uint64_t used = load_acquire((const uint64_t *)symbols->region), offset = 0;
	if (used == symbols->used || symbols->damaged)
		return !symbols->damaged;
	symbols->damaged = true;
	if (used > symbols->room || used < symbols->used)
		return false;
	uint64_t n = used - symbols->used;
	uint8_t *copy = malloc(n);
	if (copy == NULL) {
		symbols->damaged = false; /* another time, maybe */
		return true;
	}
	memcpy(copy, symbols->region + DEFS_HEAD_BYTES + symbols->used, n);
	bool damaged = false;
	while (!damaged && defs_next(copy, n, &offset, &def, &bytes, &damaged))
		damaged = !take(symbols, &def, bytes);
	free(copy);
	symbols->used = used;
	symbols->damaged = damaged;
	return !damaged;
}

bool
symbols_damaged(const struct symbols *symbols)
{
	return symbols->damaged;
}

bool
symbols_refused(const struct symbols *symbols)
{
	return symbols->refused;
}

/* ---- look up ---- */

struct symbol_event *
symbols_event(const struct symbols *symbols, uint32_t id)
{
	bool is = id < symbols->n && symbols->items[id].kind == DEF_EVENT;
	return is ? symbols->items[id].event : NULL;
}

const struct site *
symbols_site(const struct symbols *symbols, uint32_t id)
{
	bool is = id < symbols->n && symbols->items[id].kind == DEF_SITE;
	return is ? &symbols->items[id].site->site : NULL;
}

struct function *
symbols_function(struct symbols *symbols, uint32_t id)
{
	if (id == 0)
		return &symbols->unknown;
	bool is = id < symbols->n && (symbols->items[id].kind == DEF_CODE ||
				      symbols->items[id].kind == DEF_CFUNC);
	return is ? &symbols->items[id].function->function : NULL;
}

uint32_t
symbols_end(const struct symbols *symbols)
{
	return symbols->n;
}

const char *
symbols_process(const struct symbols *symbols, size_t *n)
{
	*n = symbols->process_bytes;
	return symbols->process;
}
