/* SPDX-License-Identifier: MIT */
#include "cells.h"

#include <pwd.h>
#include <string.h>

#include "encode.h"
#include "escape.h"
#include "redact.h"
#include "safe.h"

#define COMMAND_BYTES 160 /* of a command line that people are shown */

/* As PYAUDITD_RING has it: 256k, 4m. A ring is a power of two. */
void
put_size(struct line *out, uint64_t bytes)
{
	unsigned unit = 0;
	while (unit < 3 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	line_u64(out, bytes);
	if (unit > 0)
		line_char(out, " kmg"[unit]);
}

void
put_age(struct line *out, uint64_t now_ns, uint64_t since_ns)
{
	uint64_t s = now_ns > since_ns ? (now_ns - since_ns) / 1000000000u : 0;
	bool seconds = s < 100, minutes = s < 100 * 60, hours = s < 48 * 3600;
	line_u64(out, seconds ? s : minutes ? s / 60 : hours ? s / 3600 : s / 86400);
	line_char(out, seconds ? 's' : minutes ? 'm' : hours ? 'h' : 'd');
}

/* The text of a JSON string, quotes included; without them where no blank divides it. */
static void
put_word(struct line *out, const char *string, size_t n)
{
	if (n > 2 && memchr(string, ' ', n) == NULL && memchr(string + 1, '"', n - 2) == NULL) {
		safe_json(out, string + 1, n - 2);
	} else {
		line_char(out, '"');
		safe_json(out, string + 1, n - 1);
	}
}

/* As if the string began at the last slash before its end: that stands where its quote did. */
static const char *
without_folder(const char *at, const char *next)
{
	const char *slash = next - at > 3 ? memrchr(at, '/', (size_t)(next - at) - 2) : NULL;
	return slash != NULL ? slash : at;
}

/* Where a JSON string ends that begins at `at`. */
static const char *
string_end(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		at += *at == '\\';
	return at < end ? at + 1 : end;
}

/* The command line, from the array that the stream would show, so as well redacted. */
void
put_command(struct line *out, const struct identity *identity, bool folder)
{
	static const struct where nowhere = {.name = ""};
	struct encoder encoder = {0};
	struct line array = {0}, command = {0};
	if (identity->argv == NULL || identity->argv[0] == NULL) {
		line_char(out, '?');
		return;
	}
	encoder_begin(&encoder, true);
	encode_argv(&encoder, &array, identity->argv, &nowhere);
	const char *at = array.text + 1, *end = array.text + array.len - 1;
	while (!array.failed && at < end) {
		const char *next = string_end(at, end);
		if (command.len > 0)
			line_char(&command, ' ');
		else if (!folder)
			at = without_folder(at, next);
		put_word(&command, at, (size_t)(next - at));
		at = next + 1; /* the comma */
	}
	size_t n = command.len;
	if (n > COMMAND_BYTES) {
		n = COMMAND_BYTES;
		while (n > 0 && ((uint8_t)command.text[n] & 0xc0) == 0x80)
			n--;
	}
	line_bytes(out, command.text, n);
	if (n < command.len)
		line_literal(out, "...");
	out->failed |= array.failed || command.failed;
	line_fini(&command);
	line_fini(&array);
	encoder_fini(&encoder);
}

void
put_text(struct line *out, const char *string)
{
	struct line json = {0};
	escape_json_bare(&json, (const uint8_t *)string, strlen(string));
	safe_json(out, json.text, json.len);
	out->failed |= json.failed;
	line_fini(&json);
}

void
put_user(struct line *out, uint32_t uid)
{
	const struct passwd *user = getpwuid(uid);
	if (user != NULL)
		put_text(out, user->pw_name);
	else
		line_u64(out, uid);
}

