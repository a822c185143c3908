/* SPDX-License-Identifier: MIT */
/* Who belongs to a family that is followed. */
#include "target.h"

#include <unistd.h>

#include "proc.h"
#include "suite.h"

#define OTHER_UID 4242

static struct target target;
static struct segment_found parent, child;
static struct segment_header header;

/* A process that has ended: only its segment's word is left. */
static void
begin(uint32_t parent_uid, uint32_t child_uid)
{
	target = (struct target){.kind = TARGET_PIDS};
	parent = (struct segment_found){.name_pid = 100, .nonce = 7, .owner = parent_uid};
	child = (struct segment_found){.name_pid = 101, .nonce = 8, .owner = child_uid};
	header = (struct segment_header){.pid = 101, .parent_pid = 100, .parent_nonce = 7};
	NEED(!target_wants(&target, &child, &header));
	NEED(target_follow(&target, &parent, 0, 0) == 0);
}

START_TEST(a_child_is_wanted_by_the_parent_that_its_segment_names)
{
	begin(0, 0);
	NEED(target_wants(&target, &child, &header));
	header.parent_nonce = 9;
	NEED(!target_wants(&target, &child, &header));
	target_fini(&target);
}
END_TEST

START_TEST(nobody_joins_another_users_family)
{
	begin(0, OTHER_UID);
	NEED(!target_wants(&target, &child, &header));
	target_fini(&target);
	begin(OTHER_UID, 0);
	NEED(!target_wants(&target, &child, &header));
	target_fini(&target);
}
END_TEST

START_TEST(a_child_of_a_child_is_wanted_too)
{
	begin(0, 0);
	NEED(target_follow(&target, &child, 0, 0) == 0);
	struct segment_found grandchild = {.name_pid = 102, .nonce = 9};
	header = (struct segment_header){.pid = 102, .parent_pid = 101, .parent_nonce = 8};
	NEED(target_wants(&target, &grandchild, &header));
	target_fini(&target);
}
END_TEST

START_TEST(what_a_command_started_is_known_by_its_number)
{
	target = (struct target){.kind = TARGET_LAUNCH, .launch_id = 5};
	header = (struct segment_header){.launch_id = 5};
	NEED(target_may_want(&target, &header) && target_wants(&target, &child, &header));
	header.launch_id = 6;
	NEED(!target_may_want(&target, &header) && !target_wants(&target, &child, &header));
}
END_TEST

START_TEST(of_parents_the_last_ones_are_known)
{
	begin(0, 0);
	for (uint32_t i = 1; i < TARGET_PARENTS; i++) {
		struct segment_found other = {.name_pid = 1000 + i, .nonce = i};
		NEED(target_follow(&target, &other, 0, 0) == 0);
	}
	NEED(target_wants(&target, &child, &header));
	NEED(target_follow(&target, &child, 0, 0) == 0);
	NEED(!target_wants(&target, &child, &header));
	header = (struct segment_header){.pid = 102, .parent_pid = 101, .parent_nonce = 8};
	NEED(target_wants(&target, &child, &header));
	NEED(target.room_parents == TARGET_PARENTS);
	target_fini(&target);
}
END_TEST

static uint64_t
start_time_of(pid_t pid)
{
	struct proc_stat stat = {0};
	int proc = proc_open((uint32_t)pid);
	NEED(proc >= 0 && proc_stat(proc, &stat) == 0);
	close(proc);
	return stat.start_time;
}

/* What our parent's child is, whose segment names nobody. */
START_TEST(an_ancestor_is_known_by_its_pid_and_when_it_started)
{
	uint32_t pid = (uint32_t)getppid();
	begin(0, 0);
	header.parent_pid = 0;
	child.identity = (struct identity){.alive = true, .pid = (uint32_t)getpid()};
	NEED(target_follow(&target, &parent, pid, start_time_of(getppid()) - 1) == 0);
	NEED(!target_wants(&target, &child, &header));
	NEED(target_follow(&target, &parent, pid, start_time_of(getppid())) == 0);
	NEED(target_wants(&target, &child, &header));
	target_fini(&target);
}
END_TEST

START_TEST(processes_that_have_gone_are_forgotten)
{
	begin(0, 0);
	uint64_t since = start_time_of(getppid());
	NEED(target_follow(&target, &parent, (uint32_t)getppid(), since) == 0);
	for (uint64_t i = 1; i < 100000; i++)
		NEED(target_follow(&target, &parent, (uint32_t)getppid(), since + i) == 0);
	NEED(target.room_processes == 64);
	header.parent_pid = 0;
	child.identity = (struct identity){.alive = true, .pid = (uint32_t)getpid()};
	NEED(target_wants(&target, &child, &header));
	target_fini(&target);
}
END_TEST

START_TEST(who_wants_all_remembers_nobody)
{
	target = (struct target){.kind = TARGET_ALL};
	NEED(target_follow(&target, &parent, 1, 1) == 0);
	NEED(target.parents == NULL && target.processes == NULL);
	NEED(target_wants(&target, &child, &header));
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("target");
	tcase_add_test(tc, a_child_is_wanted_by_the_parent_that_its_segment_names);
	tcase_add_test(tc, nobody_joins_another_users_family);
	tcase_add_test(tc, a_child_of_a_child_is_wanted_too);
	tcase_add_test(tc, of_parents_the_last_ones_are_known);
	tcase_add_test(tc, an_ancestor_is_known_by_its_pid_and_when_it_started);
	tcase_add_test(tc, processes_that_have_gone_are_forgotten);
	tcase_add_test(tc, who_wants_all_remembers_nobody);
	tcase_add_test(tc, what_a_command_started_is_known_by_its_number);
	return suite_run("target", tc);
}
