/* SPDX-License-Identifier: MIT */
#include "proc_self.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "barrier.h"
#include "defs.h"

#define CMDLINE_BYTES 4096 /* a collector that is there in time reads it whole from /proc */

static size_t
read_file(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, to, size);
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

uint64_t
proc_self_start_time(void)
{
	char stat[1024];
	stat[read_file("/proc/self/stat", stat, sizeof stat - 1)] = '\0';
	/* The name in parentheses may hold anything; what follows its last ) is field 3. */
	const char *at = strrchr(stat, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}

void
proc_self_boot_id(uint8_t id[16])
{
	char text[64] = "";
	unsigned byte, n = 0;
	read_file("/proc/sys/kernel/random/boot_id", text, sizeof text - 1);
	for (const char *at = text; *at != '\0' && n < 16; at += 2) {
		if (*at == '-')
			at++;
		if (sscanf(at, "%2x", &byte) != 1)
			break;
		id[n++] = (uint8_t)byte;
	}
}

uint64_t
proc_self_pid_ns(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

void
proc_self_define(uint8_t *region, uint64_t *used)
{
	char *text = (char *)region + DEFS_HEAD_BYTES + sizeof(struct def);
	size_t len = 0;
	ssize_t n = readlink("/proc/self/exe", text, 1023);
	len += n > 0 ? (size_t)n : 0;
	text[len++] = '\0';
	if (getcwd(text + len, 1023) != NULL)
		len += strlen(text + len);
	text[len++] = '\0';
	size_t words = read_file("/proc/self/cmdline", text + len, CMDLINE_BYTES - 1);
	len += words;
	if (words > 0 && text[len - 1] != '\0') /* cut short */
		text[len++] = '\0';
	struct def def = {.id = 0, .kind = DEF_PROCESS, .len = (uint16_t)len};
	memcpy(region + DEFS_HEAD_BYTES, &def, sizeof def);
	*used = def_bytes(len);
	store_release((uint64_t *)region, *used);
}
