/* SPDX-License-Identifier: MIT */
#include "redact.h"

#define WORD(text) {text, sizeof text - 1}
static const struct {
	const char *text;
	size_t len;
} words[] = {
	WORD("password"),    WORD("passwd"),      WORD("passphrase"), WORD("passwort"),
	WORD("pwd"),         WORD("secret"),      WORD("token"),      WORD("apikey"),
	WORD("api_key"),     WORD("access_key"),  WORD("secret_key"), WORD("private_key"),
	WORD("auth_key"),    WORD("account_key"), WORD("credential"), WORD("credentials"),
	WORD("authorization"), WORD("cookie"),    WORD("signature"),  WORD("sessionid"),
	WORD("session_id"),  WORD("secret_id"),   WORD("_pass"),
};

static char
folded(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 32);
	return c == '-' ? '_' : (char)c;
}

static bool
is_name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static bool
ends_in(const uint8_t *text, size_t n, const char *word, size_t k)
{
	if (k > n)
		return false;
	const uint8_t *end = text + n - k;
	while (k > 0 && folded(end[k - 1]) == word[k - 1])
		k--;
	return k == 0;
}

bool
redact_is_name(const uint8_t *text, size_t n)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (ends_in(text, n, words[i].text, words[i].len))
			return true;
	return false;
}

/* Of headers with several words. */
static bool
is_header_name(const uint8_t *text, size_t n)
{
	return ends_in(text, n, "authorization", 13) || ends_in(text, n, "cookie", 6);
}

bool
redact_wants_next(const uint8_t *text, size_t n)
{
	if (n < 3 || text[0] != '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_name_char(text[i]))
			return false;
	return redact_is_name(text, n);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Between a name and its value; a value is on the line of its name. */
static bool
is_gap(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* The text under work; what lies before `copied` is in `out`. */
struct scan {
	const uint8_t *text;
	size_t n, copied;
	struct line *out;
	bool element, found;
};

static void
replace(struct scan *scan, size_t from, size_t to)
{
	if (from >= to || from < scan->copied)
		return;
	line_bytes(scan->out, scan->text + scan->copied, from - scan->copied);
	line_literal(scan->out, REDACTED);
	scan->copied = to;
	scan->found = true;
}

static bool
is_quote(uint8_t c)
{
	return c == '"' || c == '\'';
}

/* Where a value without quotes ends: rather behind it than within it. */
static size_t
word_end(const struct scan *scan, size_t i)
{
	const uint8_t *t = scan->text;
	while (i < scan->n && !is_blank(t[i]) && !is_quote(t[i]) && t[i] != '&' && t[i] != ';')
		i += t[i] == '\\' && i + 1 < scan->n ? 2 : 1;
	return i;
}

/* Does a quote behind `run` backslashes close what one behind `depth` has opened? */
static bool
closes(size_t run, size_t depth)
{
	return run <= depth || run % (2 * (depth + 1)) == depth;
}

/*
 * Where text in quotes ends, whose opening quote is behind `depth` backslashes, as in a shell's
 * "{\"name\": \"value\"}": at the next one behind as many, or fewer; with more, it is of the text.
 */
static size_t
quoted_end(const uint8_t *t, size_t i, size_t n, uint8_t quote, size_t depth)
{
	size_t run = 0;
	for (; i < n; i++) {
		if (t[i] == quote && closes(run, depth))
			return i - (run < depth ? run : depth);
		run = t[i] == '\\' ? run + 1 : 0;
	}
	return i;
}

/* How long it is what stands for a quote between two pieces of a shell's word: '\\'' or '"'"'. */
static size_t
requoted(const struct scan *scan, size_t i, uint8_t quote)
{
	const uint8_t *t = scan->text + i;
	size_t n = scan->n - i;
	if (n >= 3 && t[0] == '\\' && is_quote(t[1]) && t[2] == quote)
		return 3;
	return n >= 4 && is_quote(t[0]) && t[0] != quote && is_quote(t[1]) && t[2] == t[0] &&
			       t[3] == quote
		       ? 4
		       : 0;
}

/* The closing quote, or where the shell's word ends that goes on behind it: "a"b. */
static size_t
joined_end(const struct scan *scan, size_t end, uint8_t quote)
{
	static const char others[] = " \t\r\n,;:&|)}]>\"'\\";
	size_t next;
	while (end < scan->n && (next = requoted(scan, end + 1, quote)) > 0)
		end = quoted_end(scan->text, end + 1 + next, scan->n, quote, 0);
	if (end + 1 >= scan->n || memchr(others, scan->text[end + 1], sizeof others - 1) != NULL)
		return end;
	return word_end(scan, end + 1);
}

/* The value behind a separator at `i`: quoted, or up to what ends it; returns its end. */
static size_t
hide_value(struct scan *scan, size_t i, bool to_the_end)
{
	const uint8_t *t = scan->text;
	size_t quote = i, end;
	while (quote < scan->n && t[quote] == '\\')
		quote++;
	if (to_the_end) {
		end = scan->n;
	} else if (quote < scan->n && is_quote(t[quote])) {
		size_t depth = quote - i;
		i = quote + 1;
		end = quoted_end(t, i, scan->n, t[quote], depth);
		if (depth == 0)
			end = joined_end(scan, end, t[quote]);
	} else {
		end = word_end(scan, i);
	}
	replace(scan, i, end);
	return end;
}

/*
 * The value of a header at `i`, whose name begins at `name`: the rest of its line, in quotes that
 * begin before the name ("--header=Name: ...") up to their end.
 */
static size_t
hide_header(struct scan *scan, size_t name, size_t i)
{
	const uint8_t *t = scan->text;
	size_t end = i, depth = 0, run = 0;
	while (name > scan->copied && (is_name_char(t[name - 1]) || t[name - 1] == '='))
		name--;
	bool quoted = name > scan->copied && is_quote(t[name - 1]);
	while (quoted && name - 1 - depth > scan->copied && t[name - 2 - depth] == '\\')
		depth++;
	/* No byte is looked at that stands behind the end: many headers take no quadratic time. */
	for (; end < scan->n && t[end] != '\r' && t[end] != '\n'; end++) {
		if (quoted && t[end] == t[name - 1] && closes(run, depth)) {
			end -= run < depth ? run : depth;
			break;
		}
		run = t[end] == '\\' ? run + 1 : 0;
	}
	replace(scan, i, end);
	return end;
}

static size_t
skip_gap(const struct scan *scan, size_t i)
{
	while (i < scan->n && is_gap(scan->text[i]))
		i++;
	return i;
}

/* "Bearer X", "Basic X": the scheme is no secret and ends at a blank. */
static size_t
skip_scheme(const struct scan *scan, size_t i)
{
	static const char *const schemes[] = {"bearer ", "basic ", "digest ", "token "};
	for (size_t k = 0; k < sizeof schemes / sizeof schemes[0]; k++) {
		size_t len = strlen(schemes[k]), j = 0;
		while (j < len && i + j < scan->n && folded(scan->text[i + j]) == schemes[k][j])
			j++;
		if (j == len)
			return i + len;
	}
	return i;
}

/* `i`: in an element, is what stands before all of it names? --env=NAME= */
static bool
only_names(const struct scan *scan, size_t i)
{
	while (i > 0 && (is_name_char(scan->text[i - 1]) || scan->text[i - 1] == '='))
		i--;
	return i == 0;
}

/* A separator at `i` whose name ends there: name=, name:, "name":, --name X. */
static size_t
look_at_separator(struct scan *scan, size_t i)
{
	const uint8_t *t = scan->text;
	uint8_t separator = t[i];
	size_t end = i;
	bool quoted = false;
	if (separator == ':') { /* "name": and "name" : */
		size_t k = i;
		while (k > 0 && is_gap(t[k - 1]))
			k--;
		quoted = k > 0 && is_quote(t[k - 1]);
		if (quoted)
			end = k - 1;
		while (quoted && end > 0 && t[end - 1] == '\\')
			end--;
	}
	size_t begin = end;
	while (begin > 0 && is_name_char(t[begin - 1]))
		begin--;
	if (begin == end || !redact_is_name(t + begin, end - begin))
		return i + 1;
	if (is_gap(separator) && t[begin] != '-')
		return i + 1;
	bool header = separator == ':' && !quoted && is_header_name(t + begin, end - begin);
	if (separator == ':' && !quoted && !header && t[begin] != '-' && i + 1 < scan->n &&
	    !is_blank(t[i + 1]) && !is_quote(t[i + 1]))
		return i + 1; /* passwd:db, C++ names, host:port */
	size_t value = separator == '=' ? i + 1 : skip_scheme(scan, skip_gap(scan, i + 1));
	bool to_the_end = scan->element && only_names(scan, begin);
	return header && !to_the_end ? hide_header(scan, begin, value)
				     : hide_value(scan, value, to_the_end);
}

/*
 * Does it end the authority at `k`, which begins at `begin`? In a password, for which a colon
 * stands before it, no: but after a port.
 */
static bool
ends_authority(const uint8_t *t, size_t begin, size_t colon, size_t k)
{
	if (is_blank(t[k]) || t[k] == '/' || t[k] == '"')
		return true;
	if (t[k] != '?' && t[k] != '#')
		return false;
	if (colon == begin)
		return true;
	if (k - colon > 6)
		return false;
	while (++colon < k)
		if (t[colon] < '0' || t[colon] > '9')
			return false;
	return true;
}

/* "://" at `i`: what stands before an @ of the authority. */
static size_t
look_at_url(struct scan *scan, size_t i)
{
	const uint8_t *t = scan->text;
	size_t begin = i + 3, at = 0, colon = begin;
	for (size_t k = begin; k < scan->n && !ends_authority(t, begin, colon, k); k++) {
		if (t[k] == ':' && colon == begin)
			colon = k;
		if (t[k] == '@')
			at = k; /* the last one: a password may hold others */
	}
	if (at > begin)
		replace(scan, begin, at);
	return begin;
}

/* Where a value may begin. */
static inline bool
is_separator(uint8_t c)
{
	return c == '=' || c == ':' || is_gap(c);
}

/* Eight bytes without a separator; sometimes no although there is none. */
static inline bool
none_separates(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t equals = x ^ (ones * '='), colon = x ^ (ones * ':');
	uint64_t marked = ((x - ones * 0x21) & ~x) | ((equals - ones) & ~equals) |
			  ((colon - ones) & ~colon);
	return (marked & tops) == 0;
}

/* Most text has none: it is passed over at once. */
static inline size_t
next_separator(const uint8_t *text, size_t i, size_t n)
{
	uint64_t chunk;
	while (n - i >= sizeof chunk) {
		memcpy(&chunk, text + i, sizeof chunk);
		if (!none_separates(chunk))
			break;
		i += sizeof chunk;
	}
	while (i < n && !is_separator(text[i]))
		i++;
	return i;
}

/* user:password@host and no more: the @, or 0. A digest, name:tag@sha256:..., is none. */
static size_t
userinfo_end(const uint8_t *text, size_t n)
{
	size_t colon = 0, at = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_blank(text[i]) || text[i] == '/' || text[i] == '"' || text[i] == '=')
			return 0;
		if (text[i] == ':' && colon == 0)
			colon = i;
		if (text[i] == '@')
			at = i;
	}
	bool digest = n - at > 7 && memcmp(text + at + 1, "sha256:", 7) == 0;
	return colon > 0 && at > colon + 1 && at + 1 < n && !digest ? at : 0;
}

bool
redact_text(struct line *out, const uint8_t *text, size_t n, bool element)
{
	size_t i = next_separator(text, 0, n);
	if (i == n)
		return false;
	struct scan scan = {.text = text, .n = n, .out = out, .element = element};
	line_cut(out, 0);
	replace(&scan, 0, userinfo_end(text, n));
	while (i < n) {
		if (text[i] == ':' && n - i > 3 && text[i + 1] == '/' && text[i + 2] == '/')
			i = look_at_url(&scan, i);
		else
			i = look_at_separator(&scan, i);
		i = next_separator(text, i > scan.copied ? i : scan.copied, n);
	}
	if (!scan.found)
		return false;
	line_bytes(out, text + scan.copied, n - scan.copied);
	return true;
}
