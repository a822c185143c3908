/* SPDX-License-Identifier: MIT */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int
proc_open(uint32_t pid)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%" PRIu32, pid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

ssize_t
proc_read(int proc, const char *name, char *buffer, size_t buffer_bytes)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size_t n = 0;
	ssize_t got = 0;
	while (n < buffer_bytes - 1 && (got = read(fd, buffer + n, buffer_bytes - 1 - n)) > 0)
		n += (size_t)got;
	int err = got < 0 ? -errno : 0;
	close(fd);
	buffer[n] = '\0';
	return err < 0 ? err : (ssize_t)n;
}

int
proc_stat(int proc, struct proc_stat *stat)
{
	char text[1024];
	uint64_t user, system;
	ssize_t n = proc_read(proc, "stat", text, sizeof text);
	if (n < 0)
		return (int)n;
	const char *behind_name = strrchr(text, ')'); /* the name may hold any character */
	if (behind_name == NULL ||
	    sscanf(behind_name + 1,
		   " %c %" SCNu32 " %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64
		   " %*s %*s %*s %*s %" SCNu32 " %*s %" SCNu64 " %*s %*s %*s %*s %*s %" SCNu64,
		   &stat->state, &stat->ppid, &user, &system, &stat->n_threads,
		   &stat->start_time, &stat->stack_start) != 7)
		return -EPROTO;
	stat->cpu_ticks = user + system;
	return 0;
}

static FILE *
open_text(int proc, const char *name)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (file == NULL && fd >= 0)
		close(fd);
	return file;
}

/* The last number: that of the innermost namespace. */
static uint32_t
last_number(const char *line)
{
	uint32_t number = 0;
	for (const char *at = strchr(line, '\t'); at != NULL && *at == '\t';) {
		char *end;
		number = (uint32_t)strtoul(at + 1, &end, 10);
		at = end;
	}
	return number;
}

/* Line by line: that of the groups may be of any length. */
int
proc_status(int proc, struct proc_status *status)
{
	char *line = NULL;
	size_t room = 0;
	bool has_uid = false;
	FILE *file = open_text(proc, "status");
	if (file == NULL)
		return -errno;
	status->ns_pid = 0;
	while (getline(&line, &room, file) > 0) {
		if (sscanf(line, "Uid:\t%*s\t%" SCNu32, &status->euid) == 1)
			has_uid = true;
		/* The former alone before Linux 4.1. */
		if (strncmp(line, "Pid:", 4) == 0 || strncmp(line, "NSpid:", 6) == 0)
			status->ns_pid = last_number(line);
	}
	int err = ferror(file) ? -errno : 0;
	free(line);
	fclose(file);
	if (err < 0)
		return err;
	return has_uid && status->ns_pid != 0 ? 0 : -EPROTO;
}

int64_t
proc_clock_offset_ns(int proc)
{
	char text[256];
	int64_t seconds, ns;
	if (proc_read(proc, "timens_offsets", text, sizeof text) <= 0 ||
	    sscanf(text, "monotonic %" SCNd64 " %" SCNd64, &seconds, &ns) != 2)
		return 0;
	return seconds * 1000000000 + ns;
}

char *
proc_link(int proc, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(proc, name, target, sizeof target - 1);
	return n < 0 ? NULL : strndup(target, (size_t)n);
}

int
proc_each(proc_each_fn fn, void *context)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool go_on = true;
	if (dir == NULL)
		return -errno;
	while (go_on && (entry = readdir(dir)) != NULL) {
		char *end;
		unsigned long pid = strtoul(entry->d_name, &end, 10);
		if (end != entry->d_name && *end == '\0')
			go_on = fn(context, (uint32_t)pid);
	}
	closedir(dir);
	return 0;
}

int
proc_open_maps(int proc)
{
	int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool
proc_alive(int maps)
{
	char byte;
	ssize_t n = pread(maps, &byte, 1, 0);
	return n == 1 || (n < 0 && errno == ENOMEM); /* which is our trouble, not its end */
}

/* start-end perms offset major:minor inode      path */
static bool
parse_mapping(char *line, struct proc_mapping *mapping)
{
	unsigned major_number, minor_number;
	uint64_t ino;
	int path_at = 0;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %x:%x %" SCNu64 " %n", &mapping->start,
		   &mapping->end, &major_number, &minor_number, &ino, &path_at) != 5)
		return false;
	mapping->dev = makedev(major_number, minor_number);
	mapping->ino = (ino_t)ino;
	mapping->path = line + path_at;
	return ino != 0;
}

int
proc_maps(int maps, proc_maps_fn fn, void *context)
{
	char text[32768];
	size_t have = 0;
	off_t offset = 0;
	ssize_t got;
	while ((got = pread(maps, text + have, sizeof text - 1 - have, offset)) > 0) {
		char *line = text, *end;
		offset += got;
		have += (size_t)got;
		for (; (end = memchr(line, '\n', (size_t)(text + have - line))); line = end + 1) {
			struct proc_mapping mapping;
			*end = '\0';
			if (parse_mapping(line, &mapping) && !fn(context, &mapping))
				return 0;
		}
		have = (size_t)(text + have - line);
		memmove(text, line, have); /* a line is shorter than the buffer */
	}
	return got < 0 ? -errno : 0;
}
