/* SPDX-License-Identifier: MIT */
/*
 * Where somebody is who looks around in a report: which view, which row, what for. Keys change
 * it, and nothing here knows of a terminal.
 */
#ifndef COLLECTOR_TOP_BROWSE_H
#define COLLECTOR_TOP_BROWSE_H

#include "view.h"

/* What is no character of its own. */
enum browse_key {
	BROWSE_UP = 0x110000, /* behind Unicode */
	BROWSE_DOWN, BROWSE_LEFT, BROWSE_RIGHT, BROWSE_PAGE_UP, BROWSE_PAGE_DOWN,
	BROWSE_HOME, BROWSE_END, BROWSE_ENTER, BROWSE_BACK, BROWSE_ESCAPE, BROWSE_TAB,
	BROWSE_F1, BROWSE_F2, BROWSE_F3, BROWSE_F4, BROWSE_F5, BROWSE_F6, BROWSE_F7, BROWSE_F8,
	BROWSE_F9, BROWSE_F10,
};

enum browse_action {
	BROWSE_NOTHING,
	BROWSE_DRAW,     /* something looks different */
	BROWSE_RESET,    /* totals count from now on */
	BROWSE_SNAPSHOT, /* write what is seen as JSON */
	BROWSE_LEVEL,    /* the selected event gets the next level */
	BROWSE_QUIT,
};

enum browse_prompt {
	PROMPT_NONE,
	PROMPT_SEARCH,
	PROMPT_FILTER,
	PROMPT_USER,
};

#define BROWSE_INPUT_BYTES 128

struct browse {
	enum view_id view;
	struct {
		unsigned sort;
		bool invert;
		size_t selected, first; /* rows */
		char chosen[VIEW_TEXT_BYTES]; /* what is selected, wherever it goes; "": the row */
		char filter[BROWSE_INPUT_BYTES];
	} views[N_VIEWS];
	char search[BROWSE_INPUT_BYTES], user[BROWSE_INPUT_BYTES];
	char process[KEY_BYTES]; /* the one that we went into; "": all */
	uint32_t process_pid;
	uint32_t uid;            /* of `user`, when that is not "" */
	bool tree, paused, help;
	unsigned offset;         /* columns of the terminal to the right */
	uint64_t interval_ns;
	enum browse_prompt prompt;
	char input[BROWSE_INPUT_BYTES];
	char said[160];          /* a message; "": none */
};

void browse_init(struct browse *browse, uint64_t interval_ns);

/* What is to be reported. */
unsigned browse_parts(const struct browse *browse);
struct selection browse_selection(const struct browse *browse);

/* Filter and sort the report as they are to be seen, and stay within it. 0 or -ENOMEM. */
int browse_arrange(struct browse *browse, struct report *report, size_t rows_on_screen);

/* A character or a browse_key. `report` is the one that is seen. */
enum browse_action browse_key(struct browse *browse, int key, struct report *report,
			      size_t rows_on_screen);

/* The text of the help, a line each, NULL behind the last. */
extern const char *const browse_help[];

#endif
