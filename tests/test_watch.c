/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.h"
#include "suite.h"
#include "temp_dir.h"
#include "watch.h"

static char name[64];
static int dir;

static void
begin(void)
{
	temp_dir_open();
	snprintf(name, sizeof name, SEGMENT_WATCH_PREFIX "%u", (unsigned)geteuid());
	dir = open(temp_path("."), O_RDONLY | O_DIRECTORY);
}

static void
end(void)
{
	close(dir);
	temp_dir_close();
}

/* As a hook asks, and with the locks that anybody may take who may read. */
static int
reader(bool locks)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = locks ? 1 : 0};
	int fd = openat(dir, name, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	if (locks)
		ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock) | flock(fd, LOCK_SH), 0);
	return fd;
}

static bool
is_watched(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = reader(false);
	ck_assert_int_eq(fcntl(fd, F_OFD_GETLK, &lock), 0);
	close(fd);
	return lock.l_type == F_WRLCK;
}

START_TEST(the_last_one_removes_it)
{
	struct stat st;
	begin();
	int one = watch_begin(dir), two = watch_begin(dir);
	ck_assert_int_ge(one, 0);
	ck_assert_int_ge(two, 0);
	ck_assert(is_watched());
	ck_assert_int_eq(fstatat(dir, name, &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	watch_end(dir, one);
	ck_assert(is_watched());
	watch_end(dir, two);
	ck_assert_int_ne(faccessat(dir, name, F_OK, 0), 0);
	end();
}
END_TEST

START_TEST(nobody_who_may_only_read_is_in_the_way)
{
	begin();
	int one = watch_begin(dir), in_the_way = reader(true);
	ck_assert(is_watched());
	/* Another collector comes: the lock keeps it out of that object, and it makes a new one. */
	int two = watch_begin(dir);
	ck_assert_int_ge(two, 0);
	ck_assert(is_watched());
	watch_end(dir, one);
	ck_assert(is_watched());
	int again = reader(true);
	watch_end(dir, two);
	ck_assert_int_ne(faccessat(dir, name, F_OK, 0), 0);
	close(again);
	close(in_the_way);
	end();
}
END_TEST

START_TEST(what_is_no_file_is_replaced_and_locks_of_readers_do_not_watch)
{
	begin();
	ck_assert_int_eq(symlinkat("/nowhere", dir, name), 0);
	int one = watch_begin(dir);
	ck_assert_int_ge(one, 0);
	ck_assert(is_watched());
	int left = reader(true);
	close(one); /* it was killed */
	ck_assert(!is_watched());
	close(left);
	ck_assert_int_eq(unlinkat(dir, name, 0) | mkfifoat(dir, name, 0644), 0);
	one = watch_begin(dir);
	ck_assert_int_ge(one, 0);
	ck_assert(is_watched());
	watch_end(dir, one);
	end();
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("watch");
	tcase_add_test(tc, the_last_one_removes_it);
	tcase_add_test(tc, nobody_who_may_only_read_is_in_the_way);
	tcase_add_test(tc, what_is_no_file_is_replaced_and_locks_of_readers_do_not_watch);
	return suite_run("watch", tc);
}
