/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

#define COMMAND_LINE_BYTES (128u << 10) /* what is kept of one; the rest is left out */

/* One allocation: the pointers, then the words. */
static char **
split_words(const char *text, size_t n)
{
	size_t n_words = 0;
	for (size_t i = 0; i < n; i++)
		n_words += text[i] == '\0';
	char **words = malloc((n_words + 2) * sizeof *words + n + 1);
	if (words == NULL)
		return NULL;
	char *copy = (char *)(words + n_words + 2);
	memcpy(copy, text, n);
	copy[n] = '\0';
	size_t at = 0;
	for (char *word = copy; word < copy + n; word += strlen(word) + 1)
		words[at++] = word;
	words[at] = NULL;
	return words;
}

static int64_t
own_clock_offset_ns(void)
{
	static int64_t offset_ns;
	static bool known;
	int proc = known ? -1 : open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc >= 0) {
		offset_ns = proc_clock_offset_ns(proc);
		close(proc);
	}
	known = true;
	return offset_ns;
}

int
identity_read(struct identity *identity, int proc, uint32_t pid)
{
	struct proc_stat stat;
	struct proc_status status;
	memset(identity, 0, sizeof *identity);
	int err = proc_stat(proc, &stat);
	if (err == 0)
		err = proc_status(proc, &status);
	if (err < 0)
		return err == -ENOENT ? -ESRCH : err;
	identity->pid = pid;
	identity->ns_pid = status.ns_pid;
	identity->ppid = stat.ppid;
	identity->uid = status.euid;
	identity->start_time = stat.start_time;
	identity->alive = true;
	identity->clock_offset_ns = proc_clock_offset_ns(proc) - own_clock_offset_ns();
	identity->exe = proc_link(proc, "exe");
	identity->cwd = proc_link(proc, "cwd");
	char *line = malloc(COMMAND_LINE_BYTES);
	ssize_t n = line != NULL ? proc_read(proc, "cmdline", line, COMMAND_LINE_BYTES) : -ENOMEM;
	if (n > 0)
		identity->argv = split_words(line, (size_t)n);
	free(line);
	return 0;
}

/* The next NUL-terminated word of *at, which is moved behind it; NULL: there is none. */
static const char *
next_word(const char **at, const char *end)
{
	const char *word = *at;
	const char *nul = word < end ? memchr(word, '\0', (size_t)(end - word)) : NULL;
	if (nul != NULL)
		*at = nul + 1;
	return nul != NULL ? word : NULL;
}

void
identity_from_process(struct identity *identity, const char *at, size_t n)
{
	const char *end = at + n, *exe, *cwd;
	if ((exe = next_word(&at, end)) == NULL || (cwd = next_word(&at, end)) == NULL)
		return;
	identity->exe = exe[0] != '\0' ? strdup(exe) : NULL;
	identity->cwd = cwd[0] != '\0' ? strdup(cwd) : NULL;
	identity->argv = split_words(at, (size_t)(end - at));
}

void
identity_fini(struct identity *identity)
{
	free(identity->exe);
	free(identity->cwd);
	free(identity->argv);
	memset(identity, 0, sizeof *identity);
}

const char *
identity_command(const struct identity *identity, char *buffer, size_t buffer_bytes)
{
	size_t n = 0;
	snprintf(buffer, buffer_bytes, "?");
	for (char **word = identity->argv; word != NULL && *word != NULL; word++) {
		int more = snprintf(buffer + n, buffer_bytes - n, "%s%s", n > 0 ? " " : "", *word);
		if (more < 0 || (size_t)more >= buffer_bytes - n)
			break;
		n += (size_t)more;
	}
	return buffer;
}

/*
 * The script or module among the interpreter's arguments: what follows -m, or the first word
 * that is no option. NULL with -c, or when there is none.
 */
static const char *
script_name(char *const *argv)
{
	if (argv == NULL || argv[0] == NULL)
		return NULL;
	for (char *const *word = argv + 1; *word != NULL; word++) {
		const char *text = *word;
		if (text[0] != '-' || text[1] == '\0')
			return text;
		if (strcmp(text, "-m") == 0)
			return word[1];
		if (strcmp(text, "-c") == 0)
			return NULL;
		if (strcmp(text, "-W") == 0 || strcmp(text, "-X") == 0)
			if (*++word == NULL)
				return NULL;
	}
	return NULL;
}

bool
identity_matches(const struct identity *identity, const char *glob)
{
	char pattern[512], command[8192];
	const char *script = script_name(identity->argv);
	bool wild = strpbrk(glob, "*?[") != NULL;
	if (identity->argv == NULL)
		return false;
	snprintf(pattern, sizeof pattern, wild ? "%s" : "*%s*", glob);
	if (fnmatch(pattern, identity_command(identity, command, sizeof command), 0) == 0)
		return true;
	if (script == NULL)
		return false;
	const char *slash = strrchr(script, '/');
	return fnmatch(pattern, script, 0) == 0 ||
	       (slash != NULL && fnmatch(pattern, slash + 1, 0) == 0);
}

uint64_t
identity_ticks(const struct identity *identity, enum clock_kind kind, uint64_t ticks)
{
	return clock_is_counter(kind) ? ticks : ticks - (uint64_t)identity->clock_offset_ns;
}
