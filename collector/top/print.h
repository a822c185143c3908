/* SPDX-License-Identifier: MIT */
/* A report as it is printed: text for people, one JSON object (type `top`), one line. */
#ifndef COLLECTOR_TOP_PRINT_H
#define COLLECTOR_TOP_PRINT_H

#include "json.h"
#include "report.h"

/* Each appends to `out`; without memory out->failed is set. */

/* How much of what was recorded targets and the tail have seen; a line without its end. */
void print_share(const struct report *report, struct line *out);

/* As vmstat has it. With `titles` those of the columns stand before it. */
void print_line(const struct report *report, bool titles, struct line *out);

/* One line with these parts (enum report_part), `most` rows of each; 0: all. 0 or -ENOMEM. */
int print_json(struct json *json, const struct report *report, uint64_t most, unsigned parts);

#endif
