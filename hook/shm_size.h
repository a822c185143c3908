/* SPDX-License-Identifier: MIT */
/* How large a file system for shared memory is. */
#ifndef HOOK_SHM_SIZE_H
#define HOOK_SHM_SIZE_H

#include <linux/magic.h>
#include <stdint.h>
#include <sys/vfs.h>

#define SHM_UNLIMITED (UINT64_C(1) << 40)

/*
 * In bytes. A tmpfs without a limit (size=0), of which the kernel says that it has no blocks, is very
 * large; what is no tmpfs and has none, has none.
 */
static inline uint64_t
shm_bytes(const struct statfs *fs)
{
	if (fs->f_blocks == 0 && fs->f_type == TMPFS_MAGIC)
		return SHM_UNLIMITED;
	return fs->f_blocks * (uint64_t)fs->f_bsize;
}

#endif
