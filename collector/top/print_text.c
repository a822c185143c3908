/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "print.h"
#include "view.h"

/* Never 100 when something was missed, nor 0 when something was seen. */
static void
put_share(struct line *out, double share)
{
	char text[16];
	double tenths = floor(share * 1000);
	if (tenths == 0 && share > 0)
		tenths = 1;
	snprintf(text, sizeof text, "%g %%", tenths / 10);
	line_string(out, text);
}

void
print_share(const struct report *report, struct line *out)
{
	const struct records *records = &report->fleet->records;
	put_share(out, records_share(records));
	line_literal(out, " of the records seen");
	if (records->n_others > 0) {
		line_literal(out, ", read by others: ");
		line_u64(out, records->n_others);
	}
}

/* Right in so many columns. */
static void
put_column(struct line *out, size_t width, const char *text, size_t n)
{
	for (size_t i = n; i < width; i++)
		line_char(out, ' ');
	line_bytes(out, text, n);
}

void
print_line(const struct report *report, bool titles, struct line *out)
{
	const struct header_figures *header = &report->header;
	const struct {
		const char *title;
		uint64_t recent;
	} columns[] = {
		{"ev/s", header->events.recent},
		{"calls/s", header->calls.recent + header->call_events.recent},
		{"rec/s", header->recorded.recent},
		{"lost/s", header->lost.recent},
		{"bytes/s", header->slots.recent * SLOT_BYTES},
	};
	size_t n = sizeof columns / sizeof columns[0];
	struct line number = {0};
	if (titles) {
		line_literal(out, "procs");
		for (size_t i = 0; i < n; i++)
			put_column(out, 9, columns[i].title, strlen(columns[i].title));
		line_char(out, '\n');
	}
	line_u64(&number, header->n_alive);
	put_column(out, 5, number.text, number.len);
	for (size_t i = 0; i < n; i++) {
		line_cut(&number, 0);
		put_rate(&number, report_rate(report, columns[i].recent));
		put_column(out, 9, number.text, number.len);
	}
	line_char(out, '\n');
	out->failed |= number.failed;
	line_fini(&number);
}
