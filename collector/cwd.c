/* SPDX-License-Identifier: MIT */
#include "cwd.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "path.h"
#include "proc.h"
#include "values.h"

#define DOUBT_TICKS 2 /* the event comes before the deed: by then that is done, too */

void
cwd_fini(struct cwd *cwd)
{
	free(cwd->path);
	cwd->path = NULL;
}

static void
replace(struct cwd *cwd, char *path)
{
	if (path == NULL)
		return;
	free(cwd->path);
	cwd->path = path;
}

void
cwd_begin(struct cwd *cwd, const char *path)
{
	cwd_settle(cwd, path != NULL ? strdup(path) : NULL);
}

void
cwd_change(struct cwd *cwd, const struct event *event)
{
	char path[PATH_MAX]; /* a longer one is none: who goes nowhere again and again costs no memory */
	struct value value;
	if (event->n_args == 0)
		return;
	cwd->doubt = DOUBT_TICKS;
	value_read(event->values, &value);
	if (!value_is_text(&value)) { /* a descriptor */
		cwd_forget(cwd);
		return;
	}
	const char *to = (const char *)value.bytes;
	/* From an unknown place a relative path leads to another one. */
	bool leads = value.len > 0 && (to[0] == '/' || cwd->path != NULL);
	if (leads && path_resolve(path, sizeof path, to, value.len, cwd->path))
		replace(cwd, strdup(path));
}

void
cwd_forget(struct cwd *cwd)
{
	cwd_fini(cwd);
	cwd->doubt = DOUBT_TICKS;
}

bool
cwd_tick(struct cwd *cwd)
{
	if (cwd->doubt > 1)
		cwd->doubt--;
	else if (cwd->doubt == 1)
		return true;
	return cwd->untold;
}

/* A link on the way has another name for the kernel. */
static bool
leads_there(const char *path, int proc)
{
	struct stat known, now;
	return path != NULL && stat(path, &known) == 0 && fstatat(proc, "cwd", &now, 0) == 0 &&
	       known.st_dev == now.st_dev && known.st_ino == now.st_ino;
}

char *
cwd_ask(const struct cwd *cwd, uint32_t pid)
{
	int proc = proc_open(pid);
	if (proc < 0)
		return NULL;
	char *root = proc_link(proc, "root"), *path = NULL;
	/* What lies in another root has another name out here. */
	if (root != NULL && strcmp(root, "/") == 0)
		path = leads_there(cwd->path, proc) ? strdup(cwd->path) : proc_link(proc, "cwd");
	free(root);
	close(proc);
	return path;
}

void
cwd_settle(struct cwd *cwd, char *path)
{
	cwd->doubt = 0;
	replace(cwd, path);
}
