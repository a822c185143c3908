/* SPDX-License-Identifier: MIT */
#include "give_back.h"

static void
give_all(struct give_back *give_back, struct roster *roster)
{
	for (size_t i = 0; i < roster->n_followed; i++)
		followed_release(roster->followed[i]);
	roster_bury(roster, roster->n_ended);
	give_back->marked = false;
}

static void
give_marked(struct give_back *give_back, struct roster *roster)
{
	for (size_t i = 0; i < roster->n_followed; i++)
		followed_release_marked(roster->followed[i]);
	roster_bury(roster, give_back->n_ended);
	give_back->marked = false;
}

static void
set_mark(struct give_back *give_back, struct roster *roster, const struct printer *printer)
{
	for (size_t i = 0; i < roster->n_followed; i++)
		followed_mark(roster->followed[i]);
	give_back->mark = printer_mark(printer);
	give_back->n_ended = roster->n_ended;
	give_back->marked = true;
}

/*
 * What no sink takes any more is the next collector's. But of a command, which we stay with, `head`
 * has seen enough.
 */
static bool
has_nobody_to_write_to(const struct roster *roster, const struct outputs *outputs)
{
	return outputs_gone(outputs) && (outputs_failed(outputs) || !roster->reading->closed);
}

void
give_back(struct give_back *give_back, struct roster *roster, const struct printer *printer)
{
	if (has_nobody_to_write_to(roster, printer->outputs)) {
		roster_leave_ended(roster);
		give_back->marked = false;
		return;
	}
	if (printer_idle(printer)) {
		give_all(give_back, roster);
		return;
	}
	if (give_back->marked && printer_is_past(printer, &give_back->mark))
		give_marked(give_back, roster);
	if (!give_back->marked)
		set_mark(give_back, roster, printer);
	for (size_t i = 0; i < roster->n_followed; i++)
		followed_relieve(roster->followed[i]);
}
