/* SPDX-License-Identifier: MIT */
/* Secrets with a name are replaced, what has none stays as it is. */
#include "redact.h"
#include "suite.h"

static void
check(const char *text, bool element, const char *expected)
{
	struct line out = {0};
	bool found = redact_text(&out, (const uint8_t *)text, strlen(text), element);
	ck_assert_msg(found == (expected != NULL), "%s", text);
	if (found) {
		line_char(&out, '\0');
		ck_assert_str_eq(out.text, expected);
	}
	line_fini(&out);
}

START_TEST(options_lose_their_value)
{
	check("--password=hunter2", true, "--password=[redacted]");
	check("--api-key=a b c", true, "--api-key=[redacted]");
	check("PGPASSWORD=x&y;z", true, "PGPASSWORD=[redacted]");
	check("curl --api-key hunter2 http://h/", false, "curl --api-key [redacted] http://h/");
	check("mysql --password=\"a b\" db", false, "mysql --password=\"[redacted]\" db");
	check("mysql --password='a\\'b' db", false, "mysql --password='[redacted]' db");
	check("--db-pass=x", true, "--db-pass=[redacted]");
	check("curl --api-token:abc", false, "curl --api-token:[redacted]");
	check("PGPASSWORD=x psql", false, "PGPASSWORD=[redacted] psql");
	check("a password b", false, NULL);
	check("x --password=Tr0ub,4d}o)r y", false, "x --password=[redacted] y");
	check("x --password=\"ab\"cd y", false, "x --password=\"[redacted] y");
	check("--password=\"ab\"cd", true, "--password=[redacted]");
	check("--env=PGPASSWORD=hunter#2,3", true, "--env=PGPASSWORD=[redacted]");
	check("sh -c \"mysql --password=abc\" x", false, "sh -c \"mysql --password=[redacted]\" x");
	check("x --password='it'\\''s' y", false, "x --password='[redacted]' y");
	check("x --password='it'\"'\"'s' y", false, "x --password='[redacted]' y");
	check("x --password=\"a\\\\\" y", false, "x --password=\"[redacted]\" y");
	check("x --password=a\\ b y", false, "x --password=[redacted] y");
	check("Server=h;Password=x;Port=1", false, "Server=h;Password=[redacted];Port=1");
}
END_TEST

START_TEST(urls_lose_their_credentials)
{
	check("https://user:pw@host/p", false, "https://[redacted]@host/p");
	check("https://user:p@w@host/p", true, "https://[redacted]@host/p");
	check("https://host/p?token=abc&x=1#f", false, "https://host/p?token=[redacted]&x=1#f");
	check("https://host/a@b", false, NULL);
	check("user:pw@10.0.0.1:80", false, "[redacted]@10.0.0.1:80");
	check("user:p:w@host", true, "[redacted]@host");
	check("name:tag@sha256:0123", true, NULL);
	check("user@host:path", true, NULL);
	check("a:b@c d", true, NULL);
	check("https://user:password=abc@host/?token=x", false,
	      "https://[redacted]@host/?token=[redacted]");
	check("c https://cookie:pw@h/ --password=x", false, "c https://[redacted]@h/ --password=[redacted]");
	check("https://host/?q=a@b", false, NULL);
	check("https://host?q=a@b", false, NULL);
	check("https://host:80?q=a@b", false, NULL);
	check("postgresql://app:p#s?s@db/x", true, "postgresql://[redacted]@db/x");
	check("git clone https://t@h/r and https://u:p@i", false,
	      "git clone https://[redacted]@h/r and https://[redacted]@i");
}
END_TEST

START_TEST(headers_and_json_lose_their_value)
{
	check("Authorization: Bearer abc.def", false, "Authorization: Bearer [redacted]");
	check("authorization: Basic dTpw\r\nHost: h", false,
	      "authorization: Basic [redacted]\r\nHost: h");
	check("Cookie: sid=1; token=2", false, "Cookie: [redacted]");
	check("Cookie: a=1; sid=2\nHost: h", false, "Cookie: [redacted]\nHost: h");
	check("curl -H 'Cookie: a=1; sid=2' http://h", false, "curl -H 'Cookie: [redacted]' http://h");
	check("curl -H 'Authorization: ApiKey x y' u", false, "curl -H 'Authorization: [redacted]' u");
	check("curl -H \"Authorization:x\" u", false, "curl -H \"Authorization:[redacted]\" u");
	check("sh -c \"c -H \\\"Cookie: a=1; b=2\\\" u\"", false,
	      "sh -c \"c -H \\\"Cookie: [redacted]\\\" u\"");
	check("wget '--header=Cookie: a=1; b=2' u", false, "wget '--header=Cookie: [redacted]' u");
	check("--header=Authorization: ApiKey x", true, "--header=Authorization: [redacted]");
	check("Authorization: Digest username=\"u\", response=\"x\"", false,
	      "Authorization: Digest [redacted]");
	check("c -d \"{\\\"password\\\": \\\"s\\\\\\\"t\\\", \\\"a\\\": 1}\" u", false,
	      "c -d \"{\\\"password\\\": \\\"[redacted]\\\", \\\"a\\\": 1}\" u");
	check("{\"a\": \"{\\\"token\\\":\\\"x\\\"}\"}", false,
	      "{\"a\": \"{\\\"token\\\":\\\"[redacted]\\\"}\"}");
	check("{\"client_secret\": \"abc\", \"a\": 1}", false,
	      "{\"client_secret\": \"[redacted]\", \"a\": 1}");
	check("{\"password\" : \"x\"}", false, "{\"password\" : \"[redacted]\"}");
	check("{\"token\":\"a\\\"b\"}", false, "{\"token\":\"[redacted]\"}");
}
END_TEST

START_TEST(what_is_no_secret_stays)
{
	static const char *const texts[] = {"", "=", ":", "://", "--verbose=1", "a=b", "token",
					    "token=", "passwd:db", "std::secret::f", "tokens=3",
					    "http://", "http://@", "secretary=me", "x --password"};
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
		check(texts[i], i % 2 == 0, NULL);
}
END_TEST

START_TEST(names_are_known_in_any_case_and_by_their_end)
{
	static const char *const names[] = {"password", "PASSWORD", "db_password", "API-KEY",
					    "x-api-key", "my.token", "Cookie",
					    "AWS_SECRET_ACCESS_KEY"};
	static const char *const others[] = {"", "word", "passwor", "password_file", "keys", "key"};
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		ck_assert(redact_is_name((const uint8_t *)names[i], strlen(names[i])));
	for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
		ck_assert(!redact_is_name((const uint8_t *)others[i], strlen(others[i])));
	ck_assert(redact_wants_next((const uint8_t *)"--password", 10));
	ck_assert(redact_wants_next((const uint8_t *)"-pwd", 4));
	ck_assert(!redact_wants_next((const uint8_t *)"password", 8));
	ck_assert(!redact_wants_next((const uint8_t *)"--password=x", 12));
	ck_assert(!redact_wants_next((const uint8_t *)"-", 1));
}
END_TEST

/* A random text around a secret never shows it, and what stays is a part of what was. */
START_TEST(random_text_keeps_its_secrets)
{
	static const char *const before[] = {"--password=", "x --token ", "?api_key=", "https://u:",
					     "\"secret\": \"", "Authorization: Bearer "};
	static const char *const after[] = {"", " x", "&a=1", "@host/", "\", \"b\"", "\r\nA: b"};
	static const char *const noise[] = {"a", " ", "=", ":", "://", "\"", "'", "\\", "--",
					    "token", "@", "&", "\n", "password", "Bearer "};
	struct line out = {0};
	for (unsigned seed = 0; seed < 30000; seed++) {
		struct dice dice = {seed};
		char text[400] = "";
		unsigned which = dice_below(&dice, 6);
		for (unsigned i = dice_below(&dice, 8); i > 0; i--)
			strcat(text, noise[dice_below(&dice, 15)]);
		/* Unbalanced quotes may take what follows for a value: end them. */
		strcat(text, "\n");
		strcat(text, before[which]);
		strcat(text, "S3CR3T");
		strcat(text, after[which]);
		size_t n = strlen(text);
		bool found = redact_text(&out, (const uint8_t *)text, n, seed % 2);
		if (strchr(text, '\'') != NULL || strchr(text, '\\') != NULL)
			continue;
		NEED_MSG(found, "seed %u: %s", seed, text);
		NEED_MSG(memmem(out.text, out.len, "S3CR3T", 6) == NULL, "seed %u: %s gave %.*s",
			 seed, text, (int)out.len, out.text);
	}
	line_fini(&out);
}
END_TEST

/* The bytes may be anything, and end right before memory that is not ours. */
START_TEST(random_bytes_are_read_within_bounds)
{
	static const char *const pieces[] = {"token", "password", "=", ":", "\"", "'", "\\", "://",
					     "@", " ", "-", "Bearer ", "\xff", "x"};
	struct line out = {0};
	for (unsigned seed = 0; seed < 30000; seed++) {
		struct dice dice = {seed};
		size_t n = 0, want = dice_below(&dice, 40);
		char text[64];
		while (n < want) {
			const char *piece = pieces[dice_below(&dice, 14)];
			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		uint8_t *exact = malloc(n + (n == 0));
		memcpy(exact, text, n);
		redact_text(&out, exact, n, seed % 2);
		redact_wants_next(exact, n);
		free(exact);
	}
	line_fini(&out);
}
END_TEST

START_TEST(long_hostile_text_takes_no_quadratic_time)
{
	static const char *const pieces[] = {"token=\"", "token: ", "--token ", "://a", "token=",
					     "://@", "a:", "\"token\":", "://a:1#", "1111#",
					     "=cookie:", "'cookie: ", "'cookie: x\n", "\\\"token\\\": "};
	static uint8_t text[1u << 20];
	struct line out = {0};
	for (unsigned i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		size_t n = strlen(pieces[i]);
		for (size_t at = 0; at + n <= sizeof text; at += n)
			memcpy(text + at, pieces[i], n);
		redact_text(&out, text, sizeof text - 10, false);
	}
	line_fini(&out);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("redact");
	tcase_add_test(tc, options_lose_their_value);
	tcase_add_test(tc, urls_lose_their_credentials);
	tcase_add_test(tc, headers_and_json_lose_their_value);
	tcase_add_test(tc, what_is_no_secret_stays);
	tcase_add_test(tc, names_are_known_in_any_case_and_by_their_end);
	tcase_add_test(tc, random_text_keeps_its_secrets);
	tcase_add_test(tc, random_bytes_are_read_within_bounds);
	tcase_add_test(tc, long_hostile_text_takes_no_quadratic_time);
	return suite_run("redact", tc);
}
