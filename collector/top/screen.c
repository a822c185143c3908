/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <errno.h>
#include <stdio.h>

#ifdef HAVE_NCURSES

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "head.h"

#define HEAD_ROWS 4 /* figures, graph, views, titles of the columns */

static struct termios before;
static char leave[128]; /* what a terminal is sent to be as it was */
static SCREEN *screen;
static bool utf8, colours;

/* ---- the terminal ---- */

/*
 * A crash of ours, or a signal that nobody expects: write(2) and tcsetattr(2) alone are allowed
 * here.
 */
static void
restore_and_die(int number)
{
	if (write(STDOUT_FILENO, leave, strlen(leave)) < 0) {
	}
	tcsetattr(STDOUT_FILENO, TCSANOW, &before);
	signal(number, SIG_DFL);
	raise(number);
}

/* All that would end us as we are; other signals have a meaning. */
static void
catch_deadly_signals(void)
{
	static const int deadly[] = {SIGSEGV, SIGBUS,  SIGFPE,	SIGILL,	 SIGABRT, SIGQUIT,
				     SIGTRAP, SIGSYS,  SIGXCPU, SIGXFSZ, SIGALRM, SIGVTALRM,
				     SIGPROF, SIGUSR1, SIGUSR2, SIGIO,	 SIGPWR,  SIGSTKFLT};
	for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
		struct sigaction now;
		if (sigaction(deadly[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			signal(deadly[i], restore_and_die);
	}
}

/* Without the pauses, $<5>, that terminals of old want. */
static void
note_capability(const char *name)
{
	const char *text = tigetstr(name);
	size_t n = strlen(leave);
	if (text == NULL || text == (char *)-1)
		return;
	for (; *text != '\0' && n + 1 < sizeof leave; text++) {
		const char *end = strncmp(text, "$<", 2) == 0 ? strchr(text, '>') : NULL;
		if (end != NULL)
			text = end;
		else
			leave[n++] = *text;
	}
}

int
screen_open(char *why, size_t why_bytes)
{
	const char *term = getenv("TERM");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || term == NULL ||
	    tcgetattr(STDOUT_FILENO, &before) < 0) {
		snprintf(why, why_bytes, "not on a terminal");
		return -ENOTSUP;
	}
	setlocale(LC_ALL, "");
	utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL || tigetstr("cup") == NULL || tigetstr("cup") == (char *)-1) {
		if (screen != NULL)
			endwin();
		snprintf(why, why_bytes, "the terminal '%.40s' cannot move its cursor", term);
		return -ENOTSUP;
	}
	note_capability("sgr0");
	note_capability("cnorm");
	note_capability("rmkx");
	note_capability("rmcup");
	catch_deadly_signals();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	const char *no_color = getenv("NO_COLOR"); /* no-color.org */
	colours = has_colors() && (no_color == NULL || no_color[0] == '\0');
	if (colours) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
		init_pair(2, COLOR_GREEN, -1);
	}
	return 0;
}

void
screen_close(void)
{
	if (screen == NULL)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

size_t
screen_rows(void)
{
	return LINES > HEAD_ROWS + 1 ? (size_t)(LINES - HEAD_ROWS - 1) : 1;
}

/* ---- drawing ---- */

/* One line of text from its column `offset` on, cut at the edge; the rest of the row is blank. */
static void
draw_text(int row, const char *text, size_t n, unsigned offset, attr_t attributes)
{
	mbstate_t state = {0};
	int column = -(int)offset;
	attrset(attributes);
	move(row, 0);
	while (n > 0 && column < COLS) {
		wchar_t wide[2] = {0};
		size_t bytes = mbrtowc(&wide[0], text, n, &state);
		if (bytes == 0 || bytes > n) { /* not in this locale */
			memset(&state, 0, sizeof state);
			for (bytes = 1; bytes < n && ((unsigned char)text[bytes] & 0xc0) == 0x80; bytes++) {
			}
			wide[0] = L'?';
		}
		int width = wcwidth(wide[0]);
		if (width < 0) {
			wide[0] = L'?';
			width = 1;
		}
		if (column >= 0 && column + width <= COLS)
			addnwstr(wide, 1);
		column += width;
		text += bytes;
		n -= bytes;
	}
	for (column = column < 0 ? 0 : column; column < COLS; column++)
		addch(' ');
	attrset(A_NORMAL);
}

static void
draw_line(int row, struct line *line, attr_t attributes)
{
	draw_text(row, line->text, line->len, 0, attributes);
	line_cut(line, 0);
}

static void
draw_head(const struct browse *browse, const struct report *report, const struct history *history)
{
	struct line line = {0};
	size_t width = (size_t)COLS;
	bool losing = report->header.lost.recent > 0;
	head_figures(report, width, &line);
	draw_line(0, &line, A_BOLD | (losing && colours ? COLOR_PAIR(1) : 0));
	head_history(browse, report, history, utf8, width, &line);
	draw_line(1, &line, colours ? COLOR_PAIR(2) : A_NORMAL);
	head_place(browse, width, &line);
	draw_line(2, &line, A_NORMAL);
	line_fini(&line);
}

static void
draw_foot(const struct browse *browse)
{
	static const char *const prompts[] = {
		[PROMPT_SEARCH] = "search: ", [PROMPT_FILTER] = "filter: ", [PROMPT_USER] = "user: "};
	struct line line = {0};
	if (browse->prompt != PROMPT_NONE) {
		line_string(&line, prompts[browse->prompt]);
		line_string(&line, browse->input);
		line_char(&line, '_');
	} else if (browse->said[0] != '\0') {
		line_string(&line, browse->said);
	} else {
		line_literal(&line, "F1 help  Tab views  F3 search  F4 filter  F5 tree  F6 sort  "
				    "space pause  q quit");
	}
	draw_line(LINES - 1, &line, A_REVERSE);
	line_fini(&line);
}

static void
draw_help(void)
{
	int row = 3;
	draw_text(row++, "", 0, 0, A_REVERSE);
	for (; browse_help[row - 4] != NULL && row < LINES - 1; row++)
		draw_text(row, browse_help[row - 4], strlen(browse_help[row - 4]), 0, A_NORMAL);
	for (; row < LINES - 1; row++)
		draw_text(row, "", 0, 0, A_NORMAL);
}

static attr_t
attributes_of(const struct browse *browse, const struct report *report, size_t row)
{
	attr_t attributes = A_NORMAL;
	bool process = browse->view == VIEW_PROCESSES || browse->view == VIEW_RINGS;
	if (process && row < report->n_processes) {
		if (report->processes[row].watched->ended_ns != 0)
			attributes |= A_DIM;
		if (report->processes[row].lost.recent > 0 && colours)
			attributes |= COLOR_PAIR(1);
	}
	if (row == browse->views[browse->view].selected)
		attributes |= A_REVERSE;
	return attributes;
}

static void
draw_rows(const struct browse *browse, struct report *report)
{
	struct line text = {0};
	size_t first = browse->views[browse->view].first, n = 0;
	view_print(view_get(browse->view), report, first, screen_rows(), (size_t)COLS, &text);
	const char *at = text.text, *end = at + text.len;
	for (int row = HEAD_ROWS - 1; row < LINES - 1; row++, n++) {
		const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		size_t len = stop != NULL ? (size_t)(stop - at) : 0;
		attr_t attributes = n == 0 ? A_REVERSE
				    : stop != NULL ? attributes_of(browse, report, first + n - 1)
						   : A_NORMAL;
		draw_text(row, at, len, browse->offset, attributes);
		at = stop != NULL ? stop + 1 : end;
	}
	if (report->fleet->n_seen == 0 && report->fleet->target.kind != TARGET_LAUNCH &&
	    HEAD_ROWS < LINES - 1)
		draw_text(HEAD_ROWS, FLEET_IS_EMPTY, sizeof FLEET_IS_EMPTY - 1, 0, A_NORMAL);
	line_fini(&text);
}

void
screen_draw(const struct browse *browse, struct report *report, const struct history *history)
{
	draw_head(browse, report, history);
	if (browse->help)
		draw_help();
	else
		draw_rows(browse, report);
	draw_foot(browse);
	refresh();
}

/* ---- keys ---- */

static int
special(wint_t key)
{
	static const struct {
		wint_t from;
		int to;
	} keys[] = {
		{KEY_UP, BROWSE_UP}, {KEY_DOWN, BROWSE_DOWN}, {KEY_LEFT, BROWSE_LEFT},
		{KEY_RIGHT, BROWSE_RIGHT}, {KEY_PPAGE, BROWSE_PAGE_UP},
		{KEY_NPAGE, BROWSE_PAGE_DOWN}, {KEY_HOME, BROWSE_HOME}, {KEY_END, BROWSE_END},
		{KEY_ENTER, BROWSE_ENTER}, {KEY_BACKSPACE, BROWSE_BACK}, {KEY_DC, BROWSE_BACK},
		{KEY_RESIZE, BROWSE_F2}, /* which means nothing: it is drawn again */
	};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (keys[i].from == key)
			return keys[i].to;
	for (int i = 1; i <= 10; i++)
		if (key == (wint_t)KEY_F(i))
			return BROWSE_F1 + i - 1;
	return 0;
}

int
screen_key(void)
{
	wint_t key;
	int kind = get_wch(&key);
	if (kind == ERR)
		return -1;
	if (kind == KEY_CODE_YES)
		return special(key);
	switch (key) {
	case '\n': case '\r':
		return BROWSE_ENTER;
	case '\b': case 0x7f:
		return BROWSE_BACK;
	case '\t':
		return BROWSE_TAB;
	case 0x1b:
		return BROWSE_ESCAPE;
	case 0x0c: /* ^L */
		clearok(stdscr, TRUE);
		return BROWSE_F2;
	}
	return (int)key;
}

#else /* no ncurses */

int
screen_open(char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "built without ncurses");
	return -ENOTSUP;
}

void
screen_close(void)
{
}

size_t
screen_rows(void)
{
	return 1;
}

void
screen_draw(const struct browse *browse, struct report *report, const struct history *history)
{
	(void)browse, (void)report, (void)history;
}

int
screen_key(void)
{
	return -1;
}

#endif
