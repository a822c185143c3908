/* SPDX-License-Identifier: MIT */
/* Only an object that is safe to attach to is opened, and only its own process is its owner. */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "discover.h"
#include "proc.h"
#include "suite.h"
#include "temp_dir.h"

#define NOBODY 65534

static struct places places;
static struct segment_found found;
static char why[400], name[SEGMENT_NAME_BYTES];

static void
begin(void)
{
	temp_dir_open();
	ck_assert_int_eq(places_init(&places, temp_dir), 0);
	segment_name(name, geteuid(), (uint32_t)getpid(), 0xabcd);
}

static void
end(void)
{
	places_fini(&places);
	temp_dir_close();
}

static int
open_it(void)
{
	why[0] = '\0';
	int err = discover_open(places.items[0], name, &found, why, sizeof why);
	/* After a failure there is nothing to close, and a reason. */
	ck_assert(err == 0 || found.fd == -1);
	ck_assert(err == 0 || why[0] != '\0');
	return err;
}

#define REFUSED(reason) \
	do { \
		ck_assert_int_eq(open_it(), DISCOVER_REFUSED); \
		ck_assert_msg(strstr(why, reason) != NULL, "%s", why); \
	} while (0)

static int
count_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Map the object as its process would. */
static void *
map_it(void)
{
	int fd = open(temp_path(name + 1), O_RDWR);
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	close(fd);
	return map;
}

START_TEST(a_proper_object_is_opened_for_writing)
{
	begin();
	temp_write(name + 1, "", 0, 0600);
	int n_fds = count_fds();
	ck_assert_int_eq(open_it(), 0);
	ck_assert_str_eq(found.name, name);
	ck_assert_uint_eq(found.name_pid, (uint32_t)getpid());
	ck_assert_uint_eq(found.nonce, 0xabcd);
	ck_assert_uint_eq(found.owner, geteuid());
	ck_assert_int_eq(fcntl(found.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_ne(fcntl(found.fd, F_GETFD) & FD_CLOEXEC, 0);
	discover_fini(&found);
	ck_assert_int_eq(count_fds(), n_fds);
	end();
}
END_TEST

START_TEST(hostile_names_never_reach_the_file_system)
{
	static const char *const wrong[] = {
		"", "/", "x", "pyauditd.", "../pyauditd.0.1.00000001", "pyauditd.0.1.00000001/..",
		"pyauditd.0.1.00000001/../../etc/passwd", "pyauditd.0.1.0000000A",
		"pyauditd.0.01.00000001", "pyauditd.0.1.00000001\n", "pyauditd.%s%n.1.00000001",
		"pyauditd.4294967296.1.00000001"};
	begin();
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int err = discover_open(places.items[0], wrong[i], &found, why, sizeof why);
		ck_assert_msg(err == DISCOVER_REFUSED, "%s", wrong[i]);
		ck_assert_ptr_nonnull(strstr(why, "is no name of a segment"));
		ck_assert_int_eq(found.fd, -1);
	}
	ck_assert_int_eq(open_it(), -ENOENT);
	end();
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_and_not_opened)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	begin();
	int n_fds = count_fds();
	const char *path = temp_path(name + 1);
	temp_write("target", "", 0, 0600);
	ck_assert_int_eq(symlink(temp_path("target"), path), 0);
	REFUSED("is no regular file");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/nowhere", path), 0);
	REFUSED("is no regular file");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	REFUSED("is no regular file"); /* and did not wait for a writer */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0600), 0);
	REFUSED("is no regular file");
	ck_assert_int_eq(rmdir(path), 0);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	REFUSED("is no regular file");
	close(fd);
	ck_assert_int_eq(count_fds(), n_fds);
	end();
}
END_TEST

START_TEST(a_wrong_mode_or_a_second_name_is_refused)
{
	static const mode_t modes[] = {0, 0400, 0644, 0660, 0666, 0700, 01600, 02600, 04600};
	begin();
	int n_fds = count_fds();
	temp_write(name + 1, "", 0, 0600);
	for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		ck_assert_int_eq(chmod(temp_path(name + 1), modes[i]), 0);
		REFUSED("does not have mode 0600");
	}
	ck_assert_int_eq(chmod(temp_path(name + 1), 0600), 0);
	ck_assert_int_eq(link(temp_path(name + 1), temp_path("other")), 0);
	REFUSED("has a second name");
	ck_assert_int_eq(unlink(temp_path("other")), 0);
	ck_assert_int_eq(open_it(), 0);
	discover_fini(&found);
	ck_assert_int_eq(count_fds(), n_fds);
	end();
}
END_TEST

/* Runs as another user in a child; the child's asserts would not be ours. */
static int
open_as(uid_t uid)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (seteuid(uid) != 0)
			_exit(99);
		int err = discover_open(places.items[0], name, &found, why, sizeof why);
		_exit(err == -EACCES && strstr(why, "belongs to user id") != NULL ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

START_TEST(what_belongs_to_another_user_is_for_root_only)
{
	if (geteuid() != 0) {
		fprintf(stderr, "what_belongs_to_another_user: skipped, needs root\n");
		return;
	}
	begin();
	ck_assert_int_eq(chmod(temp_dir, 0755), 0);
	temp_write(name + 1, "", 0, 0600);
	ck_assert_int_eq(open_as(NOBODY), 1);
	/* The other way round root may, but then it must be the process's own. */
	ck_assert_int_eq(chown(temp_path(name + 1), NOBODY, NOBODY), 0);
	ck_assert_int_eq(truncate(temp_path(name + 1), 4096), 0);
	void *map = map_it();
	ck_assert_int_eq(open_it(), 0);
	ck_assert_uint_eq(found.owner, NOBODY);
	ck_assert_int_eq(discover_identify(&found, why, sizeof why), DISCOVER_REFUSED);
	ck_assert_ptr_nonnull(strstr(why, "maps a segment of user id 65534"));
	discover_fini(&found);
	munmap(map, 4096);
	end();
}
END_TEST

START_TEST(the_owner_is_the_process_that_maps_it)
{
	begin();
	int n_fds = count_fds();
	temp_write(name + 1, "", 0, 0600);
	ck_assert_int_eq(truncate(temp_path(name + 1), 4096), 0);
	ck_assert_int_eq(open_it(), 0);
	void *map = map_it();
	ck_assert_int_eq(discover_identify(&found, why, sizeof why), 0);
	ck_assert(found.identity.alive);
	ck_assert_uint_eq(found.identity.pid, (uint32_t)getpid());
	ck_assert_uint_eq(found.identity.uid, geteuid());
	ck_assert(proc_alive(found.maps));
	discover_fini(&found);

	/* Mapped by nobody: dead. */
	munmap(map, 4096);
	ck_assert_int_eq(open_it(), 0);
	ck_assert_int_eq(discover_identify(&found, why, sizeof why), 0);
	ck_assert(!found.identity.alive);
	ck_assert_int_eq(found.maps, -1);
	ck_assert_uint_eq(found.identity.pid, 0);
	ck_assert_uint_eq(found.identity.ns_pid, (uint32_t)getpid());
	discover_fini(&found);
	ck_assert_int_eq(count_fds(), n_fds);
	end();
}
END_TEST

START_TEST(a_process_that_maps_another_ones_object_is_not_its_owner)
{
	begin();
	segment_name(name, geteuid(), (uint32_t)getppid(), 1);
	temp_write(name + 1, "", 0, 0600);
	ck_assert_int_eq(truncate(temp_path(name + 1), 4096), 0);
	void *map = map_it();
	ck_assert_int_eq(open_it(), 0);
	ck_assert_int_eq(discover_identify(&found, why, sizeof why), 0);
	ck_assert(!found.identity.alive);
	discover_fini(&found);
	munmap(map, 4096);
	end();
}
END_TEST

START_TEST(a_truncated_or_unfinished_header_is_for_later)
{
	struct segment_header header = {.magic = SEGMENT_MAGIC, .ready = 1}, copy;
	begin();
	temp_write(name + 1, &header, sizeof header - 1, 0600);
	ck_assert_int_eq(open_it(), 0);
	ck_assert_int_eq(discover_header(&found, &copy), DISCOVER_LATER);
	ck_assert_int_eq(truncate(temp_path(name + 1), 0), 0);
	ck_assert_int_eq(discover_header(&found, &copy), DISCOVER_LATER);
	ck_assert_int_eq(pwrite(found.fd, &header, sizeof header, 0), sizeof header);
	ck_assert_int_eq(discover_header(&found, &copy), 0);
	ck_assert_uint_eq(copy.magic, SEGMENT_MAGIC);
	header.ready = 0;
	ck_assert_int_eq(pwrite(found.fd, &header, sizeof header, 0), sizeof header);
	ck_assert_int_eq(discover_header(&found, &copy), DISCOVER_LATER);
	discover_fini(&found);
	end();
}
END_TEST

START_TEST(only_the_same_object_is_unlinked)
{
	struct stat st;
	begin();
	temp_write(name + 1, "", 0, 0600);
	ck_assert_int_eq(open_it(), 0);
	ck_assert_int_eq(rename(temp_path(name + 1), temp_path("old")), 0);
	temp_write(name + 1, "", 0, 0600);
	discover_unlink(places.items[0], &found);
	ck_assert_int_eq(stat(temp_path(name + 1), &st), 0);
	ck_assert_int_eq(rename(temp_path("old"), temp_path(name + 1)), 0);
	discover_unlink(places.items[0], &found);
	ck_assert_int_eq(stat(temp_path(name + 1), &st), -1);
	discover_unlink(places.items[0], &found);
	discover_unlink(NULL, &found);
	discover_fini(&found);
	end();
}
END_TEST

START_TEST(a_process_is_found_by_its_pid)
{
	begin();
	int n_fds = count_fds();
	ck_assert_int_eq(discover_process((uint32_t)getpid(), &found, why, sizeof why),
			 DISCOVER_UNTRACED);
	ck_assert_int_eq(discover_process(0x7fffffff, &found, why, sizeof why), -ESRCH);
	ck_assert_ptr_nonnull(strstr(why, "no such process"));
	segment_name(name, geteuid(), (uint32_t)getpid(), 0x7e57);
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	int err = discover_process((uint32_t)getpid(), &found, why, sizeof why);
	/* Another object under its name is not the one that it maps. */
	shm_unlink(name);
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct segment_found other;
	int err_other = discover_process((uint32_t)getpid(), &other, why, sizeof why);
	shm_unlink(name);
	close(fd);
	ck_assert_int_eq(err, 0);
	ck_assert_str_eq(found.name, name);
	ck_assert(found.identity.alive);
	if (err_other == 0) /* root, by way of map_files */
		ck_assert_uint_eq(other.ino, found.ino);
	else
		ck_assert_int_eq(err_other, -EACCES);
	discover_fini(&other);
	discover_fini(&found);
	munmap(map, 4096);
	ck_assert_int_eq(count_fds(), n_fds);
	end();
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("discover");
	tcase_add_test(tc, a_proper_object_is_opened_for_writing);
	tcase_add_test(tc, hostile_names_never_reach_the_file_system);
	tcase_add_test(tc, what_is_no_regular_file_is_refused_and_not_opened);
	tcase_add_test(tc, a_wrong_mode_or_a_second_name_is_refused);
	tcase_add_test(tc, what_belongs_to_another_user_is_for_root_only);
	tcase_add_test(tc, the_owner_is_the_process_that_maps_it);
	tcase_add_test(tc, a_process_that_maps_another_ones_object_is_not_its_owner);
	tcase_add_test(tc, a_truncated_or_unfinished_header_is_for_later);
	tcase_add_test(tc, only_the_same_object_is_unlinked);
	tcase_add_test(tc, a_process_is_found_by_its_pid);
	return suite_run("discover", tc);
}
