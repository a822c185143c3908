/* SPDX-License-Identifier: MIT */
/* Every value that a record can hold comes back from its JSON as it was, to the bit. */
#include "encode.h"
#include "value_tree.h"

static struct encoder encoder;
static struct line out;

static void
fini(void)
{
	encoder_fini(&encoder);
	line_fini(&out);
}

/* {"v":...,"enc":...,"trunc":...} of the value that is in tree_bytes. */
static json_t *
encoded(bool redact)
{
	static const struct where where = {.name = "v", .name_len = 1};
	line_cut(&out, 0);
	encoder_begin(&encoder, redact);
	line_literal(&out, "{\"v\":");
	encode_value(&encoder, &out, tree_bytes, &where);
	encoder_notes(&encoder, &out);
	line_literal(&out, "}\n");
	NEED(!out.failed);
	return oracle_parse(out.text, out.len);
}

static void
check(struct node node)
{
	tree_encode(&node, 1);
	json_t *line = encoded(false);
	tree_same(line, "v", json_object_get(line, "v"), &node);
	oracle_no_more_notes(line);
	json_decref(line);
}

/* The line is exactly this one. */
static void
check_line(struct node node, bool redact, const char *expected)
{
	tree_encode(&node, 1);
	json_decref(encoded(redact));
	out.text[out.len - 1] = '\0';
	ck_assert_str_eq(out.text, expected);
}

START_TEST(integers_are_exact_and_strings_beyond_what_doubles_hold)
{
	for (unsigned shift = 0; shift < 64; shift++) {
		int64_t n = (int64_t)(UINT64_C(1) << shift);
		check(tree_int(n));
		check(tree_int(n - (n != INT64_MIN)));
		check(tree_int(n == INT64_MIN ? n : -n));
	}
	check_line(tree_int((INT64_C(1) << 53) - 1), false, "{\"v\":9007199254740991}");
	check_line(tree_int(INT64_C(1) << 53), false,
		   "{\"v\":\"9007199254740992\",\"enc\":{\"v\":\"int\"}}");
	check_line(tree_int(-(INT64_C(1) << 53)), false,
		   "{\"v\":\"-9007199254740992\",\"enc\":{\"v\":\"int\"}}");
	uint8_t two_63[9] = {[7] = 0x80}, two_200[26] = {[25] = 1};
	check_line(tree_text(VALUE_BIGINT, two_63, 9), false,
		   "{\"v\":\"9223372036854775808\",\"enc\":{\"v\":\"int\"}}");
	check(tree_text(VALUE_BIGINT, two_200, 26));
	static uint8_t big[65535];
	memset(big, 0x81, sizeof big);
	for (size_t n = 500; n < 520; n++)
		check(tree_text(VALUE_BIGINT, big, n));
	check_line((struct node){.tag = VALUE_HUGEINT, .full = 900000}, false,
		   "{\"v\":{\"_type\":\"int\",\"bits\":900000}}");
	check((struct node){.tag = VALUE_HUGEINT, .full = UINT64_MAX});
	fini();
}
END_TEST

START_TEST(floats_are_floats_bit_by_bit)
{
	static const double numbers[] = {0.0, -0.0, 1.0, -1.0, 0.1, 5e-324, -5e-324, 1e22, 1e16,
					 2.2250738585072014e-308, 1.7976931348623157e308,
					 -1.7976931348623157e308};
	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		check(tree_float(numbers[i]));
	check_line(tree_float(-0.0), false, "{\"v\":-0.0}");
	check_line(tree_float(NAN), false, "{\"v\":\"nan\",\"enc\":{\"v\":\"float\"}}");
	check_line(tree_float(-NAN), false, "{\"v\":\"nan\",\"enc\":{\"v\":\"float\"}}");
	check_line(tree_float(INFINITY), false, "{\"v\":\"inf\",\"enc\":{\"v\":\"float\"}}");
	check_line(tree_float(-INFINITY), false, "{\"v\":\"-inf\",\"enc\":{\"v\":\"float\"}}");
	fini();
}
END_TEST

START_TEST(text_and_bytes_say_what_they_are)
{
	check_line(tree_str("100%"), false, "{\"v\":\"100%\"}");
	check_line(tree_text(VALUE_BYTES8, "100%", 4), false,
		   "{\"v\":\"100%\",\"enc\":{\"v\":\"bytes\"}}");
	check_line(tree_text(VALUE_BYTES8, "\xff%", 2), false,
		   "{\"v\":\"%FF%25\",\"enc\":{\"v\":\"bytes+percent\"}}");
	check_line(tree_str("/caf\xed\xb3\xa9"), false,
		   "{\"v\":\"/caf%E9\",\"enc\":{\"v\":\"percent\"}}");
	for (unsigned i = 0; i < TREE_PIECES; i++) {
		check(tree_text(VALUE_STR8, tree_pieces[i].bytes, tree_pieces[i].n));
		check(tree_text(VALUE_BYTES8, tree_pieces[i].bytes, tree_pieces[i].n));
		check(tree_text(VALUE_OBJECT, tree_pieces[i].bytes, tree_pieces[i].n));
	}
	fini();
}
END_TEST

/* In a str the three bytes are a surrogate, which was one byte; in bytes they are three. */
START_TEST(bytes_that_look_like_a_surrogate_stay_three_bytes)
{
	check_line(tree_text(VALUE_BYTES8, "\xed\xb2\x80", 3), false,
		   "{\"v\":\"%ED%B2%80\",\"enc\":{\"v\":\"bytes+percent\"}}");
	check_line(tree_text(VALUE_STR8, "\xed\xb2\x80", 3), false,
		   "{\"v\":\"%80\",\"enc\":{\"v\":\"percent\"}}");
	fini();
}
END_TEST

START_TEST(a_cut_text_of_a_mebibyte_tells_its_length)
{
	static uint8_t text[1u << 20];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)('a' + i % 26);
	struct node node = tree_text(VALUE_STR_CUT, text, 4096);
	node.full = 1u << 20;
	check(node);
	check(tree_text(VALUE_STR, text, sizeof text));
	node = tree_text(VALUE_BYTES_CUT, text, sizeof text);
	node.full = UINT64_MAX;
	check(node);
	memset(text + 500000, 0xff, 3);
	check(tree_text(VALUE_BYTES, text, sizeof text));
	memset(text, 0, sizeof text);
	check(tree_text(VALUE_BYTES, text, sizeof text));
	fini();
}
END_TEST

START_TEST(containers_keep_their_items_and_say_what_is_left_out)
{
	check(tree_items(VALUE_TUPLE, NULL, 0));
	check(tree_items(VALUE_LIST, NULL, 0));
	check(tree_items(VALUE_DICT, NULL, 0));
	struct node node = TREE_ITEMS(VALUE_LIST, tree_int(1), tree_str("\xff"),
				      TREE_ITEMS(VALUE_TUPLE, tree_float(NAN)));
	node.full = 70000;
	check_line(node, false,
		   "{\"v\":[1,\"%FF\",[\"nan\"]],\"enc\":{\"v[1]\":\"percent\","
		   "\"v[2][0]\":\"float\"},\"trunc\":{\"v\":70000}}");
	check(node);
	for (unsigned kind = 0; kind < 300; kind += kind < 10 ? 1 : 245) {
		check(tree_kind(VALUE_SHAPE, kind, 70000));
		check(tree_kind(VALUE_SECRET, kind, 12));
	}
	check_line(tree_kind(VALUE_SHAPE, KIND_LIST, 7), false,
		   "{\"v\":{\"_type\":\"list\",\"len\":7},\"trunc\":{\"v\":7}}");
	check_line(tree_kind(VALUE_SECRET, KIND_STR, 12), false,
		   "{\"v\":{\"_secret\":\"str\",\"len\":12}}");
	check_line(tree_kind(VALUE_SECRET, KIND_INT, 0), false, "{\"v\":{\"_secret\":\"int\"}}");
	check_line(tree_plain(VALUE_ELLIPSIS), false, "{\"v\":{\"_type\":\"ellipsis\"}}");
	check_line(tree_plain(VALUE_NONE), false, "{\"v\":null}");
	check_line(tree_plain(VALUE_TRUE), false, "{\"v\":true}");
	check_line(tree_plain(VALUE_FALSE), false, "{\"v\":false}");
	fini();
}
END_TEST

START_TEST(a_dict_is_an_object_only_when_its_keys_are_names_as_they_are)
{
	check_line(TREE_ITEMS(VALUE_DICT, tree_str("a"), tree_int(1), tree_str(""), tree_int(2)),
		   false, "{\"v\":{\"a\":1,\"\":2}}");
	check_line(TREE_ITEMS(VALUE_DICT, tree_int(1), tree_str("\xff")), false,
		   "{\"v\":{\"_dict\":[[1,\"%FF\"]]},\"enc\":{\"v[0][1]\":\"percent\"}}");
	check_line(TREE_ITEMS(VALUE_DICT, tree_str("_type"), tree_int(1)), false,
		   "{\"v\":{\"_dict\":[[\"_type\",1]]}}");
	check_line(TREE_ITEMS(VALUE_DICT, tree_str("_secret"), tree_int(1)), false,
		   "{\"v\":{\"_dict\":[[\"_secret\",1]]}}");
	check_line(TREE_ITEMS(VALUE_DICT, tree_str("_dict"), tree_int(1)), false,
		   "{\"v\":{\"_dict\":[[\"_dict\",1]]}}");
	check_line(TREE_ITEMS(VALUE_DICT, tree_str("a"), tree_int(1), tree_str("ab"), tree_int(2),
			      tree_str("a"), tree_int(3)),
		   false, "{\"v\":{\"_dict\":[[\"a\",1],[\"ab\",2],[\"a\",3]]}}");
	check_line(TREE_ITEMS(VALUE_DICT, tree_str("_types"), tree_int(1)), false,
		   "{\"v\":{\"_types\":1}}");
	check(TREE_ITEMS(VALUE_DICT, TREE_ITEMS(VALUE_TUPLE, tree_str("a"), tree_plain(VALUE_NONE)),
			 tree_int(1)));
	fini();
}
END_TEST

/* As in an environment of surrogates: two keys that look the same once they are shown. */
START_TEST(keys_that_would_look_the_same_stay_apart)
{
	static char key[5000];
	memset(key, 'k', sizeof key);
	check(TREE_ITEMS(VALUE_DICT, tree_str("\xed\xb2\x80"), tree_int(1), tree_str("%80"),
			 tree_int(2)));
	check(TREE_ITEMS(VALUE_DICT, tree_text(VALUE_STR8, "a\0", 2), tree_int(1),
			 tree_str("a%00"), tree_int(2)));
	struct node cut = tree_text(VALUE_STR_CUT, key, 4096), other = cut;
	cut.full = 5000;
	other.full = 6000;
	check(TREE_ITEMS(VALUE_DICT, cut, tree_int(1), other, tree_int(2)));
	check(TREE_ITEMS(VALUE_DICT, tree_text(VALUE_STR, key, 4096), tree_int(1), other,
			 tree_int(2)));
	check_line(TREE_ITEMS(VALUE_DICT, tree_str("http://a:b@h"), tree_int(1),
			      tree_str("http://a:c@h"), tree_int(2)),
		   true,
		   "{\"v\":{\"_dict\":[[\"http://[redacted]@h\",1],[\"http://[redacted]@h\",2]]},"
		   "\"enc\":{\"v[0][0]\":\"redacted\",\"v[1][0]\":\"redacted\"}}");
	fini();
}
END_TEST

START_TEST(secrets_in_lists_and_dicts_are_replaced_on_request_only)
{
	struct node list = TREE_ITEMS(VALUE_LIST, tree_str("--password"), tree_str("hunter2"),
				      tree_str("--token=abc"), tree_str("--password"), tree_int(7),
				      tree_str("plain"));
	struct node dict = TREE_ITEMS(VALUE_DICT, tree_str("API_KEY"), tree_str("abc"),
				      tree_str("token"), tree_int(1), tree_str("user"),
				      tree_str("me"));
	struct node bytes = TREE_ITEMS(VALUE_DICT, tree_text(VALUE_BYTES8, "password", 8),
				       tree_text(VALUE_BYTES8, "abc", 3));
	check_line(list, true,
		   "{\"v\":[\"--password\",\"[redacted]\",\"--token=[redacted]\",\"--password\",7,"
		   "\"plain\"],\"enc\":{\"v[1]\":\"redacted\",\"v[2]\":\"redacted\"}}");
	check_line(dict, true, "{\"v\":{\"API_KEY\":\"[redacted]\",\"token\":1,\"user\":\"me\"},"
			       "\"enc\":{\"v[0]\":\"redacted\"}}");
	check_line(bytes, true,
		   "{\"v\":{\"_dict\":[[\"password\",\"[redacted]\"]]},\"enc\":"
		   "{\"v[0][0]\":\"bytes\",\"v[0][1]\":\"redacted\"}}");
	check_line(tree_text(VALUE_BYTES8, "token=abc \xff", 11), true,
		   "{\"v\":\"token=[redacted] %FF\",\"enc\":{\"v\":\"bytes+percent+redacted\"}}");
	check(list);
	check(dict);
	check(bytes);
	fini();
}
END_TEST

/* The items of a sequence through encode_strings(). */
static void
check_strings(struct node node, const char *expected)
{
	static const struct where where = {.name = "argv", .name_len = 4};
	struct value sequence;
	tree_encode(&node, 1);
	value_read(tree_bytes, &sequence);
	line_cut(&out, 0);
	encoder_begin(&encoder, false);
	line_literal(&out, "{\"argv\":");
	encode_strings(&encoder, &out, &sequence, &where);
	encoder_notes(&encoder, &out);
	line_literal(&out, "}\n");
	json_decref(oracle_parse(out.text, out.len));
	out.text[out.len - 1] = '\0';
	ck_assert_str_eq(out.text, expected);
}

START_TEST(an_argv_is_strings_whatever_is_in_it)
{
	struct node node = TREE_ITEMS(VALUE_LIST, tree_str("ls"), tree_int(-5),
				      tree_str("\xed\xb2\x80"),
				      tree_text(VALUE_OBJECT, "pathlib.Path", 12),
				      tree_plain(VALUE_NONE), TREE_ITEMS(VALUE_LIST, tree_int(1)),
				      tree_text(VALUE_BYTES8, "-l", 2));
	node.full = 9;
	check_strings(node, "{\"argv\":[\"ls\",\"-5\",\"%80\",\"<pathlib.Path>\",\"<NoneType>\","
			    "\"<object>\",\"-l\"],\"enc\":{\"argv[1]\":\"type\",\"argv[2]\":"
			    "\"percent\",\"argv[3]\":\"type\",\"argv[4]\":\"type\",\"argv[5]\":"
			    "\"type\",\"argv[6]\":\"bytes\"},\"trunc\":{\"argv\":9}}");
	check_strings(TREE_ITEMS(VALUE_TUPLE, tree_text(VALUE_OBJECT, "m.\xff%", 4)),
		      "{\"argv\":[\"<m.%FF%25>\"],\"enc\":{\"argv[0]\":\"percent+type\"}}");
	fini();
}
END_TEST

/* What the kernel says is bytes: no surrogate ever was in it. */
START_TEST(the_argv_of_a_process_is_bytes)
{
	static const struct where where = {.name = "argv", .name_len = 4};
	char *argv[] = {"a%", "\xed\xb2\x80", "\xff", "--token", "s3cr3t", "", NULL};
	line_literal(&out, "{\"argv\":");
	encoder_begin(&encoder, true);
	encode_argv(&encoder, &out, argv, &where);
	encoder_notes(&encoder, &out);
	line_literal(&out, "}\n");
	json_decref(oracle_parse(out.text, out.len));
	out.text[out.len - 1] = '\0';
	ck_assert_str_eq(out.text, "{\"argv\":[\"a%\",\"%ED%B2%80\",\"%FF\",\"--token\","
				   "\"[redacted]\",\"\"],\"enc\":{\"argv[1]\":\"percent\","
				   "\"argv[2]\":\"percent\",\"argv[4]\":\"redacted\"}}");
	fini();
}
END_TEST

START_TEST(an_argv_of_64_kib_is_whole)
{
	static char words[64][1024];
	struct node kids[64];
	for (unsigned i = 0; i < 64; i++) {
		memset(words[i], 'a' + (int)i % 26, sizeof words[i]);
		words[i][i] = i % 3 ? 'x' : '\xff';
		kids[i] = tree_text(VALUE_STR, words[i], sizeof words[i]);
	}
	check(tree_items(VALUE_LIST, kids, 64));
	fini();
}
END_TEST

START_TEST(random_values_come_back)
{
	for (unsigned seed = 0; seed < rounds(30000); seed++) {
		struct dice dice = {seed};
		tree_reset();
		check(tree_random(&dice, VALUE_MAX_DEPTH));
	}
	fini();
}
END_TEST

/* With redaction values differ; the lines must still be lines. */
START_TEST(random_values_stay_valid_when_redacted)
{
	for (unsigned seed = 0; seed < rounds(10000); seed++) {
		struct dice dice = {seed};
		tree_reset();
		struct node node = tree_random(&dice, VALUE_MAX_DEPTH);
		tree_encode(&node, 1);
		json_decref(encoded(true));
	}
	fini();
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("encode");
	tcase_add_test(tc, integers_are_exact_and_strings_beyond_what_doubles_hold);
	tcase_add_test(tc, floats_are_floats_bit_by_bit);
	tcase_add_test(tc, text_and_bytes_say_what_they_are);
	tcase_add_test(tc, bytes_that_look_like_a_surrogate_stay_three_bytes);
	tcase_add_test(tc, a_cut_text_of_a_mebibyte_tells_its_length);
	tcase_add_test(tc, containers_keep_their_items_and_say_what_is_left_out);
	tcase_add_test(tc, a_dict_is_an_object_only_when_its_keys_are_names_as_they_are);
	tcase_add_test(tc, keys_that_would_look_the_same_stay_apart);
	tcase_add_test(tc, secrets_in_lists_and_dicts_are_replaced_on_request_only);
	tcase_add_test(tc, an_argv_is_strings_whatever_is_in_it);
	tcase_add_test(tc, the_argv_of_a_process_is_bytes);
	tcase_add_test(tc, an_argv_of_64_kib_is_whole);
	tcase_add_test(tc, random_values_come_back);
	tcase_add_test(tc, random_values_stay_valid_when_redacted);
	return suite_run("encode", tc);
}
