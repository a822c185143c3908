/* SPDX-License-Identifier: MIT */
/*
 * Signals become flags that the main loop looks at; it sleeps 50 ms at the most, so one that
 * arrives just before it sleeps is late, never lost. Handlers interrupt blocking writes
 * (no SA_RESTART), so that a reader that stalls cannot keep us from leaving.
 */
#ifndef COLLECTOR_SIGNALS_H
#define COLLECTOR_SIGNALS_H

#include <stdbool.h>

/*
 * Install. Without a command SIGINT and SIGTERM mean leave, SIGHUP reopens the output. With
 * one SIGINT and SIGQUIT are left to it, SIGTERM and SIGHUP are to be forwarded. SIGPIPE is
 * ignored: a write says EPIPE.
 */
void signals_init(bool with_command);

/* The command has ended: from now on SIGINT and SIGTERM mean leave, as without one. */
void signals_command_ended(void);

bool signals_stopping(void);      /* we were told to leave */
bool signals_stopping_now(void);  /* and once more */
void signals_stop(void);          /* as if we were */
bool signals_take_reopen(void);   /* true once per SIGHUP */
int signals_take_forward(void);   /* a signal for the command, 0: none */

/* In a child, before exec: mask and dispositions as we got them ourselves. */
void signals_restore(void);

#endif
