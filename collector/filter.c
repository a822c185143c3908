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

#include "path.h"
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

/* The folder that we are in: before a pattern, with what has a meaning in patterns quoted. */
static const char *
folder(char to[2 * PATH_MAX], bool pattern)
{
	char cwd[PATH_MAX], *at = to;
	if (getcwd(cwd, sizeof cwd) == NULL)
		return NULL;
	for (const char *c = cwd; *c != '\0'; c++) {
		if (pattern && strchr("*?[\\", *c) != NULL)
			*at++ = '\\';
		*at++ = *c;
	}
	*at = '\0';
	return to;
}

int
filter_add_path(struct filter *filter, const char *glob, char *why, size_t why_bytes)
{
	char absolute[3 * PATH_MAX], cwd[2 * PATH_MAX];
	bool plain = strpbrk(glob, "*?[") == NULL;
	if (glob[0] == '\0') {
		snprintf(why, why_bytes, "an empty path matches nothing");
		return -EINVAL;
	}
	/* "*.log" is meant for any directory; "data/x" for the one we are in. */
	const char *base = strchr(glob, '/') != NULL || plain ? folder(cwd, !plain) : NULL;
	if (base == NULL && glob[0] != '/')
		snprintf(absolute, sizeof absolute, "%s%s", glob[0] == '*' ? "" : "*/", glob);
	else if (!path_resolve(absolute, sizeof absolute, glob, strlen(glob), base)) {
		snprintf(why, why_bytes, "the path is too long");
		return -EINVAL;
	}
	struct path_pattern *paths =
		reallocarray(filter->paths, filter->n_paths + 1, sizeof *paths);
	if (paths == NULL)
		return -ENOMEM;
	filter->paths = paths;
	struct path_pattern *pattern = &paths[filter->n_paths];
	*pattern = (struct path_pattern){strdup(absolute), plain, 0};
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
		pattern.host[strcspn(pattern.host, "%")] = '\0'; /* fe80::1%eth0, as in the event */
		read_address(&pattern.address, pattern.host);
	}
	addrs[filter->n_addrs++] = pattern;
	return 0;
}

/* In str, CPython has a byte that is no UTF-8 as U+DC80 to U+DCFF: to what it stands for. */
static void
restore_bytes(char *text)
{
	char *to = text;
	for (const char *from = text; *from != '\0';) {
		const unsigned char *c = (const unsigned char *)from;
		if (c[0] == 0xed && (c[1] == 0xb2 || c[1] == 0xb3) && (c[2] & 0xc0) == 0x80) {
			*to++ = (char)((c[1] - 0xb0) << 6 | (c[2] & 0x3f));
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static bool
fits(const struct path_pattern *pattern, const char *path)
{
	if (!pattern->plain)
		return fnmatch(pattern->glob, path, 0) == 0;
	if (strncmp(path, pattern->glob, pattern->len) != 0)
		return false;
	char next = path[pattern->len];
	return next == '\0' || next == '/' || pattern->len == 1;
}

/* Where it begins is not known: may its own part end what a plain pattern says, or go below it? */
static bool
may_fit_plain(const struct path_pattern *pattern, const char *path)
{
	for (size_t n = 0;; n++) {
		if (path[n] != '\0' && path[n] != '/')
			continue;
		if (pattern->len > n && pattern->glob[pattern->len - n - 1] == '/' &&
		    memcmp(pattern->glob + pattern->len - n, path, n) == 0)
			return true;
		if (path[n] == '\0')
			return pattern->len == 1;
	}
}

static bool
may_fit(const struct path_pattern *pattern, const char *path)
{
	while (strncmp(path, "../", 3) == 0)
		path += 3;
	if (strcmp(path, ".") == 0 || strcmp(path, "..") == 0)
		return true;
	if (pattern->plain)
		return may_fit_plain(pattern, path);
	/* Behind any slash, or in the middle of what a star stands for. */
	if (fnmatch(pattern->glob, path, 0) == 0)
		return true;
	for (const char *at = strpbrk(pattern->glob, "/*"); at != NULL; at = strpbrk(at + 1, "/*"))
		if (fnmatch(at + (*at == '/'), path, 0) == 0)
			return true;
	return false;
}

static bool
path_matches(struct filter *filter, const struct value *path, const char *cwd)
{
	if (path->tag == 0 || filter->n_paths == 0)
		return false;
	/* An abstract socket, or bytes with a NUL: no path of a file. */
	if (path->len == 0 || memchr(path->bytes, '\0', path->len) != NULL)
		return false;
	if (!path_resolve(filter->path, sizeof filter->path, (const char *)path->bytes,
			   path->len, cwd))
		return false;
	restore_bytes(filter->path);
	bool known = filter->path[0] == '/';
	for (size_t i = 0; i < filter->n_paths; i++)
		if (known ? fits(&filter->paths[i], filter->path)
			  : may_fit(&filter->paths[i], filter->path))
			return true;
	return false;
}

/*
 * The first and the second path of an event start in another folder than that of the process: in
 * one that is open, in root_dir, in that of the link; or may do so: os.open() does not tell, and has
 * no mode, which the built-in one has.
 */
struct dir_fds {
	bool first, second, maybe;
};

static struct dir_fds
read_dir_fds(const struct event *event)
{
	struct dir_fds fds = {strcmp(event->name, "os.symlink") == 0, false, false};
	bool opens = strcmp(event->name, "open") == 0;
	const uint8_t *at = event->values;
	for (unsigned i = 0; event->info != NULL && i < event->n_args; i++) {
		const struct event_arg *arg = roles_arg(event->info, i, 0);
		struct value value;
		value_read(at, &value);
		at = value_skip(at);
		fds.maybe |= opens && i == 1 && value.tag == VALUE_NONE;
		if (arg != NULL && value.tag != VALUE_NONE && strcmp(arg->name, "root_dir") == 0)
			fds.first = true;
		if (arg == NULL || !value_is_int(&value) || value.integer < 0)
			continue;
		bool both = strcmp(arg->name, "dir_fd") == 0;
		fds.first |= both || strcmp(arg->name, "src_dir_fd") == 0;
		fds.second |= both || strcmp(arg->name, "dst_dir_fd") == 0;
	}
	return fds;
}

/* os.listdir() and os.scandir() with nothing, which they tell as None. */
static bool
is_of_cwd(const struct event *event)
{
	if (event->n_args == 0 || (strcmp(event->name, "os.listdir") != 0 &&
				   strcmp(event->name, "os.scandir") != 0))
		return false;
	struct value first;
	value_read(event->values, &first);
	return first.tag == VALUE_NONE;
}

static bool
any_path_matches(struct filter *filter, const struct event *event, const struct roles *roles,
		 const char *cwd)
{
	static const struct value here = {.tag = VALUE_STR8, .bytes = (const uint8_t *)".", .len = 1};
	if (filter->n_paths > 0 && is_of_cwd(event))
		return path_matches(filter, &here, cwd);
	if (filter->n_paths == 0 || (roles->path.tag == 0 && roles->path2.tag == 0))
		return false;
	struct dir_fds fds = read_dir_fds(event);
	return path_matches(filter, &roles->path, fds.first ? NULL : cwd) ||
	       (fds.maybe && path_matches(filter, &roles->path, NULL)) ||
	       path_matches(filter, &roles->path2, fds.second ? NULL : cwd);
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
	return any_path_matches(filter, event, &roles, cwd) || addr_matches(filter, &roles);
}
