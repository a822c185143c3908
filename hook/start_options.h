/* SPDX-License-Identifier: MIT */
/* What start() is called with. */
#ifndef HOOK_START_OPTIONS_H
#define HOOK_START_OPTIONS_H

#include "pycompat.h"
#include "session.h"

/*
 * Checked, into `o`; what is not given is as the documentation of pyauditd.start() has it, and
 * *stdlib unchanged. 0, or -1 with a Python exception: TypeError or ValueError.
 */
int start_options_parse(PyObject *args, PyObject *kwargs, struct session_options *o,
		    const char **stdlib);

#endif
