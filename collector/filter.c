/* SPDX-License-Identifier: MIT */
#include "filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "roles.h"

/* An address by value: IPv4 as ::ffff:a.b.c.d, so that one form compares with all. */
struct address {
	bool valid;
	uint8_t bytes[16];
};

struct path_pattern {
	char *glob;
	bool plain; /* no wildcard: also what lies below it */
	size_t len;
};

struct addr_pattern {
	char *host; /* NULL: any */
	struct address address;
	bool any_port;
	uint32_t port;
};

struct filter {
	struct path_pattern *paths;
	struct addr_pattern *addrs;
	size_t n_paths, n_addrs;
	char path[2 * PATH_MAX]; /* the event's, made absolute */
};

struct filter *
filter_new(void)
{
	return calloc(1, sizeof(struct filter));
}

void
filter_free(struct filter *filter)
{
	if (filter == NULL)
		return;
	for (size_t i = 0; i < filter->n_paths; i++)
		free(filter->paths[i].glob);
	for (size_t i = 0; i < filter->n_addrs; i++)
		free(filter->addrs[i].host);
	free(filter->paths);
	free(filter->addrs);
	free(filter);
}

bool
filter_empty(const struct filter *filter)
{
	return filter->n_paths == 0 && filter->n_addrs == 0;
}

/*
 * Join `path` to `cwd` (may be NULL) and resolve "." and ".." and doubled slashes, as text: the
 * file system of the process is not ours, and what it was then is gone. False: too long.
 */
static bool
make_absolute(char *to, size_t room, const char *path, size_t n, const char *cwd)
{
	size_t len = 0;
	bool rooted = false;
	for (int part = n > 0 && path[0] == '/' ? 1 : 0; part < 2; part++) {
		const char *from = part == 0 ? (cwd != NULL ? cwd : "") : path;
		const char *end = from + (part == 0 ? strlen(from) : n);
		if (len == 0 && from < end && *from == '/')
			rooted = true;
		while (from < end) {
			const char *slash = memchr(from, '/', (size_t)(end - from));
			size_t step = (size_t)((slash != NULL ? slash : end) - from);
			bool parent = step == 2 && from[0] == '.' && from[1] == '.';
			if (parent && (rooted || len > 0)) {
				while (len > 0 && to[--len] != '/')
					;
			} else if (step > 0 && !(step == 1 && from[0] == '.')) {
				if (len + step + 2 > room)
					return false;
				if (len > 0 || rooted)
					to[len++] = '/';
				memcpy(to + len, from, step);
				len += step;
			}
			from += step + (slash != NULL);
		}
	}
	if (len == 0)
		to[len++] = rooted ? '/' : '.';
	to[len] = '\0';
	return true;
}

static bool
read_address(struct address *address, const char *text)
{
	struct in_addr v4;
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	address->valid = true;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		memcpy(address->bytes, mapped, sizeof mapped);
		memcpy(address->bytes + 12, &v4, sizeof v4);
	} else if (inet_pton(AF_INET6, text, address->bytes) != 1) {
		address->valid = false;
	}
	return address->valid;
}

int
filter_add_path(struct filter *filter, const char *glob, char *why, size_t why_bytes)
{
	char absolute[2 * PATH_MAX], cwd[PATH_MAX];
	if (glob[0] == '\0') {
		snprintf(why, why_bytes, "an empty path matches nothing");
		return -EINVAL;
	}
	/* "*.log" is meant for any directory; "data/x" for the one we are in. */
	const char *base = strchr(glob, '/') != NULL || strpbrk(glob, "*?[") == NULL
				   ? getcwd(cwd, sizeof cwd)
				   : NULL;
	if (base == NULL && glob[0] != '/')
		snprintf(absolute, sizeof absolute, "%s%s", glob[0] == '*' ? "" : "*/", glob);
	else if (!make_absolute(absolute, sizeof absolute, glob, strlen(glob), base)) {
		snprintf(why, why_bytes, "the path is too long");
		return -EINVAL;
	}
	struct path_pattern *paths =
		reallocarray(filter->paths, filter->n_paths + 1, sizeof *paths);
	if (paths == NULL)
		return -ENOMEM;
	filter->paths = paths;
	struct path_pattern *pattern = &paths[filter->n_paths];
	*pattern = (struct path_pattern){strdup(absolute), strpbrk(glob, "*?[") == NULL, 0};
	if (pattern->glob == NULL)
		return -ENOMEM;
	pattern->len = strlen(pattern->glob);
	filter->n_paths++;
	return 0;
}

/* HOST[:PORT] into its parts; `host` may be "". False: the port is none. */
static bool
split_addr(const char *addr, const char **host, size_t *host_len, const char **port)
{
	const char *colon = strrchr(addr, ':');
	*host = addr;
	*port = NULL;
	if (addr[0] == '[') {
		const char *close = strchr(addr, ']');
		if (close == NULL || (close[1] != '\0' && close[1] != ':'))
			return false;
		*host = addr + 1;
		*host_len = (size_t)(close - addr - 1);
		*port = close[1] == ':' ? close + 2 : NULL;
		return true;
	}
	/* Two colons and no brackets: an IPv6 address alone. */
	if (colon != NULL && strchr(addr, ':') == colon)
		*port = colon + 1;
	*host_len = *port != NULL ? (size_t)(colon - addr) : strlen(addr);
	return true;
}

int
filter_add_addr(struct filter *filter, const char *addr, char *why, size_t why_bytes)
{
	const char *host, *port;
	size_t host_len;
	struct addr_pattern pattern = {.any_port = true};
	char *end = NULL;
	if (!split_addr(addr, &host, &host_len, &port) || (host_len == 0 && port == NULL)) {
		snprintf(why, why_bytes, "'%s' is no HOST[:PORT]", addr);
		return -EINVAL;
	}
	if (port != NULL && strcmp(port, "*") != 0) {
		unsigned long n = *port >= '0' && *port <= '9' ? strtoul(port, &end, 10) : 0;
		if (end == NULL || *end != '\0' || n > 65535) {
			snprintf(why, why_bytes, "'%s' is no port (0-65535, *)", port);
			return -EINVAL;
		}
		pattern.any_port = false;
		pattern.port = (uint32_t)n;
	}
	struct addr_pattern *addrs =
		reallocarray(filter->addrs, filter->n_addrs + 1, sizeof *addrs);
	if (addrs == NULL)
		return -ENOMEM;
	filter->addrs = addrs;
	if (host_len > 0) {
		pattern.host = strndup(host, host_len);
		if (pattern.host == NULL)
			return -ENOMEM;
		read_address(&pattern.address, pattern.host);
	}
	addrs[filter->n_addrs++] = pattern;
	return 0;
}

static bool
path_matches(struct filter *filter, const struct value *path, const char *cwd)
{
	if (path->tag == 0 || filter->n_paths == 0)
		return false;
	/* An abstract socket, or bytes with a NUL: no path of a file. */
	if (path->len == 0 || memchr(path->bytes, '\0', path->len) != NULL)
		return false;
	if (!make_absolute(filter->path, sizeof filter->path, (const char *)path->bytes,
			   path->len, cwd))
		return false;
	for (size_t i = 0; i < filter->n_paths; i++) {
		const struct path_pattern *p = &filter->paths[i];
		if (!p->plain) {
			if (fnmatch(p->glob, filter->path, 0) == 0)
				return true;
		} else if (strncmp(filter->path, p->glob, p->len) == 0) {
			char next = filter->path[p->len];
			if (next == '\0' || next == '/' || p->len == 1)
				return true;
		}
	}
	return false;
}

static bool
addr_matches(const struct filter *filter, const struct roles *roles)
{
	char host[256] = "";
	struct address address = {0};
	if (filter->n_addrs == 0 || (roles->host.tag == 0 && !roles->has_port))
		return false;
	if (roles->host.tag != 0 && roles->host.len < sizeof host) {
		memcpy(host, roles->host.bytes, roles->host.len);
		host[strcspn(host, "%")] = '\0'; /* fe80::1%eth0 */
		read_address(&address, host);
	}
	for (size_t i = 0; i < filter->n_addrs; i++) {
		const struct addr_pattern *p = &filter->addrs[i];
		if (!p->any_port && !(roles->has_port && roles->port == p->port))
			continue;
		if (p->host == NULL)
			return true;
		if (p->address.valid && address.valid
			    ? memcmp(p->address.bytes, address.bytes, 16) == 0
			    : fnmatch(p->host, host, FNM_CASEFOLD) == 0)
			return true;
	}
	return false;
}

bool
filter_match(struct filter *filter, const struct event *event, const char *cwd)
{
	if (event->type != EVENT_AUDIT || filter_empty(filter))
		return true;
	struct roles roles;
	roles_read(&roles, event, 0);
	return path_matches(filter, &roles.path, cwd) || path_matches(filter, &roles.path2, cwd) ||
	       addr_matches(filter, &roles);
}
