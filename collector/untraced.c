/* SPDX-License-Identifier: MIT */
#include "untraced.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

struct libraries {
	bool python, hook, segment;
};

static bool
note_library(void *context, const struct proc_mapping *mapping)
{
	struct libraries *libraries = context;
	const char *slash = strrchr(mapping->path, '/');
	if (slash != NULL && strncmp(slash, "/libpython", 10) == 0)
		libraries->python = true;
	if (strstr(mapping->path, "/pyauditd/_hook.") != NULL)
		libraries->hook = true;
	if (strstr(mapping->path, "/pyauditd.") != NULL)
		libraries->segment = true;
	return !libraries->segment;
}

/* False: they cannot be seen. */
static bool
look(int proc, struct libraries *libraries)
{
	int maps = proc_open_maps(proc);
	if (maps < 0)
		return false;
	proc_maps(maps, note_library, libraries);
	close(maps);
	return true;
}

static bool
is_named_python(int proc)
{
	char *exe = proc_link(proc, "exe");
	const char *slash = exe != NULL ? strrchr(exe, '/') : NULL;
	bool is = slash != NULL && strncmp(slash, "/python", 7) == 0;
	free(exe);
	return is;
}

bool
untraced_python(int proc)
{
	struct libraries libraries = {.python = false};
	return look(proc, &libraries) && !libraries.hook && !libraries.segment &&
	       (libraries.python || is_named_python(proc));
}

bool
untraced_worker(int proc)
{
	struct libraries libraries = {.python = false};
	return look(proc, &libraries) && libraries.hook && !libraries.segment;
}
