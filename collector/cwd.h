/* SPDX-License-Identifier: MIT */
/*
 * Where the relative paths in a process's events start, for --path. What is read may be far behind
 * the process, so its os.chdir events are followed, from where it was at the first of them.
 *
 * Events are attempts: one that fails is believed at first, and one by a descriptor leads nobody
 * knows where, nor do those that are lost. So some time later, when nothing of the process is
 * unread, the kernel is asked.
 */
#ifndef COLLECTOR_CWD_H
#define COLLECTOR_CWD_H

#include <stdbool.h>
#include <stdint.h>

struct event; /* event.h */

/* Zeroed: not known. */
struct cwd {
	char *path;     /* NULL: not known */
	bool untold;    /* it records no os.chdir */
	unsigned doubt; /* the ticks until the kernel is to be asked; 0: no doubt */
};

void cwd_fini(struct cwd *cwd);

/* It is there, as its owner says; `path` may be NULL, and is copied. */
void cwd_begin(struct cwd *cwd, const char *path);

/* An os.chdir; events that are lost, which may have been one. */
void cwd_change(struct cwd *cwd, const struct event *event);
void cwd_forget(struct cwd *cwd);

/* Once a second. True: the kernel is to be asked. */
bool cwd_tick(struct cwd *cwd);

/*
 * Where the kernel says that it is, now, by the name that it has been known by if that leads there;
 * the caller frees. NULL: not to be had.
 */
char *cwd_ask(const struct cwd *cwd, uint32_t pid);

/* It is there; `path`, which may be NULL, becomes the cwd's own. */
void cwd_settle(struct cwd *cwd, char *path);

#endif
