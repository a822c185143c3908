/* SPDX-License-Identifier: MIT */
/* A directory for one test, and files in it. */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char temp_dir[64];

static inline void
temp_dir_open(void)
{
	strcpy(temp_dir, "/tmp/pyauditd-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(temp_dir));
}

static inline int
temp_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void
temp_dir_close(void)
{
	ck_assert_int_eq(nftw(temp_dir, temp_dir_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* The path of a name in it; valid until the fourth call after this. */
static inline const char *
temp_path(const char *name)
{
	static char paths[4][400];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", temp_dir, name);
	return path;
}

static inline void
temp_write(const char *name, const void *bytes, size_t n, mode_t mode)
{
	int fd = open(temp_path(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

/* A file as a string; valid until the next call. */
static inline const char *
temp_read(const char *name)
{
	static char text[1u << 18];
	int fd = open(temp_path(name), O_RDONLY);
	ck_assert_msg(fd >= 0, "%s is not there", name);
	ssize_t n = read(fd, text, sizeof text - 1);
	ck_assert_int_ge(n, 0);
	close(fd);
	text[n] = '\0';
	return text;
}

#endif
