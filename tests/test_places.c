/* SPDX-License-Identifier: MIT */
/* Names of segments are seen where they appear, once, and no others. */
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "places.h"
#include "proc.h"
#include "suite.h"
#include "temp_dir.h"

static struct places places;
static char seen[1000];

static void
see(void *context, struct place *place, const char *name)
{
	ck_assert_ptr_eq(context, &places);
	ck_assert_ptr_eq(place, places.items[0]);
	strcat(strcat(seen, name), " ");
}

static unsigned n_seen;

static void
count(void *context, struct place *place, const char *name)
{
	(void)context, (void)place, (void)name;
	n_seen++;
}

static const char *
poll_names(void)
{
	seen[0] = '\0';
	places_poll(&places, see, &places);
	return seen;
}

START_TEST(what_is_there_is_listed_each_time)
{
	temp_dir_open();
	temp_write("pyauditd.0.1.00000001", "", 0, 0600);
	temp_write("other", "", 0, 0600);
	temp_write("xpyauditd.0.1.00000001", "", 0, 0600);
	ck_assert_int_eq(places_init(&places, temp_dir), 0);
	ck_assert_uint_eq(places.n, 1);
	ck_assert(places.items[0]->own);
	ck_assert_str_eq(poll_names(), ""); /* it appeared before we came */
	for (unsigned i = 0; i < 2; i++) {
		seen[0] = '\0';
		places_list(places.items[0], see, &places);
		ck_assert_str_eq(seen, "pyauditd.0.1.00000001 ");
	}
	places_fini(&places);
	temp_dir_close();
}
END_TEST

START_TEST(what_appears_is_told_once)
{
	temp_dir_open();
	ck_assert_int_eq(places_init(&places, temp_dir), 0);
	temp_write("pyauditd.0.1.00000001", "", 0, 0600);
	temp_write("other", "", 0, 0600);
	ck_assert_str_eq(poll_names(), "pyauditd.0.1.00000001 ");
	ck_assert_str_eq(poll_names(), "");
	ck_assert_int_eq(rename(temp_path("other"), temp_path("pyauditd.x\n")), 0);
	ck_assert_str_eq(poll_names(), "pyauditd.x\n ");
	ck_assert_int_eq(unlink(temp_path("pyauditd.x\n")), 0);
	ck_assert_str_eq(poll_names(), "");
	places_fini(&places);
	temp_dir_close();
}
END_TEST

START_TEST(without_a_watch_what_is_there_is_listed)
{
	temp_dir_open();
	ck_assert_int_eq(places_init(&places, temp_dir), 0);
	inotify_rm_watch(places.inotify, places.items[0]->watch);
	places.items[0]->watch = -1;
	ck_assert_str_eq(poll_names(), "");
	temp_write("pyauditd.0.1.00000001", "", 0, 0600);
	usleep(150000);
	ck_assert_str_eq(poll_names(), "pyauditd.0.1.00000001 ");
	ck_assert_str_eq(poll_names(), "");
	places_fini(&places);
	temp_dir_close();
}
END_TEST

START_TEST(many_that_appear_at_once_are_all_told)
{
	temp_dir_open();
	ck_assert_int_eq(places_init(&places, temp_dir), 0);
	for (unsigned i = 0; i < 1000; i++) {
		char name[64];
		snprintf(name, sizeof name, "pyauditd.0.%u.00000001", i);
		temp_write(name, "", 0, 0600);
	}
	places_poll(&places, count, &places);
	ck_assert_uint_eq(n_seen, 1000);
	places_fini(&places);
	temp_dir_close();
}
END_TEST

/* A directory that processes with another root call /dev/shm, of which root may make one. */
START_TEST(another_root_is_entered_without_following_links)
{
	if (geteuid() != 0) {
		fprintf(stderr, "another_root: skipped, needs root\n");
		return;
	}
	temp_dir_open();
	ck_assert_int_eq(mkdir(temp_path("root"), 0755), 0);
	ck_assert_int_eq(mkdir(temp_path("root/dev"), 0755), 0);
	ck_assert_int_eq(places_init(&places, temp_dir), 0);
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		close(ends[1]);
		if (chroot(temp_path("root")) == 0)
			_exit((int)read(ends[0], &byte, 1));
		_exit(99);
	}
	struct stat root, own;
	int proc = proc_open((uint32_t)pid);
	ck_assert_int_eq(stat(temp_path("root"), &own), 0);
	do
		ck_assert_int_eq(fstatat(proc, "root", &root, 0), 0);
	while (root.st_ino != own.st_ino);
	/* Out of the root by a link: not followed. */
	ck_assert_int_eq(symlink("../../../../dev/shm", temp_path("root/dev/shm")), 0);
	ck_assert_int_lt(place_open_below(proc), 0);
	ck_assert_int_eq(unlink(temp_path("root/dev/shm")), 0);
	/* Nor within it. */
	ck_assert_int_eq(mkdir(temp_path("root/dev/other"), 0755), 0);
	ck_assert_int_eq(symlink("other", temp_path("root/dev/shm")), 0);
	ck_assert_int_lt(place_open_below(proc), 0);
	ck_assert_int_eq(unlink(temp_path("root/dev/shm")), 0);
	ck_assert_int_eq(mkfifo(temp_path("root/dev/shm"), 0600), 0);
	ck_assert_int_lt(place_open_below(proc), 0);
	ck_assert_int_eq(unlink(temp_path("root/dev/shm")), 0);
	ck_assert_int_eq(mkdir(temp_path("root/dev/shm"), 0755), 0);
	ck_assert_int_eq(stat(temp_path("root/dev/shm"), &own), 0);
	places_scan(&places, NULL, NULL);
	ck_assert(places.items[0]->own); /* kept, though nobody else uses it */
	struct place *place = places_of(&places, proc);
	ck_assert_ptr_nonnull(place);
	ck_assert_uint_eq(place->ino, own.st_ino);
	ck_assert(!place->own);
	/* Names there are told, too. */
	temp_write("root/dev/shm/pyauditd.0.1.00000001", "", 0, 0600);
	places_poll(&places, count, &places);
	ck_assert_uint_eq(n_seen, 1);
	size_t n = places.n;
	close(ends[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(proc);
	/* Nobody lives there any more. */
	places_scan(&places, NULL, NULL);
	ck_assert_uint_eq(places.n, n - 1);
	places_fini(&places);
	temp_dir_close();
}
END_TEST

/* Told by a byte what to do next, and answers with one when it is done. */
static pid_t
start_in_namespace_of_its_own(int *say, int *done)
{
	int to[2], from[2];
	char byte;
	ck_assert(pipe(to) == 0 && pipe(from) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(to[1]);
		bool ok = unshare(CLONE_NEWNS) == 0 &&
			  mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
		ok = ok && write(from[1], "n", 1) == 1 && read(to[0], &byte, 1) == 1 &&
		     mount("shm", "/dev/shm", "tmpfs", 0, NULL) == 0 &&
		     write(from[1], "m", 1) == 1;
		_exit(ok && read(to[0], &byte, 1) == 0 ? 0 : 99);
	}
	close(to[0]);
	close(from[1]);
	*say = to[1];
	*done = from[0];
	return pid;
}

/* As containers do, which set up their /dev/shm when they are there. */
START_TEST(a_dev_shm_that_is_mounted_later_is_found_and_forgotten)
{
	char byte;
	int say, done;
	if (geteuid() != 0) {
		fprintf(stderr, "a_dev_shm_that_is_mounted_later: skipped, needs root\n");
		return;
	}
	ck_assert_int_eq(places_init(&places, "/dev/shm"), 0);
	places_scan(&places, NULL, NULL);
	size_t n = places.n, n_keys = places.n_keys;
	pid_t pid = start_in_namespace_of_its_own(&say, &done);
	int proc = proc_open((uint32_t)pid);
	ck_assert_int_eq(read(done, &byte, 1), 1);
	places_scan(&places, NULL, NULL);
	ck_assert_ptr_eq(places_of(&places, proc), places.items[0]);
	ck_assert_uint_eq(places.n_keys, n_keys + 1);
	ck_assert_int_eq(write(say, "m", 1), 1);
	ck_assert_int_eq(read(done, &byte, 1), 1);
	places_scan(&places, NULL, NULL);
	ck_assert_uint_eq(places.n, n + 1);
	ck_assert_ptr_ne(places_of(&places, proc), places.items[0]);
	/* Somebody keeps a pointer to it: it stays until he lets go. */
	struct place *place = places_of(&places, proc);
	place->n_users++;
	close(say);
	close(done);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_ptr_null(places_of(&places, proc)); /* gone */
	close(proc);
	places_scan(&places, NULL, NULL);
	ck_assert_uint_eq(places.n, n + 1);
	place->n_users--;
	places_scan(&places, NULL, NULL);
	ck_assert_uint_eq(places.n, n);
	ck_assert_uint_eq(places.n_keys, n_keys);
	places_fini(&places);
}
END_TEST

static void
see_fresh(void *context, struct place *place)
{
	ck_assert_ptr_eq(context, &places);
	ck_assert(!place->own);
	n_seen++;
}

START_TEST(a_new_place_is_told_once)
{
	char byte;
	int say, done;
	if (geteuid() != 0) {
		fprintf(stderr, "a_new_place: skipped, needs root\n");
		return;
	}
	ck_assert_int_eq(places_init(&places, "/dev/shm"), 0);
	places_scan(&places, NULL, NULL);
	pid_t pid = start_in_namespace_of_its_own(&say, &done);
	ck_assert_int_eq(read(done, &byte, 1), 1);
	ck_assert_int_eq(write(say, "m", 1), 1);
	ck_assert_int_eq(read(done, &byte, 1), 1);
	n_seen = 0;
	places_scan(&places, see_fresh, &places);
	ck_assert_uint_eq(n_seen, 1);
	places_scan(&places, see_fresh, &places);
	ck_assert_uint_eq(n_seen, 1);
	close(say);
	close(done);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	places_fini(&places);
}
END_TEST

/* More than the kernel's queue of them (16,384): then the folder is listed. */
START_TEST(a_flood_of_names_is_told_in_parts_and_none_is_missing)
{
	char name[64];
	temp_dir_open();
	ck_assert_int_eq(places_init(&places, temp_dir), 0);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "pyauditd.0.%u.00000001", i);
		temp_write(name, "", 0, 0600);
	}
	n_seen = 0;
	ck_assert(places_poll(&places, count, &places)); /* there is more */
	ck_assert_uint_lt(n_seen, 20000);
	while (places_poll(&places, count, &places)) {
	}
	ck_assert_uint_ge(n_seen, 20000); /* those of the queue twice */
	places_fini(&places);
	temp_dir_close();
}
END_TEST

START_TEST(a_place_that_is_not_there_is_an_error)
{
	ck_assert_int_lt(places_init(&places, "/no/such/place"), 0);
	places_fini(&places);
	ck_assert_int_lt(places_init(&places, "/dev/null"), 0);
	places_fini(&places);
	ck_assert_int_eq(places.inotify, -1);
}
END_TEST

START_TEST(our_own_root_is_one_place_however_many_live_there)
{
	struct stat st;
	ck_assert_int_eq(places_init(&places, "/dev/shm"), 0);
	int proc = proc_open((uint32_t)getpid());
	ck_assert_int_ge(proc, 0);
	struct place *place = places_of(&places, proc);
	ck_assert_int_eq(stat("/dev/shm", &st), 0);
	ck_assert_ptr_eq(place, places.items[0]);
	ck_assert_uint_eq(place->ino, st.st_ino);
	ck_assert_ptr_eq(places_of(&places, proc), place);
	ck_assert_uint_eq(places.n_keys, 1);
	close(proc);
	/* What it is used by or not, our own is kept. */
	places_scan(&places, NULL, NULL);
	places_scan(&places, NULL, NULL);
	ck_assert_uint_ge(places.n, 1);
	ck_assert_ptr_eq(places.items[0], place);
	places_fini(&places);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("places");
	tcase_add_test(tc, what_is_there_is_listed_each_time);
	tcase_add_test(tc, what_appears_is_told_once);
	tcase_add_test(tc, without_a_watch_what_is_there_is_listed);
	tcase_add_test(tc, many_that_appear_at_once_are_all_told);
	tcase_add_test(tc, another_root_is_entered_without_following_links);
	tcase_add_test(tc, a_dev_shm_that_is_mounted_later_is_found_and_forgotten);
	tcase_add_test(tc, a_new_place_is_told_once);
	tcase_add_test(tc, a_flood_of_names_is_told_in_parts_and_none_is_missing);
	tcase_add_test(tc, a_place_that_is_not_there_is_an_error);
	tcase_add_test(tc, our_own_root_is_one_place_however_many_live_there);
	return suite_run("places", tc);
}
