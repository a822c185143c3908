/* SPDX-License-Identifier: MIT */
/* What the files report*.c share: how figures come about and add up, and who makes which rows. */
#ifndef COLLECTOR_TOP_REPORT_PARTS_H
#define COLLECTOR_TOP_REPORT_PARTS_H

#include "report.h"
#include "saturating.h"

/* A copy that lives as long as the report; NULL: there is no memory. */
const char *report_keep(struct report *report, const char *text);

static inline struct figure
figure(const struct watched *watched, uint64_t now, uint64_t before, uint64_t base)
{
	bool known = watched->before.time_ns != 0 || watched->is_new;
	return (struct figure){less(now, base), known ? less(now, before) : 0};
}

#define FIGURE(watched, member) \
	figure((watched), (watched)->now.tally.member, (watched)->before.tally.member, \
	       (watched)->base.tally.member)

static inline void
add_figure(struct figure *sum, struct figure n)
{
	sum->total = plus(sum->total, n.total);
	sum->recent = plus(sum->recent, n.recent);
}

/* For qsort(): who has more comes first. */
static inline int
more(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

/* Of report->watched, which is there. 0 or -ENOMEM. The header is made in each case. */
int report_make_processes(struct report *report, bool wanted);
int report_make_events(struct report *report, const struct selection *selection);
int report_make_functions(struct report *report);

#endif
