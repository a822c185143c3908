/* SPDX-License-Identifier: MIT */
/*
 * Segments that killed processes left behind stay for a post-mortem, but not without end:
 * when this user's dead ones hold more than 64 MiB, the oldest go.
 */
#ifndef HOOK_HOUSEKEEPING_H
#define HOOK_HOUSEKEEPING_H

void housekeeping_remove_dead(void);

#endif
