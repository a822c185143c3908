/* SPDX-License-Identifier: MIT */
/* Who belongs to a family that is followed. */
#include "target.h"

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
	NEED(target_follow(&target, &parent, 0) == 0);
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
	NEED(target_follow(&target, &child, 0) == 0);
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

int
main(void)
{
	TCase *tc = tcase_create("target");
	tcase_add_test(tc, a_child_is_wanted_by_the_parent_that_its_segment_names);
	tcase_add_test(tc, nobody_joins_another_users_family);
	tcase_add_test(tc, a_child_of_a_child_is_wanted_too);
	tcase_add_test(tc, what_a_command_started_is_known_by_its_number);
	return suite_run("target", tc);
}
