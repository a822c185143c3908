/* SPDX-License-Identifier: MIT */
/* When reading stops: as many events as were asked for, or one process had its turn. */
#include "reading.h"
#include "suite.h"

#define MIB (1u << 20)

static struct printer printer;

static void
print(struct reading *reading, uint64_t n_bytes)
{
	printer.n_bytes += n_bytes;
	reading_printed(reading);
}

START_TEST(turn_is_lines_of_four_mib)
{
	struct reading reading = {.printer = &printer};
	for (int turn = 0; turn < 3; turn++) {
		reading_begin_turn(&reading);
		ck_assert(!reading.enough && !reading_turn_is_over(&reading));
		print(&reading, 4 * MIB - 1);
		ck_assert(!reading.enough);
		print(&reading, turn == 1 ? 12 * MIB : 1);
		ck_assert(reading.enough && reading_turn_is_over(&reading));
		ck_assert(!reading_is_full(&reading));
	}
}
END_TEST

START_TEST(turn_does_not_begin_what_is_closed)
{
	struct reading reading = {.printer = &printer, .max_events = 2};
	reading_begin_turn(&reading);
	print(&reading, 100);
	ck_assert(!reading.enough);
	print(&reading, 100);
	ck_assert(reading.enough && reading_is_full(&reading) && !reading_turn_is_over(&reading));
	reading_begin_turn(&reading);
	ck_assert(reading.enough);
}
END_TEST

START_TEST(with_a_command_all_is_read_to_the_end)
{
	struct reading reading = {.printer = &printer, .stays = true};
	reading_begin_turn(&reading);
	reading_close(&reading);
	ck_assert(reading_is_full(&reading) && !reading.enough);
	print(&reading, 4 * MIB);
	ck_assert(reading.enough);
	reading_begin_turn(&reading);
	ck_assert(!reading.enough);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("reading");
	tcase_add_test(tc, turn_is_lines_of_four_mib);
	tcase_add_test(tc, turn_does_not_begin_what_is_closed);
	tcase_add_test(tc, with_a_command_all_is_read_to_the_end);
	return suite_run("reading", tc);
}
