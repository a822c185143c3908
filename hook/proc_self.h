/* SPDX-License-Identifier: MIT */
/* Who this process is, from /proc/self: for readers that come when it is gone. */
#ifndef HOOK_PROC_SELF_H
#define HOOK_PROC_SELF_H

#include <stdint.h>

/* Field 22 of /proc/self/stat; 0 when it cannot be read. */
uint64_t proc_self_start_time(void);

void proc_self_boot_id(uint8_t id[16]);

/* Inode of our pid namespace; 0 when it is not to be had. */
uint64_t proc_self_pid_ns(void);

/* Write the first definition, DEF_PROCESS, to the empty region; advances *used. */
void proc_self_define(uint8_t *region, uint64_t *used);

#endif
