/* SPDX-License-Identifier: MIT */
/* Definitions and records, as they should be and as a hostile program might leave them. */
#include "symbols.h"

#include <string.h>

#include "decode.h"
#include "defs.h"
#include "lane.h"
#include "suite.h"
#include "value.h"

#define REGION_BYTES 65536
#define N_IDS 5000

static _Alignas(8) uint8_t region[REGION_BYTES];
static struct symbols *symbols;

static void
define(uint32_t id, unsigned kind, const void *bytes, size_t n)
{
	uint64_t used;
	memcpy(&used, region, sizeof used);
	struct def def = {.id = id, .kind = (uint16_t)kind, .len = (uint16_t)n};
	memcpy(region + DEFS_HEAD_BYTES + used, &def, sizeof def);
	memcpy(region + DEFS_HEAD_BYTES + used + sizeof def, bytes, n);
	used += def_bytes(n);
	memcpy(region, &used, sizeof used);
}

static void
define_site(uint32_t id, uint32_t code, uint32_t line)
{
	const uint32_t numbers[] = {code, line};
	define(id, DEF_SITE, numbers, sizeof numbers);
}

static void
begin(void)
{
	memset(region, 0, sizeof region);
	symbols = symbols_new(region, sizeof region, N_IDS);
}

START_TEST(an_id_means_what_was_defined_first)
{
	static const char code[] = "\7\0\0\0mod\0file.py\0Class.f";
	begin();
	define(0, DEF_PROCESS, "/exe\0/cwd\0a\0b", 14);
	define(1, DEF_EVENT, "open", 4);
	NEED(symbols_refresh(symbols));
	NEED(strcmp(symbols_event(symbols, 1)->name, "open") == 0);
	NEED(symbols_event(symbols, 1)->info == event_info_find("open"));
	NEED(symbols_event(symbols, 2) == NULL && symbols_site(symbols, 1) == NULL);
	NEED(symbols_event(symbols, UINT32_MAX) == NULL);
	define(2, DEF_CODE, code, sizeof code);
	define_site(4000, 2, 32);
	define(1, DEF_EVENT, "other", 5);
	NEED(symbols_refresh(symbols));
	const struct site *site = symbols_site(symbols, 4000);
	NEED(strcmp(site->func, "Class.f") == 0 && strcmp(site->file, "file.py") == 0);
	NEED(strcmp(site->module, "mod") == 0 && site->line == 32);
	NEED(strcmp(symbols_event(symbols, 1)->name, "open") == 0);
	NEED(symbols_end(symbols) > 4000);
	size_t n;
	NEED(strcmp(symbols_process(symbols, &n), "/exe") == 0 && n == 14);
	symbols_free(symbols);
}
END_TEST

START_TEST(texts_that_were_cut_short_end_where_the_definition_does)
{
	begin();
	define(1, DEF_CODE, "\7\0\0\0mod\0fil", 11);
	define(2, DEF_CODE, "\7\0\0\0", 4);
	define_site(3, 1, 1);
	define_site(4, 2, 2);
	define_site(5, 77, 3); /* of code that nobody defined */
	NEED(symbols_refresh(symbols));
	NEED(strcmp(symbols_site(symbols, 3)->file, "fil") == 0);
	NEED(symbols_site(symbols, 3)->func[0] == '\0');
	NEED(symbols_site(symbols, 4)->module[0] == '\0');
	NEED(strcmp(symbols_site(symbols, 5)->func, "?") == 0);
	symbols_free(symbols);
}
END_TEST

START_TEST(what_makes_no_sense_is_damage_for_good)
{
	const uint64_t used[] = {3, 7, REGION_BYTES, REGION_BYTES - DEFS_HEAD_BYTES + 8, UINT64_MAX};
	for (size_t i = 0; i < sizeof used / sizeof used[0]; i++) {
		begin();
		define(1, DEF_EVENT, "open", 4);
		memcpy(region, &used[i], sizeof used[i]);
		NEED_MSG(!symbols_refresh(symbols), "used %llu", (unsigned long long)used[i]);
		memset(region, 0, 8);
		NEED(!symbols_refresh(symbols));
		symbols_free(symbols);
	}
	begin();
	define(N_IDS, DEF_EVENT, "open", 4);
	NEED(!symbols_refresh(symbols));
	symbols_free(symbols);
	begin();
	define(1, DEF_EVENT, "open", 4);
	NEED(symbols_refresh(symbols));
	memset(region, 0, 8); /* what was published is taken back */
	NEED(!symbols_refresh(symbols));
	symbols_free(symbols);
}
END_TEST

START_TEST(kinds_of_a_later_version_are_passed_over)
{
	begin();
	define(1, 77, "what", 4);
	define(2, DEF_EVENT, "open", 4);
	NEED(symbols_refresh(symbols));
	NEED(symbols_event(symbols, 1) == NULL && symbols_event(symbols, 2) != NULL);
	symbols_free(symbols);
}
END_TEST

START_TEST(functions_are_those_of_python_and_of_c)
{
	begin();
	define(1, DEF_EVENT, "open", 4);
	define(2, DEF_CODE, "\7\0\0\0mod\0file.py\0Class.f", 23);
	define(3, DEF_CFUNC, "\0\0\0\0builtins\0\0len", 18);
	define(4, DEF_CFUNC, "\0\0", 2);
	define_site(5, 2, 32);
	define_site(6, 3, 32); /* a C function has none */
	NEED(symbols_refresh(symbols));
	struct function *f = symbols_function(symbols, 2);
	NEED(strcmp(f->func, "Class.f") == 0 && strcmp(f->file, "file.py") == 0);
	NEED(strcmp(f->module, "mod") == 0 && f->line == 7 && !f->is_c && f->prepared != NULL);
	f = symbols_function(symbols, 3);
	NEED(strcmp(f->func, "len") == 0 && strcmp(f->module, "builtins") == 0);
	NEED(f->file[0] == '\0' && f->line == 0 && f->is_c);
	NEED(symbols_function(symbols, 1) == NULL && symbols_function(symbols, 4) == NULL);
	NEED(symbols_function(symbols, 5) == NULL && symbols_function(symbols, 4999) == NULL);
	NEED(strcmp(symbols_site(symbols, 6)->func, "?") == 0);
	f = symbols_function(symbols, 0);
	NEED(strcmp(f->func, "?") == 0 && f->module[0] == '\0' && f->prepared == NULL);
	symbols_free(symbols);
}
END_TEST

/* ---- records ---- */

static struct slot slots[RECORD_MAX_SLOTS];

/* An `open` with a path of n bytes, at one site and called from another. */
static unsigned
make_record(size_t n)
{
	static struct lane_shared shared;
	static struct slot ring[16384];
	struct lane lane;
	struct lane_writer w;
	struct audit_head head = {.site = 3, .caller = 4, .n_args = 2, .n_stack = 1};
	const uint32_t stack[] = {4};
	uint8_t text[5] = {VALUE_STR}, none = VALUE_NONE;
	static const char zeroes[70000];
	uint32_t len = (uint32_t)n;
	memset(&shared, 0, sizeof shared);
	memcpy(text + 1, &len, sizeof len);
	lane_init(&lane, &shared, ring, 16384, LANE_DROP, 16384, NULL, NULL);
	lane.limit = 16384;
	NEED(lane_begin(&lane, &w, RECORD_AUDIT));
	lane_put(&w, &head, sizeof head);
	lane_put(&w, stack, sizeof stack);
	lane_put(&w, text, sizeof text);
	lane_put(&w, zeroes, n);
	lane_put(&w, &none, 1);
	lane_commit(&w, 5, 1236, 1);
	unsigned k = record_k(ring[0].w[0]);
	memcpy(slots, ring, k * sizeof *slots);
	return k;
}

static void
define_what_records_use(void)
{
	begin();
	define(1, DEF_EVENT, "open", 4);
	define(2, DEF_CODE, "\1\0\0\0m\0f\0q", 10);
	define_site(3, 2, 10);
	define_site(4, 2, 20);
}

START_TEST(a_record_of_any_length_is_what_was_written)
{
	struct event event = {0};
	const size_t lengths[] = {0, 18, 19, 20, 21, 75, 76, 77, 1000, 65536};
	define_what_records_use();
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		unsigned k = make_record(lengths[i]);
		NEED(record_check(slots, k) == (int)k);
		NEED(decode_record(slots, symbols, &event));
		NEED(event.type == EVENT_AUDIT && event.tid == 1236 && event.n_args == 2);
		NEED(strcmp(event.name, "open") == 0 && event.n_args_full == 2);
		NEED(event.at->line == 10 && event.caller->line == 20);
		NEED(event.n_stack == 1 && event.stack[0]->line == 20);
		NEED((size_t)(event.values_end - event.values) == 5 + lengths[i] + 1);
	}
	symbols_free(symbols);
}
END_TEST

START_TEST(a_record_that_uses_an_id_in_the_wrong_place_is_none)
{
	struct event event = {0};
	define_what_records_use();
	struct audit_head *head = (struct audit_head *)&slots[0].w[3];
	for (unsigned wrong = 0; wrong < 3; wrong++) {
		make_record(10);
		if (wrong == 0)
			slots[0].w[2] = 1236ULL << 32 | 3; /* a site as the event */
		else if (wrong == 1)
			head->site = 1;
		else
			head->caller = 99;
		NEED(!decode_record(slots, symbols, &event));
	}
	make_record(10);
	head->n_args = 3; /* one more than there is, if padding is none */
	NEED(!decode_record(slots, symbols, &event) || event.n_args == 3);
	symbols_free(symbols);
}
END_TEST

/* A notice of these bytes, whatever they are. */
static bool
decode_notice(const void *bytes, size_t n, struct event *event)
{
	memset(slots, 0, 3 * sizeof *slots);
	for (unsigned i = 0; i < 3; i++)
		slots[i].w[0] = record_w0(i == 0, i == 0 ? 3 : i, RECORD_NOTICE, 9);
	slots[0].w[2] = 1236ULL << 32;
	memcpy(&slots[0].w[3], bytes, n < SLOT0_PAYLOAD ? n : SLOT0_PAYLOAD);
	if (n > SLOT0_PAYLOAD)
		memcpy(&slots[1].w[1], (const char *)bytes + SLOT0_PAYLOAD, n - SLOT0_PAYLOAD);
	NEED(record_check(slots, 3) == 3);
	return decode_record(slots, symbols, event);
}

START_TEST(a_notice_is_two_texts)
{
	static const uint8_t good[] =
		"\13\7evicted\13\50another tool took the profile hook, I see";
	static const uint8_t nul[] = "\13\3a\0b\13\0", one[] = "\13\7evicted\1";
	static const uint8_t number[] = "\13\7evicted\4\1", endless[] = "\13\7evicted\13\377x";
	struct event event = {0};
	begin();
	NEED(decode_notice(good, sizeof good - 1, &event));
	NEED(event.type == EVENT_NOTICE && event.tid == 1236);
	NEED(strcmp(event.what, "evicted") == 0);
	NEED(strcmp(event.detail, "another tool took the profile hook, I se") == 0);
	NEED(decode_notice(nul, sizeof nul - 1, &event));
	NEED(strcmp(event.what, "a") == 0 && event.detail[0] == '\0');
	NEED(!decode_notice(one, sizeof one - 1, &event));
	NEED(!decode_notice(number, sizeof number - 1, &event));
	NEED(!decode_notice(endless, sizeof endless - 1, &event));
	NEED(!decode_notice("", 0, &event));
	symbols_free(symbols);
}
END_TEST

START_TEST(random_words_are_a_call_of_what_is_defined_or_none)
{
	struct dice dice = {.state = 9};
	struct event event = {0};
	unsigned good = 0;
	begin();
	define(1, DEF_EVENT, "open", 4);
	define(2, DEF_CODE, "\1\0\0\0m\0f\0q", 10);
	define(3, DEF_CFUNC, "\0\0\0\0m\0\0c", 8);
	for (int i = 0; i < 200000; i++) {
		uint64_t word = dice_u64(&dice);
		uint32_t id = dice_below(&dice, 2) ? dice_below(&dice, 8) : call_id(word);
		word = (word & 15ULL << 60) | (uint64_t)id << CALLS_TICK_BITS | call_ticks(word);
		if (!decode_call(word, symbols, &event))
			continue;
		good++;
		unsigned what = call_what(word);
		NEED(id == 0 || id == 2 || id == 3);
		NEED((event.type == EVENT_RETURN) == (what >= 8));
		NEED((what >= 1 && what <= 3) || (what >= 8 && what <= 12));
		NEED(id != 2 || (what != 3 && what < 11));
		NEED(id != 3 || what == 3 || what >= 11);
		NEED(event.function == symbols_function(symbols, id));
	}
	NEED(good > 1000 && good < 100000);
	symbols_free(symbols);
}
END_TEST

/* With a sanitizer this sees a read out of bounds, too. */
START_TEST(random_bytes_are_an_event_or_none)
{
	struct dice dice = {.state = 3};
	struct event event = {0};
	unsigned good = 0;
	define_what_records_use();
	for (int i = 0; i < 200000; i++) {
		unsigned k = make_record(dice_below(&dice, 200));
		uint8_t *bytes = (uint8_t *)slots;
		for (unsigned n = 1 + dice_below(&dice, 8); n > 0; n--) {
			unsigned at = dice_below(&dice, k * SLOT_BYTES);
			if (at % SLOT_BYTES >= 8) /* w0 is record_check()'s */
				bytes[at] = (uint8_t)dice_u64(&dice);
		}
		good += decode_record(slots, symbols, &event);
	}
	NEED(good > 1000 && good < 199000);
	symbols_free(symbols);
}
END_TEST

START_TEST(random_definitions_are_taken_or_refused)
{
	struct dice dice = {.state = 5};
	for (int i = 0; i < 3000; i++) {
		begin();
		for (unsigned n = dice_below(&dice, 6); n > 0; n--) {
			uint8_t bytes[64];
			for (size_t b = 0; b < sizeof bytes; b++)
				bytes[b] = (uint8_t)dice_u64(&dice);
			define(dice_below(&dice, 50), 1 + dice_below(&dice, 5), bytes,
			       dice_below(&dice, sizeof bytes));
		}
		for (unsigned n = dice_below(&dice, 3); n > 0; n--)
			region[dice_below(&dice, 512)] = (uint8_t)dice_u64(&dice);
		symbols_refresh(symbols);
		for (uint32_t id = 0; id < 60; id++) {
			const struct site *site = symbols_site(symbols, id);
			if (site != NULL)
				NEED(strlen(site->func) + strlen(site->file) < 200);
			if (symbols_function(symbols, id) != NULL)
				NEED(strlen(symbols_function(symbols, id)->func) < 200);
			if (symbols_event(symbols, id) != NULL)
				NEED(strlen(symbols_event(symbols, id)->name) <= 64);
		}
		symbols_free(symbols);
	}
}
END_TEST

/* Somebody whose one id is so large that the table alone takes that many bytes. */
static struct symbols *
new_of_size(size_t bytes)
{
	memset(region, 0, sizeof region);
	define((uint32_t)(bytes / 16) - 1, DEF_EVENT, "open", 4);
	struct symbols *one = symbols_new(region, sizeof region, 1u << 20);
	symbols_refresh(one);
	return one;
}

START_TEST(all_together_have_a_bound_and_each_has_a_share)
{
	enum { LARGE = 16u << 20, SMALL = 512u << 10, N_LARGE = SYMBOLS_OF_ALL_BYTES / LARGE - 1 };
	struct symbols *large[N_LARGE], *small[LARGE / SMALL];
	for (unsigned i = 0; i < N_LARGE; i++) {
		large[i] = new_of_size(LARGE);
		NEED(!symbols_damaged(large[i]));
	}
	/* One more is too much; those that have their share are served all the same. */
	struct symbols *more = new_of_size(LARGE);
	NEED(symbols_damaged(more) && symbols_refused(more));
	NEED(symbols_event(more, LARGE / 16 - 1) == NULL);
	symbols_free(more);
	for (unsigned i = 0; i < LARGE / SMALL; i++)
		small[i] = new_of_size(SMALL);
	more = new_of_size(2 * SYMBOLS_ALWAYS_BYTES);
	NEED(symbols_refused(more));
	symbols_free(more);
	more = new_of_size(SMALL);
	NEED(!symbols_refused(more) && symbols_event(more, SMALL / 16 - 1) != NULL);
	symbols_free(more);
	/* Who leaves makes room. */
	symbols_free(large[0]);
	large[0] = new_of_size(LARGE / 2);
	NEED(!symbols_refused(large[0]) && symbols_event(large[0], LARGE / 32 - 1) != NULL);
	for (unsigned i = 0; i < N_LARGE; i++)
		symbols_free(large[i]);
	for (unsigned i = 0; i < LARGE / SMALL; i++)
		symbols_free(small[i]);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("symbols");
	tcase_add_test(tc, an_id_means_what_was_defined_first);
	tcase_add_test(tc, texts_that_were_cut_short_end_where_the_definition_does);
	tcase_add_test(tc, what_makes_no_sense_is_damage_for_good);
	tcase_add_test(tc, kinds_of_a_later_version_are_passed_over);
	tcase_add_test(tc, functions_are_those_of_python_and_of_c);
	tcase_add_test(tc, a_notice_is_two_texts);
	tcase_add_test(tc, random_words_are_a_call_of_what_is_defined_or_none);
	tcase_add_test(tc, a_record_of_any_length_is_what_was_written);
	tcase_add_test(tc, a_record_that_uses_an_id_in_the_wrong_place_is_none);
	tcase_add_test(tc, random_bytes_are_an_event_or_none);
	tcase_add_test(tc, random_definitions_are_taken_or_refused);
	tcase_add_test(tc, all_together_have_a_bound_and_each_has_a_share);
	return suite_run("symbols", tc);
}
