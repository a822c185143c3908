/* SPDX-License-Identifier: MIT */
#include "history.h"

#define SECOND_NS 1000000000u

static void
push(struct history *history, double rate)
{
	history->rates[history->next] = rate;
	history->next = (history->next + 1) % HISTORY_SECONDS;
	if (history->n < HISTORY_SECONDS)
		history->n++;
}

void
history_add(struct history *history, uint64_t now_ns, double rate)
{
	if (history->last_ns == 0)
		history->last_ns = now_ns - SECOND_NS;
	if (now_ns - history->last_ns > (uint64_t)HISTORY_SECONDS * SECOND_NS)
		history->last_ns = now_ns - (uint64_t)HISTORY_SECONDS * SECOND_NS;
	for (; now_ns - history->last_ns >= SECOND_NS; history->last_ns += SECOND_NS)
		push(history, rate);
}

double
history_most(const struct history *history)
{
	double most = 0;
	for (unsigned i = 0; i < history->n; i++)
		most = history->rates[i] > most ? history->rates[i] : most;
	return most;
}

unsigned
history_put(const struct history *history, bool utf8, size_t width, struct line *out)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	double most = history_most(history);
	unsigned n = history->n < width ? history->n : (unsigned)width;
	for (unsigned i = n; i-- > 0;) {
		unsigned at = (history->next + HISTORY_SECONDS - 1 - i) % HISTORY_SECONDS;
		double share = most > 0 ? history->rates[at] / most : 0;
		if (utf8)
			line_string(out, blocks[(unsigned)(share * 8 + 0.999)]);
		else
			line_char(out, share > 0 ? (char)('0' + (unsigned)(share * 9 + 0.5)) : '.');
	}
	return n;
}
