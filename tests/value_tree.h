/* SPDX-License-Identifier: MIT */
/*
 * Values (common/value.h) as trees: made by hand or at random, encoded as the hook would or
 * might, and compared with the JSON that came out. Shares no code with the collector.
 */
#ifndef TESTS_VALUE_TREE_H
#define TESTS_VALUE_TREE_H

#include <math.h>
#include <stdio.h>

#include "json_oracle.h"
#include "suite.h"
#include "value.h"

struct node {
	uint8_t tag, kind;
	int64_t integer;
	double number;
	const uint8_t *bytes;
	size_t len;
	uint64_t full;
	struct node *kids; /* of a dict: key, value, key, value, ... */
	size_t n_kids;
};

/* All that trees are made of; emptied at once. */
static uint8_t tree_arena[24u << 20];
static size_t tree_used;

static inline void *
tree_alloc(size_t n)
{
	n = (n + 15) & ~(size_t)15;
	NEED(tree_used + n <= sizeof tree_arena);
	tree_used += n;
	return memset(tree_arena + tree_used - n, 0, n);
}

static inline void
tree_reset(void)
{
	tree_used = 0;
}

/* ---- by hand ---- */

static inline struct node
tree_plain(enum value_tag tag)
{
	return (struct node){.tag = (uint8_t)tag};
}

static inline struct node
tree_int(int64_t n)
{
	enum value_tag tag = n == (int8_t)n    ? VALUE_INT8
			     : n == (int16_t)n ? VALUE_INT16
			     : n == (int32_t)n ? VALUE_INT32
					       : VALUE_INT64;
	return (struct node){.tag = (uint8_t)tag, .integer = n};
}

static inline struct node
tree_float(double n)
{
	return (struct node){.tag = VALUE_FLOAT, .number = n};
}

/* STR8 and BYTES8 become STR and BYTES when they are too long. The bytes are not copied. */
static inline struct node
tree_text(enum value_tag tag, const void *bytes, size_t n)
{
	bool longer = n > 255 && (tag == VALUE_STR8 || tag == VALUE_BYTES8);
	return (struct node){.tag = (uint8_t)(tag + longer), .bytes = bytes, .len = n, .full = n};
}

static inline struct node
tree_str(const char *text)
{
	return tree_text(VALUE_STR8, text, strlen(text));
}

static inline struct node
tree_kind(enum value_tag tag, unsigned kind, uint64_t full)
{
	return (struct node){.tag = (uint8_t)tag, .kind = (uint8_t)kind, .full = full};
}

/* TUPLE, LIST, DICT of n_kids nodes, which are copied. */
static inline struct node
tree_items(enum value_tag tag, const struct node *kids, size_t n_kids)
{
	struct node node = {.tag = (uint8_t)tag, .n_kids = n_kids};
	node.kids = tree_alloc(n_kids * sizeof *kids + 1);
	if (n_kids > 0)
		memcpy(node.kids, kids, n_kids * sizeof *kids);
	node.full = tag == VALUE_DICT ? n_kids / 2 : n_kids;
	return node;
}
#define TREE_ITEMS(tag, ...) \
	tree_items((tag), (const struct node[]){__VA_ARGS__}, \
		   sizeof(const struct node[]){__VA_ARGS__} / sizeof(struct node))

/* ---- encoded ---- */

static uint8_t tree_bytes[4u << 20];

static inline uint8_t *
tree_put(uint8_t *to, const void *bytes, size_t n)
{
	NEED(n <= (size_t)(tree_bytes + sizeof tree_bytes - to));
	if (n > 0)
		memcpy(to, bytes, n);
	return to + n;
}

static inline uint8_t *
tree_encode_at(uint8_t *to, const struct node *node)
{
	uint32_t len = (uint32_t)node->len;
	to = tree_put(to, &node->tag, 1);
	switch ((enum value_tag)node->tag) {
	case VALUE_NONE:
	case VALUE_FALSE:
	case VALUE_TRUE:
	case VALUE_ELLIPSIS:
		return to;
	case VALUE_INT8:
		return tree_put(to, &node->integer, 1);
	case VALUE_INT16:
		return tree_put(to, &node->integer, 2);
	case VALUE_INT32:
		return tree_put(to, &node->integer, 4);
	case VALUE_INT64:
		return tree_put(to, &node->integer, 8);
	case VALUE_FLOAT:
		return tree_put(to, &node->number, 8);
	case VALUE_HUGEINT:
		return tree_put(to, &node->full, 8);
	case VALUE_BIGINT:
		to = tree_put(to, &len, 2);
		break;
	case VALUE_STR8:
	case VALUE_BYTES8:
	case VALUE_OBJECT:
		to = tree_put(to, &len, 1);
		break;
	case VALUE_STR:
	case VALUE_BYTES:
		to = tree_put(to, &len, 4);
		break;
	case VALUE_STR_CUT:
	case VALUE_BYTES_CUT:
		to = tree_put(tree_put(to, &len, 4), &node->full, 8);
		break;
	case VALUE_TUPLE:
	case VALUE_LIST:
	case VALUE_DICT:
		len = (uint32_t)(node->tag == VALUE_DICT ? node->n_kids / 2 : node->n_kids);
		to = tree_put(tree_put(to, &len, 4), &node->full, 8);
		for (size_t i = 0; i < node->n_kids; i++)
			to = tree_encode_at(to, &node->kids[i]);
		return to;
	case VALUE_SHAPE:
	case VALUE_SECRET:
		return tree_put(tree_put(to, &node->kind, 1), &node->full, 8);
	}
	return tree_put(to, node->bytes, node->len);
}

/* n nodes, one behind the other, into tree_bytes; how many bytes. */
static inline size_t
tree_encode(const struct node *nodes, size_t n)
{
	uint8_t *to = tree_bytes;
	for (size_t i = 0; i < n; i++)
		to = tree_encode_at(to, &nodes[i]);
	return (size_t)(to - tree_bytes);
}

/* ---- compared ---- */

#define TREE_SAFE_INT ((INT64_C(1) << 53) - 1)

/* Digits back to two's complement, by multiplication: no division as in the collector. */
static inline void
tree_same_digits(const char *digits, bool hex, const uint8_t *bytes, size_t n)
{
	uint8_t *number = calloc(n + 2, 1);
	bool negative = *digits == '-';
	digits += negative;
	if (hex) {
		NEED(strncmp(digits, "0x", 2) == 0);
		digits += 2;
	}
	NEED(*digits != '\0' && (*digits != '0' || digits[1] == '\0'));
	for (; *digits != '\0'; digits++) {
		const char *all = "0123456789abcdef", *at = strchr(all, *digits);
		NEED(at != NULL && (hex || at < all + 10));
		unsigned carry = (unsigned)(at - all);
		for (size_t i = 0; i < n + 2; i++) {
			carry += number[i] * (hex ? 16u : 10u);
			number[i] = (uint8_t)carry;
			carry >>= 8;
		}
		NEED(carry == 0);
	}
	unsigned carry = 1;
	for (size_t i = 0; negative && i < n + 2; i++) {
		carry += (uint8_t)~number[i];
		number[i] = (uint8_t)carry;
		carry >>= 8;
	}
	uint8_t sign = n > 0 && (bytes[n - 1] & 0x80) ? 0xff : 0;
	NEED(n == 0 || memcmp(number, bytes, n) == 0);
	NEED(number[n] == sign && number[n + 1] == sign);
	free(number);
}

/* What len() says is told up to what JSON numbers hold. */
static inline json_int_t
tree_shown_count(uint64_t n)
{
	return n < TREE_SAFE_INT ? (json_int_t)n : TREE_SAFE_INT;
}

static inline bool
tree_is_str(const struct node *node)
{
	return node->tag == VALUE_STR8 || node->tag == VALUE_STR || node->tag == VALUE_STR_CUT;
}

/* Can the keys be the names of a JSON object, each as it is? */
static inline bool
tree_has_plain_keys(const struct node *dict)
{
	for (size_t i = 0; i < dict->n_kids; i += 2) {
		const struct node *key = &dict->kids[i];
		if (!tree_is_str(key) || key->tag == VALUE_STR_CUT ||
		    !oracle_is_showable(key->bytes, key->len) ||
		    (key->len == 5 && memcmp(key->bytes, "_type", 5) == 0) ||
		    (key->len == 5 && memcmp(key->bytes, "_dict", 5) == 0) ||
		    (key->len == 7 && memcmp(key->bytes, "_secret", 7) == 0))
			return false;
	}
	return true;
}

static inline void tree_same(json_t *line, const char *field, const json_t *shown,
			     const struct node *node);

static inline void
tree_same_dict(json_t *line, const char *field, const json_t *shown, const struct node *node)
{
	char inner[512];
	bool plain = tree_has_plain_keys(node);
	const json_t *pairs = json_object_get(shown, "_dict");
	NEED(json_is_object(shown));
	NEED(json_object_size(shown) == (plain ? node->n_kids / 2 : 1));
	for (size_t i = 0; i < node->n_kids / 2; i++) {
		const struct node *key = &node->kids[2 * i], *value = key + 1;
		if (plain) {
			char *name = strndup((const char *)key->bytes, key->len);
			snprintf(inner, sizeof inner, "%s[%zu]", field, i);
			tree_same(line, inner, json_object_get(shown, name), value);
			free(name);
			continue;
		}
		const json_t *pair = json_array_get(pairs, i);
		NEED(json_array_size(pairs) == node->n_kids / 2);
		NEED(json_array_size(pair) == 2);
		for (unsigned k = 0; k < 2; k++) {
			snprintf(inner, sizeof inner, "%s[%zu][%u]", field, i, k);
			tree_same(line, inner, json_array_get(pair, k), key + k);
		}
	}
}

/* {"_type":...} and {"_secret":...} */
static inline void
tree_same_kind(json_t *line, const char *field, const json_t *shown, const struct node *node)
{
	static const char *const names[] = {"object", "str",  "bytes", "tuple",
					    "list",   "dict", "None",  "int"};
	bool has_len = node->kind >= KIND_STR && node->kind <= KIND_DICT;
	const char *key = node->tag == VALUE_SHAPE ? "_type" : "_secret";
	NEED(json_object_size(shown) == 1u + has_len);
	ck_assert_str_eq(json_string_value(json_object_get(shown, key)),
			 names[node->kind < 8 ? node->kind : 0]);
	if (!has_len)
		return;
	NEED(json_integer_value(json_object_get(shown, "len")) == tree_shown_count(node->full));
	if (node->tag == VALUE_SHAPE)
		oracle_trunc(line, field, tree_shown_count(node->full));
}

/* `shown`, the JSON of the field, is the value; its notes are used up. */
static inline void
tree_same(json_t *line, const char *field, const json_t *shown, const struct node *node)
{
	NEED_MSG(shown != NULL, "%s is missing", field);
	switch ((enum value_tag)node->tag) {
	case VALUE_NONE:
		NEED(json_is_null(shown));
		break;
	case VALUE_FALSE:
		NEED(json_is_false(shown));
		break;
	case VALUE_TRUE:
		NEED(json_is_true(shown));
		break;
	case VALUE_INT8:
	case VALUE_INT16:
	case VALUE_INT32:
	case VALUE_INT64:
		if (node->integer >= -TREE_SAFE_INT && node->integer <= TREE_SAFE_INT) {
			NEED(json_is_integer(shown));
			NEED(json_integer_value(shown) == node->integer);
		} else {
			char digits[24];
			snprintf(digits, sizeof digits, "%lld", (long long)node->integer);
			ck_assert_str_eq(json_string_value(shown), digits);
			oracle_enc(line, field, "int");
		}
		break;
	case VALUE_BIGINT:
		NEED(json_is_string(shown));
		oracle_enc(line, field, node->len > 512 ? "hex" : "int");
		tree_same_digits(json_string_value(shown), node->len > 512, node->bytes,
				 node->len);
		break;
	case VALUE_HUGEINT:
		NEED(json_object_size(shown) == 2);
		ck_assert_str_eq(json_string_value(json_object_get(shown, "_type")), "int");
		NEED(json_integer_value(json_object_get(shown, "bits")) ==
		     tree_shown_count(node->full));
		break;
	case VALUE_FLOAT:
		if (isfinite(node->number)) {
			double back = json_real_value(shown);
			NEED_MSG(json_is_real(shown), "%s is no float", field);
			NEED_MSG(memcmp(&back, &node->number, 8) == 0, "%a is not %a", back,
				      node->number);
		} else {
			ck_assert_str_eq(json_string_value(shown), isnan(node->number) ? "nan"
						: node->number > 0             ? "inf"
									       : "-inf");
			oracle_enc(line, field, "float");
		}
		break;
	case VALUE_STR_CUT:
	case VALUE_BYTES_CUT:
		oracle_trunc(line, field, tree_shown_count(node->full));
		/* fall through */
	case VALUE_STR8:
	case VALUE_STR:
	case VALUE_BYTES8:
	case VALUE_BYTES:
		oracle_same_text(line, field, shown, node->bytes, node->len,
				 tree_is_str(node) ? "" : "bytes");
		break;
	case VALUE_TUPLE:
	case VALUE_LIST:
		NEED_MSG(json_is_array(shown), "%s is no array", field);
		NEED(json_array_size(shown) == node->n_kids);
		for (size_t i = 0; i < node->n_kids; i++) {
			char inner[512];
			snprintf(inner, sizeof inner, "%s[%zu]", field, i);
			tree_same(line, inner, json_array_get(shown, i), &node->kids[i]);
		}
		if (node->full > node->n_kids)
			oracle_trunc(line, field, tree_shown_count(node->full));
		break;
	case VALUE_DICT:
		tree_same_dict(line, field, shown, node);
		if (node->full > node->n_kids / 2)
			oracle_trunc(line, field, tree_shown_count(node->full));
		break;
	case VALUE_SHAPE:
	case VALUE_SECRET:
		tree_same_kind(line, field, shown, node);
		break;
	case VALUE_OBJECT:
		NEED(json_object_size(shown) == 1);
		oracle_same_text(line, field, json_object_get(shown, "_type"), node->bytes,
				 node->len, "");
		break;
	case VALUE_ELLIPSIS:
		NEED(json_object_size(shown) == 1);
		ck_assert_str_eq(json_string_value(json_object_get(shown, "_type")), "ellipsis");
		break;
	}
}

/* ---- at random ---- */

/* Pieces of text that have been trouble somewhere. Not NUL-terminated: some hold NUL. */
static const struct {
	uint8_t n;
	const char *bytes;
} tree_pieces[] = {
	{1, "a"}, {9, "/tmp/data"}, {16, "sixteen plain cs"}, {1, "\""}, {1, "\\"}, {1, "/"},
	{1, "%"}, {3, "%41"}, {1, "\n"}, {1, "\r"}, {1, "\t"}, {1, "\x1b"}, {1, "\x01"},
	{1, "\x1f"}, {1, "\x7f"}, {1, " "}, {6, "\\u0041"}, {2, "\xc2\x80"}, {2, "\xc2\x9b"},
	{2, "\xc2\x9f"}, {2, "\xc2\xa0"}, {2, "\xc3\xa9"}, {2, "\xd8\x9c"}, {3, "\xe2\x80\xa8"},
	{3, "\xe2\x80\xa9"}, {3, "\xe2\x80\xae"}, {3, "\xe2\x80\x8f"}, {3, "\xe2\x81\xa6"},
	{3, "\xe2\x82\xac"}, {3, "\xed\x9f\xbf"}, {3, "\xee\x80\x80"}, {3, "\xef\xbb\xbf"},
	{3, "\xef\xbf\xbf"}, {4, "\xf0\x9f\x90\x8d"}, {4, "\xf4\x8f\xbf\xbf"},
	/* from here on not to be shown as they are */
	{1, "\0"}, {1, "\x80"}, {1, "\xff"}, {1, "\xfe"}, {2, "\xc0\x80"}, {2, "\xc1\xbf"},
	{3, "\xe0\x80\x80"}, {3, "\xe0\x9f\xbf"}, {4, "\xf0\x80\x80\x80"},
	{4, "\xf0\x8f\xbf\xbf"}, {4, "\xf4\x90\x80\x80"}, {5, "\xf8\x88\x80\x80\x80"},
	{1, "\xc3"}, {2, "\xe2\x82"}, {3, "\xf0\x9f\x90"}, {3, "\xed\xa0\x80"},
	{3, "\xed\xb2\x80"}, {3, "\xed\xb3\xbf"}, {3, "\xed\xbf\xbf"}, {3, "\xed\xb2\x1b"},
};
#define TREE_PIECES (sizeof tree_pieces / sizeof tree_pieces[0])
#define TREE_GOOD_PIECES 35

/* Random text in the arena, of some pieces; every second one can be shown as it is. */
static inline const uint8_t *
tree_random_text(struct dice *dice, size_t most, size_t *n)
{
	size_t want = dice_below(dice, (unsigned)most + 1);
	unsigned pieces = dice_below(dice, 2) ? TREE_PIECES : TREE_GOOD_PIECES;
	uint8_t *text = tree_alloc(want + 16);
	*n = 0;
	while (*n < want) {
		unsigned i = dice_below(dice, pieces);
		memcpy(text + *n, tree_pieces[i].bytes, tree_pieces[i].n);
		*n += tree_pieces[i].n;
	}
	return text;
}

static inline uint64_t
tree_random_count(struct dice *dice)
{
	return dice_u64(dice) >> dice_below(dice, 64);
}

static inline double
tree_random_double(struct dice *dice)
{
	static const double hard[] = {0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308,
				      1.7976931348623157e308, 0.1, 1.0, 1e15, 1e16, 1e17, 1e22,
				      123456789012345680.0, 9007199254740993.0, NAN, INFINITY,
				      -INFINITY};
	double number;
	uint64_t bits = dice_u64(dice);
	if (dice_below(dice, 2))
		return hard[dice_below(dice, sizeof hard / sizeof hard[0])];
	memcpy(&number, &bits, 8);
	return number;
}

static inline struct node tree_random(struct dice *dice, unsigned depth);

static inline struct node
tree_random_items(struct dice *dice, enum value_tag tag, unsigned depth)
{
	size_t n = dice_below(dice, 5) * (tag == VALUE_DICT ? 2 : 1);
	struct node *kids = tree_alloc(n * sizeof *kids + 1);
	for (size_t i = 0; i < n; i++) {
		kids[i] = tree_random(dice, depth - 1);
		/* Most keys are str, and no two the same. */
		if (tag != VALUE_DICT || i % 2 != 0 || dice_below(dice, 8) == 0)
			continue;
		char *key = tree_alloc(40);
		int len = snprintf(key, 40, "%zu%s", i,
				   tree_pieces[dice_below(dice, TREE_PIECES)].bytes);
		kids[i] = tree_text(VALUE_STR8, key, (size_t)len);
	}
	struct node node = {.tag = (uint8_t)tag, .kids = kids, .n_kids = n};
	node.full = tag == VALUE_DICT ? n / 2 : n;
	if (dice_below(dice, 4) == 0)
		node.full += tree_random_count(dice) >> 1;
	return node;
}

/* Any value at all, of at most `depth` containers in each other. */
static inline struct node
tree_random(struct dice *dice, unsigned depth)
{
	static const uint8_t int_bits[] = {8, 16, 32, 64};
	struct node node = {.tag = (uint8_t)(1 + dice_below(dice, VALUE_ELLIPSIS))};
	size_t most = dice_below(dice, 20) == 0 ? 3000 : 24;
	switch ((enum value_tag)node.tag) {
	case VALUE_NONE:
	case VALUE_FALSE:
	case VALUE_TRUE:
	case VALUE_ELLIPSIS:
		break;
	case VALUE_INT8:
	case VALUE_INT16:
	case VALUE_INT32:
	case VALUE_INT64:
		node.integer = (int64_t)dice_u64(dice) >> (64 - int_bits[node.tag - VALUE_INT8]);
		node.integer >>= dice_below(dice, int_bits[node.tag - VALUE_INT8]);
		break;
	case VALUE_BIGINT:
		node.len = dice_below(dice, dice_below(dice, 10) == 0 ? 700 : 40);
		node.bytes = tree_alloc(node.len + 8);
		for (size_t i = 0; i < node.len; i++)
			((uint8_t *)node.bytes)[i] = (uint8_t)dice_u64(dice);
		break;
	case VALUE_HUGEINT:
		node.full = tree_random_count(dice);
		break;
	case VALUE_FLOAT:
		node.number = tree_random_double(dice);
		break;
	case VALUE_STR8:
	case VALUE_BYTES8:
	case VALUE_OBJECT:
		node.bytes = tree_random_text(dice, 240, &node.len);
		break;
	case VALUE_STR:
	case VALUE_BYTES:
	case VALUE_STR_CUT:
	case VALUE_BYTES_CUT:
		node.bytes = tree_random_text(dice, most, &node.len);
		node.full = tree_random_count(dice);
		break;
	case VALUE_TUPLE:
	case VALUE_LIST:
	case VALUE_DICT:
		if (depth > 0)
			return tree_random_items(dice, (enum value_tag)node.tag, depth);
		node.tag = VALUE_SHAPE;
		/* fall through */
	case VALUE_SHAPE:
	case VALUE_SECRET:
		node.kind = (uint8_t)dice_below(dice, 10);
		node.full = tree_random_count(dice);
		break;
	}
	return node;
}

#endif
