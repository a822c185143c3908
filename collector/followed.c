/* SPDX-License-Identifier: MIT */
#include "followed.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call_support.h"
#include "clock.h"
#include "end.h"
#include "levels.h"
#include "log.h"
#include "proc.h"
#include "pulse.h"

#define MOST_NOTICES 16 /* of one process, on stderr */
#define LEAVING_SHARE 4096

/* ---- events ---- */

static void
say_notice(struct followed *followed, const struct event *event)
{
	if (event->lane != EVENT_NO_LANE) {
		followed->reading->hindered |= strcmp(event->what, "occupied") == 0 ||
					       strcmp(event->what, "evicted") == 0;
		bool said = followed->lacks_calls && strcmp(event->what, "calls") == 0;
		if (!said && followed->n_notices++ < MOST_NOTICES)
			log_note("pid %" PRIu32 ": %s: %s", followed->source.pid, event->what,
				 event->detail);
	} else if (!followed->complained) {
		log_error("pid %" PRIu32 ": %s: %s", followed->source.pid, event->what,
			  event->detail);
		followed->complained = true;
	}
}

static bool
is_chdir(const struct event *event)
{
	return strcmp(event->name, "os.chdir") == 0;
}

static void
take_event(void *context, struct tracee *tracee, const struct event *event)
{
	struct followed *followed = context;
	struct reading *reading = followed->reading;
	bool is_call = event->type == EVENT_CALL || event->type == EVENT_RETURN;
	bool of_program = event->type == EVENT_AUDIT || is_call;
	if (event->type == EVENT_NOTICE)
		say_notice(followed, event);
	bool counts = event->type != EVENT_LOST && event->lane != EVENT_NO_LANE;
	if (event->lane != 0 && event->lane != EVENT_NO_LANE)
		followed->many_lanes = reading->printer->hold = true;
	followed->n_read += counts;
	if (event->type == EVENT_LOST) {
		bool ours = followed->from_start && !reading->post_mortem;
		followed->n_lost += event->lost_count;
		cwd_forget(&followed->cwd);
		followed->source.cwd = NULL;
		summary_loss(reading->summary, event, ours);
	}
	followed->cut |= of_program && reading_is_full(reading);
	bool hidden = of_program && (reading_is_full(reading) ||
				     (reading->hides_chdir && !is_call && is_chdir(event)));
	bool printed = !hidden && printer_event(reading->printer, &followed->source, event);
	if (counts && printed)
		tracee_emitted(tracee, 1);
	else if (counts)
		tracee_filtered(tracee, 1);
	if (!of_program)
		return;
	if (printed)
		reading_printed(reading);
	if (is_call) {
		summary_call(reading->summary, event->type == EVENT_CALL);
		reading->called = true;
	} else if (reading->printer->filter != NULL && is_chdir(event)) {
		cwd_change(&followed->cwd, event);
		followed->source.cwd = followed->cwd.path;
	}
}

void
followed_note(struct followed *followed)
{
	tracee_note(followed->tracee);
}

int64_t
followed_drain(struct followed *followed, uint64_t max)
{
	pulse_beat(false);
	reading_begin_turn(followed->reading);
	int64_t n = tracee_drain(followed->tracee, take_event, followed, max);
	followed->stands = n == 0;
	return n;
}

void
followed_release(struct followed *followed)
{
	tracee_release(followed->tracee);
}

void
followed_mark(struct followed *followed)
{
	tracee_mark(followed->tracee);
}

void
followed_release_marked(struct followed *followed)
{
	tracee_release_marked(followed->tracee);
}

void
followed_relieve(struct followed *followed)
{
	tracee_relieve(followed->tracee);
}

/* What it does meanwhile may be in another place: then the next time. */
static void
settle_cwd(struct followed *followed)
{
	char *path = followed->pid != 0 ? cwd_ask(&followed->cwd, followed->pid) : NULL;
	tracee_note(followed->tracee);
	if (tracee_has_more(followed->tracee) || !followed_alive(followed)) {
		free(path);
		return;
	}
	cwd_settle(&followed->cwd, path);
	followed->source.cwd = followed->cwd.path;
}

void
followed_tick(struct followed *followed)
{
	tracee_tick(followed->tracee);
	if (cwd_tick(&followed->cwd))
		settle_cwd(followed);
}

void
followed_beat(struct followed *followed)
{
	tracee_beat(followed->tracee);
}

uint32_t *
followed_wake_word(struct followed *followed)
{
	return tracee_wake_word(followed->tracee);
}

/* ---- coming and going ---- */

static int
open_pidfd(uint32_t pid, int maps)
{
	if (pid == 0 || maps < 0)
		return -1;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0 && !proc_alive(maps)) { /* maybe of the next process with this pid */
		close(fd);
		fd = -1;
	}
	return fd;
}

static uint64_t
start_time_ns(const struct followed *followed, bool from_start)
{
	uint64_t now = clock_ns(CLOCK_REALTIME);
	uint64_t started = tracee_header(followed->tracee)->start_realtime_ns;
	return from_start && started < now ? started : now;
}

/* Its hook made room for itself: what nobody had read by then is lost. */
static void
tell_removed(struct followed *followed, const struct segment_header *header)
{
	char detail[160];
	if (header->removed_segments == 0)
		return;
	snprintf(detail, sizeof detail,
		 "to make room in /dev/shm, %" PRIu64 " segments of dead processes were removed "
		 "with %" PRIu64 " unread events", header->removed_segments,
		 header->removed_events);
	log_note("pid %" PRIu32 ": %s", followed->source.pid, detail);
	printer_notice(followed->reading->printer, &followed->source, "removed", detail);
	summary_removed(followed->reading->summary, header->removed_events);
}

/* Audit events are read all the same. */
static void
look_at_calls(struct followed *followed)
{
	char why[200] = "";
	struct reading *reading = followed->reading;
	const struct segment_header *header = tracee_header(followed->tracee);
	if (reading->settings.calls == NULL)
		return;
	if (!followed->from_start)
		followed->calls_before = tracee_calls(followed->tracee);
	if (call_support_check(header, reading->settings.calls, why, sizeof why) == 0)
		followed->wants_calls = ++reading->n_call_tracers > 0;
	else
		log_note("pid %" PRIu32 ": no calls: %s", followed->source.pid, why);
	followed->lacks_calls = why[0] != '\0';
}

/* What is told when it ends for us. */
static void
add_up(struct followed *followed)
{
	struct reading *reading = followed->reading;
	bool called = tracee_calls(followed->tracee) > followed->calls_before;
	reading->called |= called;
	/* A program without a single audit event has not looked at what we want. */
	if (followed->wants_calls && !called && !tracee_traces_calls(followed->tracee)) {
		reading->n_call_tracers--;
		log_note("pid %" PRIu32 " has not taken up --calls: it does so at its next audit "
			 "event, and raised none", followed->source.pid);
	}
	summary_add(reading->summary, followed->tracee);
}

static void
close_and_free(struct followed *followed)
{
	tracee_close(followed->tracee);
	printer_source_fini(&followed->source);
	discover_fini(&followed->found);
	if (followed->pidfd >= 0)
		close(followed->pidfd);
	if (followed->place != NULL)
		followed->place->n_users--;
	cwd_fini(&followed->cwd);
	free(followed);
}

static bool
records_chdir(const struct followed *followed)
{
	struct level_rules rules;
	const char *ours = followed->reading->settings.events;
	bool asked = ours != NULL && ours[0] != '\0';
	level_rules_parse(&rules, asked ? ours : tracee_header(followed->tracee)->events, true, NULL, 0);
	return level_rules_apply(&rules, "os.chdir") == LEVEL_RECORD;
}

/* Where it is now is behind what it did before, if that is to be read, too. */
static void
begin_cwd(struct followed *followed, bool from_start)
{
	char *then = NULL;
	followed->cwd.untold = followed->reading->printer->filter != NULL &&
			       !records_chdir(followed);
	if (from_start && tracee_is_first_reader(followed->tracee) && !followed->cwd.untold)
		then = tracee_first_cwd(followed->tracee);
	cwd_begin(&followed->cwd,
		  then != NULL ? then : tracee_identity(followed->tracee)->cwd);
	free(then);
	followed->source.cwd = followed->cwd.path;
}

int
followed_open(struct followed **result, struct reading *reading, struct segment_found *found,
	      struct place *place, bool from_start, char *why, size_t why_bytes)
{
	struct followed *followed = calloc(1, sizeof *followed);
	if (followed == NULL)
		return -ENOMEM;
	int err = tracee_open(&followed->tracee, found->fd, found->name, &found->identity,
			      &reading->settings, why, why_bytes);
	if (err != 0) {
		free(followed);
		return err;
	}
	found->fd = -1;
	memset(&found->identity, 0, sizeof found->identity);
	followed->found = *found;
	found->maps = -1;
	const struct identity *identity = tracee_identity(followed->tracee);
	const struct segment_header *header = tracee_header(followed->tracee);
	followed->reading = reading;
	followed->place = place;
	if (place != NULL)
		place->n_users++;
	followed->pid = identity->alive ? identity->pid : 0;
	followed->pidfd = open_pidfd(followed->pid, followed->found.maps);
	followed->many_lanes = (header->flags & SEGMENT_FREE_THREADED) != 0;
	err = printer_source_init(&followed->source, tracee_key(followed->tracee),
				  identity->alive ? identity->pid : identity->ns_pid,
				  header->python_hex);
	if (err != 0) {
		close_and_free(followed);
		return err;
	}
	followed->from_start = from_start;
	look_at_calls(followed);
	from_start |= reading->backlog || !identity->alive;
	tracee_backlog(followed->tracee, from_start);
	begin_cwd(followed, from_start);
	if (reading->dump || reading->post_mortem) /* then it is whole until it is removed */
		tracee_release_nothing(followed->tracee);
	if (reading->dump) /* what is held at this moment, however fast it goes on */
		tracee_note_last(followed->tracee);
	tracee_read_until(followed->tracee, &reading->enough);
	tracee_set_waiting(followed->tracee, true);
	if (!from_start)
		summary_subtract(reading->summary, followed->tracee);
	printer_start(reading->printer, &followed->source, start_time_ns(followed, from_start),
		      followed->tracee);
	if (tracee_is_first_reader(followed->tracee))
		tell_removed(followed, header);
	*result = followed;
	return 0;
}

/* It is dead, though its memory may live on, in another process that it was cloned into. */
static bool
has_exited(const struct followed *followed)
{
	struct pollfd poller = {.fd = followed->pidfd, .events = POLLIN};
	return followed->pidfd >= 0 && poll(&poller, 1, 0) > 0;
}

bool
followed_alive(const struct followed *followed)
{
	return followed->found.maps >= 0 && !has_exited(followed) &&
	       (proc_alive(followed->found.maps) ||
		end_is_coming(followed->pid, tracee_identity(followed->tracee)->start_time));
}

bool
followed_is_through(struct followed *followed)
{
	bool in_vain = followed->noted_last && followed->stands;
	tracee_note_last(followed->tracee);
	followed->noted_last = true;
	return in_vain || !tracee_has_more(followed->tracee);
}

bool
followed_ended_cleanly(const struct followed *followed)
{
	return tracee_ended_cleanly(followed->tracee);
}

void
followed_report(struct followed *followed)
{
	struct printer *printer = followed->reading->printer;
	uint64_t now = clock_ns(CLOCK_REALTIME);
	printer_functions(printer, &followed->source, now, followed->tracee,
			  FUNCTIONS_CHANGED);
	printer_stats(printer, &followed->source, now, followed->tracee);
}

static void
report_all(struct followed *followed, uint64_t time_ns)
{
	struct printer *printer = followed->reading->printer;
	printer_functions(printer, &followed->source, time_ns, followed->tracee,
			  FUNCTIONS_SINCE);
	printer_stats(printer, &followed->source, time_ns, followed->tracee);
}

/* It was dead when we came, and no program of ours. */
static bool
was_left(const struct followed *followed)
{
	return followed->reading->post_mortem || (followed->pid == 0 && !followed->from_start);
}

/*
 * What was read is removed; but where its lines did not get through, it is kept for another try,
 * and where not all of it was wanted, for whoever goes on behind that. Who followed it with `head`
 * has seen enough; who reads what was left has not.
 */
static void
remove_object(struct followed *followed)
{
	const struct reading *reading = followed->reading;
	const struct outputs *outputs = reading->printer->outputs;
	bool through = outputs_through(outputs) && !(was_left(followed) && outputs_gone(outputs));
	bool whole = !followed->cut || (reading->stays && !was_left(followed));
	bool removed = !reading->dump && through && whole;
	if (removed)
		discover_unlink(followed->place, &followed->found);
	else if (through && !whole)
		tracee_release(followed->tracee);
	if (was_left(followed))
		log_note("pid %" PRIu32 ": %" PRIu64 " events that it left were read, %" PRIu64
			 " were lost; its segment %s was %s", followed->source.pid, followed->n_read,
			 followed->n_lost, followed->found.name, removed ? "removed" : "kept");
}

/* In turns, so that those who live see that we do. */
static void
finish_reading(struct followed *followed)
{
	bool whole = false, over = true;
	while (!whole && over) {
		pulse_beat(false);
		reading_begin_turn(followed->reading);
		whole = tracee_finish(followed->tracee, take_event, followed);
		over = reading_turn_is_over(followed->reading);
	}
	followed->cut |= !whole;
}

void
followed_end(struct followed *followed, int status)
{
	struct printer *printer = followed->reading->printer;
	struct account account;
	finish_reading(followed);
	uint32_t pid = followed->pid != 0 ? followed->pid : followed->found.name_pid;
	enum end_how how = end_ask(pid, tracee_identity(followed->tracee)->start_time,
				   followed->pidfd, &status);
	/* What a dead one did last is the time of its end; else it is now. */
	uint64_t now = followed->pid != 0 ? clock_ns(CLOCK_REALTIME) : 0;
	if (tracee_ended_cleanly(followed->tracee) && (status == -1 || !WIFSIGNALED(status)))
		how = END_CLEAN;
	tracee_account(followed->tracee, &account);
	add_up(followed);
	report_all(followed, now);
	printer_exit(printer, &followed->source, now, end_name(how), status, &account);
}

void
followed_bury(struct followed *followed)
{
	remove_object(followed);
	close_and_free(followed);
}

void
followed_leave(struct followed *followed)
{
	tracee_tick(followed->tracee); /* losses behind the last record come up, too */
	/* What comes in while we read is the next one's. */
	followed_note(followed);
	while (followed_drain(followed, LEAVING_SHARE) > 0) {
	}
	add_up(followed);
	report_all(followed, clock_ns(CLOCK_REALTIME));
	printer_flush(followed->reading->printer, true);
	if (!outputs_gone(followed->reading->printer->outputs))
		followed_release(followed);
	log_verbose("pid %" PRIu32 " goes on without us", followed->source.pid);
	close_and_free(followed);
}

void
followed_drop(struct followed *followed)
{
	const char *why = tracee_why(followed->tracee);
	log_error("pid %" PRIu32 ": %s; reading it no further", followed->source.pid, why);
	printer_notice(followed->reading->printer, &followed->source, "damaged", why);
	tracee_give_up(followed->tracee, take_event, followed);
	add_up(followed);
	report_all(followed, clock_ns(CLOCK_REALTIME));
	close_and_free(followed);
}
