/* SPDX-License-Identifier: MIT */
#include "decode.h"

#include <string.h>

#include "values.h"

#define NAME_BYTES 4096 /* of an event that has no definition */

/* The payload of a record of several slots, end to end; one thread decodes. */
static uint8_t joined[SLOT0_PAYLOAD + (RECORD_MAX_SLOTS - 1) * SLOTN_PAYLOAD];
static char inline_name[NAME_BYTES];
static char what[64], detail[1024]; /* of a notice */
static const struct site *stack[UINT8_MAX];

static const uint8_t *
join(const struct slot *slots, unsigned k, const uint8_t **end)
{
	if (k == 1) {
		*end = (const uint8_t *)&slots[1];
		return (const uint8_t *)&slots[0].w[3];
	}
	uint8_t *to = joined;
	memcpy(to, &slots[0].w[3], SLOT0_PAYLOAD);
	to += SLOT0_PAYLOAD;
	for (unsigned i = 1; i < k; i++, to += SLOTN_PAYLOAD)
		memcpy(to, &slots[i].w[1], SLOTN_PAYLOAD);
	*end = to;
	return joined;
}

/* Defined before the record was committed, so a name not known yet is there by now. */
static struct symbol_event *
find_event(struct symbols *symbols, uint32_t id)
{
	struct symbol_event *found = symbols_event(symbols, id);
	if (__builtin_expect(found == NULL, 0) && symbols_refresh(symbols))
		found = symbols_event(symbols, id);
	return found;
}

static bool
find_site(struct symbols *symbols, uint32_t id, const struct site **site)
{
	*site = NULL;
	if (id == 0)
		return true;
	*site = symbols_site(symbols, id);
	if (__builtin_expect(*site == NULL, 0) && symbols_refresh(symbols))
		*site = symbols_site(symbols, id);
	return *site != NULL;
}

/* As much as there is room for; a NUL ends it. */
static const uint8_t *
take_text(char *to, size_t room, const uint8_t *at, const uint8_t *end)
{
	struct value value;
	const uint8_t *next = values_check(at, end, 1);
	if (next == NULL)
		return NULL;
	value_read(at, &value);
	if (!value_is_str(&value))
		return NULL;
	size_t n = value.len < room ? value.len : room - 1;
	memcpy(to, value.bytes, n);
	to[n] = '\0';
	return next;
}

static const uint8_t *
take_inline_name(struct event *event, const uint8_t *at, const uint8_t *end)
{
	at = take_text(inline_name, NAME_BYTES, at, end);
	event->name = inline_name;
	event->info = at != NULL ? event_info_find(inline_name) : NULL;
	event->prepared = NULL;
	return at;
}

static const uint8_t *
take_stack(struct event *event, struct symbols *symbols, const uint8_t *at, const uint8_t *end,
	   unsigned n)
{
	if ((size_t)(end - at) < n * sizeof(uint32_t))
		return NULL;
	for (unsigned i = 0; i < n; i++, at += sizeof(uint32_t)) {
		uint32_t id;
		memcpy(&id, at, sizeof id);
		if (!find_site(symbols, id, &stack[i]) || stack[i] == NULL)
			return NULL;
	}
	event->stack = stack;
	event->n_stack = n;
	return at;
}

static bool
decode_audit(const struct slot *slots, struct symbols *symbols, struct event *event)
{
	struct audit_head head;
	const uint8_t *end, *at = join(slots, record_k(slots[0].w[0]), &end);
	memcpy(&head, at, sizeof head);
	at += sizeof head;
	event->type = EVENT_AUDIT;
	if (head.flags & AUDIT_NAME_INLINE) {
		at = take_inline_name(event, at, end);
		if (at == NULL)
			return false;
	} else {
		struct symbol_event *symbol = find_event(symbols, (uint32_t)slots[0].w[2]);
		if (symbol == NULL)
			return false;
		event->name = symbol->name;
		event->info = symbol->info;
		event->prepared = &symbol->prepared;
	}
	event->n_stack = 0;
	if (head.n_stack > 0 && (at = take_stack(event, symbols, at, end, head.n_stack)) == NULL)
		return false;
	event->n_args = head.n_args;
	event->n_args_full = head.n_args;
	if (head.flags & AUDIT_TRUNCATED) {
		if ((size_t)(end - at) < sizeof event->n_args_full)
			return false;
		memcpy(&event->n_args_full, at, sizeof event->n_args_full);
		at += sizeof event->n_args_full;
	}
	event->values = at;
	event->values_end = values_check(at, end, head.n_args);
	return event->values_end != NULL && find_site(symbols, head.site, &event->at) &&
	       find_site(symbols, head.caller, &event->caller);
}

static bool
decode_notice(const struct slot *slots, struct event *event)
{
	const uint8_t *end, *at = join(slots, record_k(slots[0].w[0]), &end);
	event->type = EVENT_NOTICE;
	event->what = what;
	event->detail = detail;
	at = take_text(what, sizeof what, at, end);
	return at != NULL && take_text(detail, sizeof detail, at, end) != NULL;
}

static struct function *
find_function(struct symbols *symbols, uint32_t id)
{
	struct function *found = symbols_function(symbols, id);
	if (__builtin_expect(found == NULL, 0) && symbols_refresh(symbols))
		found = symbols_function(symbols, id);
	return found;
}

static bool
is_call_event(unsigned call)
{
	switch (call) {
#define X(name, value, type, kind, how) case value:
	CALL_EVENTS(X)
#undef X
		return true;
	}
	return false;
}

bool
decode_call(uint64_t word, struct symbols *symbols, struct event *event)
{
	unsigned call = call_what(word);
	if (!is_call_event(call))
		return false;
	event->type = call_ends(call) ? EVENT_RETURN : EVENT_CALL;
	event->call = (enum call_event)call;
	event->function = find_function(symbols, call_id(word));
	bool is_c = call == CALL_C_CALL || call == CALL_C_RETURN || call == CALL_C_RAISE;
	return event->function != NULL &&
	       (event->function->is_c == is_c || call_id(word) == 0);
}

bool
decode_record(const struct slot *slots, struct symbols *symbols, struct event *event)
{
	event->tid = (uint32_t)(slots[0].w[2] >> 32);
	switch (record_type(slots[0].w[0])) {
	case RECORD_AUDIT:
		return decode_audit(slots, symbols, event);
	case RECORD_NOTICE:
		return decode_notice(slots, event);
	default:
		return false;
	}
}
