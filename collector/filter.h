/* SPDX-License-Identifier: MIT */
/*
 * -P/--path and --addr: which audit events touch what was asked for. An event passes when
 * any of the patterns fits; without a pattern every event passes, and so does everything
 * that is no audit event.
 *
 * GLOB is fnmatch's, over the whole absolute path, where * and ? match a / too; a pattern
 * without a wildcard also matches everything below it. Relative paths, of the event and of
 * the pattern, are taken to start in a directory; "." and ".." are resolved as text. A name that is
 * no UTF-8 is given as its bytes, whether the program had it as bytes or as str.
 *
 * HOST[:PORT]: a name or glob compared without case; an IPv4 or IPv6 address compared by
 * value, the latter in brackets when a port follows ([::1]:80); ":80" for any host.
 */
#ifndef COLLECTOR_FILTER_H
#define COLLECTOR_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "event.h"

struct filter;

struct filter *filter_new(void); /* NULL: no memory */
void filter_free(struct filter *filter);

/* 0, -EINVAL with `why` a sentence, or -ENOMEM. `glob` starts in our own cwd. */
int filter_add_path(struct filter *filter, const char *glob, char *why, size_t why_bytes);
int filter_add_addr(struct filter *filter, const char *addr, char *why, size_t why_bytes);

bool filter_empty(const struct filter *filter);

/*
 * `cwd` of the event's process; NULL: not known. Then, and where a path starts in a folder that is
 * open (dir_fd), a relative one passes that may be meant, by what it says itself: sub/f by
 * /srv/sub, /srv/sub/f and *.f, but not by /srv/other.
 */
bool filter_match(struct filter *filter, const struct event *event, const char *cwd);

#endif
