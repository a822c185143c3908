/* SPDX-License-Identifier: MIT */
/*
 * |program: the lines go to the standard input of `sh -c program`, which is waited for at the
 * end, unless it has left something unread. It does not see the SIGINT of a terminal: it ends by
 * end-of-file, when it has the last line.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signals.h"
#include "sink.h"

static void __attribute__((noreturn))
run(const char *program, int input)
{
	signals_restore();
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	if (input != STDIN_FILENO)
		dup2(input, STDIN_FILENO);
	else
		fcntl(input, F_SETFD, 0);
	execl("/bin/sh", "sh", "-c", program, (char *)NULL);
	_exit(127);
}

static int
program_open(struct sink *sink, bool append, char *why, size_t why_bytes)
{
	int ends[2] = {-1, -1};
	(void)append;
	if (pipe2(ends, O_CLOEXEC) < 0)
		goto failed;
	sink->program = fork();
	if (sink->program < 0)
		goto failed;
	if (sink->program == 0)
		run(sink->target, ends[0]);
	close(ends[0]);
	sink->fd = ends[1];
	return 0;
failed:;
	int err = -errno;
	snprintf(why, why_bytes, "cannot start %.200s: %s", sink->target, strerror(-err));
	if (ends[0] >= 0) {
		close(ends[0]);
		close(ends[1]);
	}
	return err;
}

static int
program_close(struct sink *sink, char *why, size_t why_bytes)
{
	int status;
	close(sink->fd);
	if (sink->failed)
		return 0;
	while (waitpid(sink->program, &status, 0) < 0) {
		if (errno == EINTR && !signals_stopping())
			continue;
		if (errno != EINTR)
			return 0; /* somebody else reaped it */
		/* Told to leave, again maybe: give it a moment. */
		sleep(1);
		if (waitpid(sink->program, &status, WNOHANG) > 0)
			break;
		snprintf(why, why_bytes, "did not wait for %.200s to end", sink->target);
		return -EINTR;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		snprintf(why, why_bytes, "%.200s exited with status %d", sink->target,
			 WEXITSTATUS(status));
	else
		snprintf(why, why_bytes, "%.200s was killed by signal %d", sink->target,
			 WTERMSIG(status));
	return -ECHILD;
}

const struct sink_kind sink_program = {
	.prefix = "|", .open = program_open, .close = program_close,
};
