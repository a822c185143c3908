/* SPDX-License-Identifier: MIT */
#include "roles.h"

#include <string.h>

const struct event_arg *
roles_arg(const struct event_info *info, unsigned i, unsigned python_minor)
{
	if (info == NULL)
		return NULL;
	for (unsigned k = 0; k < info->n_args; k++) {
		if (python_minor != 0 && info->args[k].since > python_minor)
			continue; /* that version does not raise it with this argument */
		if (i-- == 0)
			return &info->args[k];
	}
	return NULL;
}

static void
take_fd(struct roles *roles, const struct value *value)
{
	if (value_is_int(value) && !roles->has_fd) {
		roles->has_fd = true;
		roles->fd = value->integer;
	}
}

static void
take_port(struct roles *roles, const struct value *value)
{
	uint32_t port = 0;
	if (value_is_int(value)) {
		if (value->integer < 0 || value->integer > 65535)
			return;
		port = (uint32_t)value->integer;
	} else if (value_is_text(value) && value->len > 0 && value->len <= 5) {
		for (unsigned i = 0; i < value->len; i++) {
			if (value->bytes[i] < '0' || value->bytes[i] > '9')
				return; /* a service by name: stays in args */
			port = port * 10 + (value->bytes[i] - '0');
		}
	} else {
		return;
	}
	roles->port = port;
	roles->has_port = port <= 65535;
}

static void
take_address(struct roles *roles, const struct value *value)
{
	if (value_is_text(value)) {
		roles->path = *value;
		return;
	}
	if (!value_is_sequence(value) || value->len < 2)
		return;
	struct value host, port;
	const uint8_t *at = value_read(value->bytes, &host);
	if (!value_is_text(&host))
		return; /* netlink, vsock */
	value_read(at, &port);
	if (!value_is_int(&port))
		return; /* AF_ALG */
	roles->host = host;
	take_port(roles, &port);
}

static bool
default_port(const uint8_t *scheme, size_t n, uint32_t *port)
{
	static const struct {
		const char *scheme;
		uint32_t port;
	} known[] = {{"http", 80}, {"https", 443}, {"ftp", 21}, {"ws", 80}, {"wss", 443}};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (n == strlen(known[i].scheme) &&
		    strncasecmp((const char *)scheme, known[i].scheme, n) == 0) {
			*port = known[i].port;
			return true;
		}
	}
	return false;
}

/* scheme://user@host:port/ */
static void
take_url(struct roles *roles, const struct value *value)
{
	if (!value_is_text(value))
		return;
	const uint8_t *url = value->bytes, *end = url + value->len;
	const uint8_t *host = memmem(url, value->len, "://", 3);
	uint32_t port;
	if (host == NULL || !default_port(url, (size_t)(host - url), &port))
		return;
	host += 3;
	const uint8_t *stop = host, *colon = NULL;
	bool bracket = false, named = false;
	for (; stop < end && *stop != '/' && *stop != '?' && *stop != '#'; stop++) {
		if (*stop == '@') {
			host = stop + 1;
			colon = NULL;
			bracket = false;
		} else if (*stop == '[' || *stop == ']') {
			bracket = *stop == '[';
		} else if (*stop == ':' && !bracket) {
			colon = stop;
		}
	}
	if (colon != NULL) {
		struct value digits = {.tag = VALUE_STR, .bytes = colon + 1,
				       .len = (uint32_t)(stop - colon - 1)};
		if (digits.len > 0)
			take_port(roles, &digits);
		named = digits.len > 0; /* http://host:99999/ has no port, not the usual one */
		stop = colon;
	}
	if (!roles->has_port && !named) {
		roles->port = port;
		roles->has_port = true;
	}
	if (stop - host >= 2 && host[0] == '[' && stop[-1] == ']') {
		host++;
		stop--;
	}
	if (stop == host)
		return;
	roles->host = *value;
	roles->host.tag = value_is_str(value) ? VALUE_STR : VALUE_BYTES;
	roles->host.bytes = host;
	roles->host.len = (uint32_t)(stop - host);
}

static void
take(struct roles *roles, enum arg_role role, const struct value *value)
{
	switch (role) {
	case ROLE_NONE:
		break;
	case ROLE_PATH:
		if (value_is_text(value))
			roles->path = *value;
		else
			take_fd(roles, value);
		break;
	case ROLE_PATH2:
		if (value_is_text(value))
			roles->path2 = *value;
		break;
	case ROLE_FD:
		take_fd(roles, value);
		break;
	case ROLE_HOST:
		if (value_is_text(value))
			roles->host = *value;
		break;
	case ROLE_PORT:
		take_port(roles, value);
		break;
	case ROLE_ARGV:
		roles->argv_is_one = value_is_text(value);
		if (roles->argv_is_one || value_is_sequence(value))
			roles->argv = *value;
		break;
	case ROLE_ADDRESS:
		take_address(roles, value);
		break;
	case ROLE_URL:
		take_url(roles, value);
		break;
	}
}

void
roles_begin(struct roles *roles)
{
	roles->path.tag = roles->path2.tag = roles->host.tag = roles->argv.tag = 0;
	roles->has_fd = roles->has_port = false;
}

const uint8_t *
roles_take(struct roles *roles, enum arg_role role, const uint8_t *at)
{
	if (role != ROLE_NONE) {
		struct value value;
		value_read(at, &value);
		take(roles, role, &value);
	}
	return value_skip(at);
}

void
roles_read(struct roles *roles, const struct event *event, unsigned python_minor)
{
	const uint8_t *at = event->values;
	roles_begin(roles);
	for (unsigned i = 0; event->info != NULL && i < event->n_args; i++) {
		const struct event_arg *arg = roles_arg(event->info, i, python_minor);
		at = roles_take(roles, arg != NULL ? (enum arg_role)arg->role : ROLE_NONE, at);
	}
}
