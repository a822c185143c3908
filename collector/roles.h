/* SPDX-License-Identifier: MIT */
/*
 * What an audit event touches: the arguments that have a role (event_table.h), found by type.
 * A path that is an int is an fd; (host, port, ...) is an address, and so is the text of an
 * AF_UNIX socket; a URL has a host and a port.
 */
#ifndef COLLECTOR_ROLES_H
#define COLLECTOR_ROLES_H

#include "event.h"
#include "values.h"

struct roles {
	struct value path, path2, host, argv; /* tag 0: there is none */
	bool has_fd, has_port;
	bool argv_is_one;  /* argv is one text, not a sequence */
	uint32_t port;
	int64_t fd;
};

/*
 * All of the event's arguments. Texts point into the event. python_minor decides which names
 * the arguments have; 0 stands for the newest.
 */
void roles_read(struct roles *roles, const struct event *event, unsigned python_minor);

/* The same, one by one: the value at `at`; returns where the next one begins. */
void roles_begin(struct roles *roles);
const uint8_t *roles_take(struct roles *roles, enum arg_role role, const uint8_t *at);

/* Which argument of the table value i is; NULL: it has no name. */
const struct event_arg *roles_arg(const struct event_info *info, unsigned i,
				  unsigned python_minor);

#endif
