/* SPDX-License-Identifier: MIT */
#include "reading.h"

#define TURN_BYTES (4u << 20)

/* What else there is, the next one reads; of a command we read it to the end, and leave it out. */
static void
look_if_enough(struct reading *reading)
{
	reading->enough = reading_turn_is_over(reading) ||
			  (!reading->stays && reading_is_full(reading));
}

bool
reading_is_full(const struct reading *reading)
{
	return reading->closed ||
	       (reading->max_events != 0 && reading->n_events >= reading->max_events);
}

void
reading_close(struct reading *reading)
{
	reading->closed = true;
	look_if_enough(reading);
}

void
reading_begin_turn(struct reading *reading)
{
	reading->turn_from = reading->printer->n_bytes;
	look_if_enough(reading);
}

bool
reading_turn_is_over(const struct reading *reading)
{
	return reading->printer->n_bytes - reading->turn_from >= TURN_BYTES;
}

void
reading_printed(struct reading *reading)
{
	reading->n_events++;
	look_if_enough(reading);
}
