/* SPDX-License-Identifier: MIT */
#include "browse.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_NS 100000000u
#define MOST_NS 60000000000u

const char *const browse_help[] = {
	"1-7, Tab         processes, events, functions, losses, rings, targets, tail; the next",
	"arrows, j k      up and down; left and right move the picture",
	"PgUp PgDn        a page; Home End, g G: the first and the last row",
	"Enter            go into this process; Backspace, Esc: back",
	"/ F3             search, n: the next one",
	"f F4             show only rows whose name or command has this; empty: all",
	"u                show only processes of this user; empty: of all",
	"t F5             processes as a tree",
	"< > F6           sort by the column before, by the next one",
	"I                turn the order round",
	"space            pause, and go on",
	"+ -              look less often, more often",
	"m                the selected event gets another level: off, count, record",
	"r                totals count from now on",
	"w                write what is seen as JSON, to a file in this folder",
	"h ? F1           this",
	"q F10            quit",
	NULL,
};

void
browse_init(struct browse *browse, uint64_t interval_ns)
{
	memset(browse, 0, sizeof *browse);
	browse->interval_ns = interval_ns;
	for (int i = 0; i < N_VIEWS; i++)
		browse->views[i].sort = view_get((enum view_id)i)->sort;
}

unsigned
browse_parts(const struct browse *browse)
{
	return view_get(browse->view)->part;
}

struct selection
browse_selection(const struct browse *browse)
{
	return (struct selection){
		.key = browse->process[0] != '\0' ? browse->process : NULL,
		.by_user = browse->user[0] != '\0',
		.uid = browse->uid,
	};
}

static size_t
n_rows(const struct browse *browse, struct report *report)
{
	size_t *n;
	view_get(browse->view)->rows(report, &n);
	return *n;
}

/* The selected row is one, and on the screen. */
static void
stay_within(struct browse *browse, size_t n, size_t rows_on_screen)
{
	size_t *selected = &browse->views[browse->view].selected;
	size_t *first = &browse->views[browse->view].first;
	if (*selected >= n)
		*selected = n > 0 ? n - 1 : 0;
	if (*first > *selected)
		*first = *selected;
	if (rows_on_screen > 0 && *selected - *first >= rows_on_screen)
		*first = *selected - rows_on_screen + 1;
}

/* From now on the selected row is where this is; at the top, whatever is there. */
static void
choose(struct browse *browse, struct report *report, bool top_too)
{
	size_t selected = browse->views[browse->view].selected;
	char *chosen = browse->views[browse->view].chosen, buffer[VIEW_TEXT_BYTES];
	const char *what = selected > 0 || top_too
				   ? view_unique(view_get(browse->view), report, selected, buffer)
				   : "";
	snprintf(chosen, VIEW_TEXT_BYTES, "%s", what);
}

static void
follow_chosen(struct browse *browse, struct report *report)
{
	const struct view *view = view_get(browse->view);
	char *chosen = browse->views[browse->view].chosen, buffer[VIEW_TEXT_BYTES];
	size_t n = n_rows(browse, report);
	for (size_t i = 0; chosen[0] != '\0' && i < n; i++)
		if (strncmp(view_unique(view, report, i, buffer), chosen, VIEW_TEXT_BYTES - 1) == 0) {
			browse->views[browse->view].selected = i;
			return;
		}
	chosen[0] = '\0'; /* it has gone */
}

int
browse_arrange(struct browse *browse, struct report *report, size_t rows_on_screen)
{
	const struct view *view = view_get(browse->view);
	struct arrangement arrangement = {browse->views[browse->view].sort,
					  browse->views[browse->view].invert, browse->views[browse->view].filter};
	int err = 0;
	view_arrange(view, &arrangement, report);
	if (browse->tree && browse->view == VIEW_PROCESSES)
		err = report_make_tree(report);
	follow_chosen(browse, report);
	stay_within(browse, n_rows(browse, report), rows_on_screen);
	return err;
}

/* ---- moving ---- */

static void
move(struct browse *browse, size_t n, long by)
{
	size_t *selected = &browse->views[browse->view].selected;
	if (by < 0)
		*selected = *selected > (size_t)-by ? *selected - (size_t)-by : 0;
	else
		*selected = *selected + (size_t)by < n ? *selected + (size_t)by : n > 0 ? n - 1 : 0;
}

static void
go_into(struct browse *browse, struct report *report)
{
	size_t selected = browse->views[browse->view].selected;
	if ((browse->view != VIEW_PROCESSES && browse->view != VIEW_RINGS) ||
	    selected >= report->n_processes)
		return;
	const struct watched *watched = report->processes[selected].watched;
	memcpy(browse->process, watched->key, sizeof browse->process);
	browse->process_pid = watched_pid(watched);
	browse->view = VIEW_EVENTS;
}

/* One step out: of the help, the process, the filter. */
static void
go_back(struct browse *browse)
{
	if (browse->help) {
		browse->help = false;
	} else if (browse->process[0] != '\0') {
		browse->process[0] = '\0';
		browse->view = VIEW_PROCESSES;
	} else if (browse->views[browse->view].filter[0] != '\0') {
		browse->views[browse->view].filter[0] = '\0';
	} else {
		browse->user[0] = '\0';
	}
}

static void
search_next(struct browse *browse, struct report *report)
{
	const struct view *view = view_get(browse->view);
	size_t n = n_rows(browse, report), *selected = &browse->views[browse->view].selected;
	char buffer[VIEW_TEXT_BYTES];
	for (size_t i = 1; i <= n && browse->search[0] != '\0'; i++) {
		size_t row = (*selected + i) % n;
		if (strcasestr(view_key(view, report, row, buffer), browse->search) != NULL) {
			*selected = row;
			choose(browse, report, true);
			return;
		}
	}
	snprintf(browse->said, sizeof browse->said, "not found: %s", browse->search);
}

static void
sort_by_neighbour(struct browse *browse, bool next)
{
	unsigned n = view_get(browse->view)->n_columns, *sort = &browse->views[browse->view].sort;
	*sort = next ? (*sort + 1) % n : (*sort + n - 1) % n;
}

static void
look_more_often(struct browse *browse, bool more)
{
	uint64_t ns = more ? browse->interval_ns / 2 : browse->interval_ns * 2;
	browse->interval_ns = ns < LEAST_NS ? LEAST_NS : ns > MOST_NS ? MOST_NS : ns;
	snprintf(browse->said, sizeof browse->said, "a look every %g s",
		 (double)browse->interval_ns / 1e9);
}

/* ---- prompts ---- */

static void
ask(struct browse *browse, enum browse_prompt prompt, const char *before)
{
	browse->prompt = prompt;
	snprintf(browse->input, sizeof browse->input, "%s", before);
}

static void
take_user(struct browse *browse)
{
	char *end;
	const struct passwd *user = getpwnam(browse->input);
	unsigned long uid = strtoul(browse->input, &end, 10);
	if (user == NULL && browse->input[0] != '\0' && *end != '\0') {
		snprintf(browse->said, sizeof browse->said, "no such user: %.100s", browse->input);
		return;
	}
	browse->uid = user != NULL ? user->pw_uid : (uint32_t)uid;
	memcpy(browse->user, browse->input, sizeof browse->user);
}

static void
take_input(struct browse *browse, struct report *report)
{
	switch (browse->prompt) {
	case PROMPT_SEARCH:
		memcpy(browse->search, browse->input, sizeof browse->search);
		search_next(browse, report);
		break;
	case PROMPT_FILTER:
		memcpy(browse->views[browse->view].filter, browse->input, sizeof browse->views[browse->view].filter);
		break;
	case PROMPT_USER:
		take_user(browse);
		break;
	case PROMPT_NONE:
		break;
	}
	browse->prompt = PROMPT_NONE;
}

/* One character, as UTF-8, while there is room. */
static void
type(struct browse *browse, int key)
{
	size_t n = strlen(browse->input);
	char utf8[5] = {0};
	if (key < 0x20 || key == 0x7f || key >= BROWSE_UP)
		return;
	if (key < 0x80) {
		utf8[0] = (char)key;
	} else if (key < 0x800) {
		utf8[0] = (char)(0xc0 | key >> 6);
		utf8[1] = (char)(0x80 | (key & 0x3f));
	} else if (key < 0x10000) {
		utf8[0] = (char)(0xe0 | key >> 12);
		utf8[1] = (char)(0x80 | (key >> 6 & 0x3f));
		utf8[2] = (char)(0x80 | (key & 0x3f));
	} else {
		utf8[0] = (char)(0xf0 | key >> 18);
		utf8[1] = (char)(0x80 | (key >> 12 & 0x3f));
		utf8[2] = (char)(0x80 | (key >> 6 & 0x3f));
		utf8[3] = (char)(0x80 | (key & 0x3f));
	}
	if (n + strlen(utf8) < sizeof browse->input)
		strcpy(browse->input + n, utf8);
}

static void
erase(struct browse *browse)
{
	size_t n = strlen(browse->input);
	while (n > 0 && ((unsigned char)browse->input[--n] & 0xc0) == 0x80) {
	}
	browse->input[n] = '\0';
}

static enum browse_action
prompt_key(struct browse *browse, int key, struct report *report)
{
	if (key == BROWSE_ENTER)
		take_input(browse, report);
	else if (key == BROWSE_ESCAPE)
		browse->prompt = PROMPT_NONE;
	else if (key == BROWSE_BACK)
		erase(browse);
	else
		type(browse, key);
	return BROWSE_DRAW;
}

/* ---- keys ---- */

static bool
moved(struct browse *browse, int key, size_t n, long page)
{
	switch (key) {
	case BROWSE_UP: case 'k':
		move(browse, n, -1);
		break;
	case BROWSE_DOWN: case 'j':
		move(browse, n, 1);
		break;
	case BROWSE_PAGE_UP:
		move(browse, n, -page);
		break;
	case BROWSE_PAGE_DOWN:
		move(browse, n, page);
		break;
	case BROWSE_HOME: case 'g':
		browse->views[browse->view].selected = 0;
		break;
	case BROWSE_END: case 'G':
		browse->views[browse->view].selected = n > 0 ? n - 1 : 0;
		break;
	case BROWSE_LEFT:
		browse->offset -= browse->offset < 8 ? browse->offset : 8;
		break;
	case BROWSE_RIGHT:
		browse->offset += browse->offset < VIEW_TEXT_BYTES ? 8 : 0;
		break;
	default:
		return false;
	}
	return true;
}

static enum browse_action
command_key(struct browse *browse, int key, struct report *report)
{
	switch (key) {
	case 'q': case BROWSE_F10:
		return BROWSE_QUIT;
	case 'r':
		snprintf(browse->said, sizeof browse->said, "totals count from now on");
		return BROWSE_RESET;
	case 'w':
		return BROWSE_SNAPSHOT;
	case 'm':
		if (browse->view != VIEW_EVENTS || report->n_events == 0)
			return BROWSE_NOTHING;
		choose(browse, report, true); /* and the next one is of the same event */
		return BROWSE_LEVEL;
	case 'h': case '?': case BROWSE_F1:
		browse->help = true;
		break;
	case BROWSE_ENTER:
		go_into(browse, report);
		break;
	case BROWSE_BACK: case BROWSE_ESCAPE:
		go_back(browse);
		break;
	case '/': case BROWSE_F3:
		ask(browse, PROMPT_SEARCH, "");
		break;
	case 'n':
		search_next(browse, report);
		break;
	case 'f': case BROWSE_F4:
		ask(browse, PROMPT_FILTER, browse->views[browse->view].filter);
		break;
	case 'u':
		ask(browse, PROMPT_USER, browse->user);
		break;
	case 't': case BROWSE_F5:
		browse->tree = !browse->tree;
		break;
	case '<':
		sort_by_neighbour(browse, false);
		break;
	case '>': case BROWSE_F6:
		sort_by_neighbour(browse, true);
		break;
	case 'I':
		browse->views[browse->view].invert ^= true;
		break;
	case ' ':
		browse->paused = !browse->paused;
		break;
	case '+':
		look_more_often(browse, false);
		break;
	case '-':
		look_more_often(browse, true);
		break;
	case BROWSE_TAB:
		browse->view = (browse->view + 1) % N_VIEWS;
		break;
	default:
		if (key < '1' || key >= '1' + N_VIEWS)
			return BROWSE_NOTHING;
		browse->view = (enum view_id)(key - '1');
	}
	return BROWSE_DRAW;
}

enum browse_action
browse_key(struct browse *browse, int key, struct report *report, size_t rows_on_screen)
{
	if (browse->prompt != PROMPT_NONE)
		return prompt_key(browse, key, report);
	browse->said[0] = '\0';
	if (browse->help && key != 'q' && key != BROWSE_F10) {
		browse->help = false;
		return BROWSE_DRAW;
	}
	size_t n = n_rows(browse, report);
	if (!moved(browse, key, n, rows_on_screen > 1 ? (long)rows_on_screen - 1 : 1))
		return command_key(browse, key, report);
	if (key != BROWSE_LEFT && key != BROWSE_RIGHT)
		choose(browse, report, false);
	stay_within(browse, n, rows_on_screen);
	return BROWSE_DRAW;
}
