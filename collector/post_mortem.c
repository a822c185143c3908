/* SPDX-License-Identifier: MIT */
#include "post_mortem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_status.h"
#include "log.h"

struct search {
	struct roster *roster;
	const char *what;
	uint32_t pid;     /* 0: by name, or all */
	unsigned n_dead;  /* attached to */
	uint32_t alive;   /* the pid of one that fits and runs; 0: none */
	bool failed;      /* one could not be attached to, which was said */
	bool unborn;      /* one was never set up by its process, and that was not said */
	unsigned n_foreign; /* not ours to look at */
	unsigned n_short; /* those that there was no descriptor or memory for; shortage: errno */
	int shortage;
};

static bool
fits(const struct search *search, const struct segment_found *found)
{
	if (strcmp(search->what, "all") == 0)
		return true;
	if (search->pid != 0)
		return found->name_pid == search->pid || found->identity.pid == search->pid;
	return strcmp(found->name + 1, search->what) == 0;
}

static void
attach(struct search *search, struct place *place, struct segment_found *found)
{
	char why[256] = "";
	int err = roster_follow_dead(search->roster, place, found, why, sizeof why);
	if (err == 0) {
		search->n_dead++;
		return;
	}
	if (discover_is_shortage(err)) {
		search->n_short++;
		search->shortage = -err;
		return;
	}
	log_error("%s: %s; not read", found->name, why[0] != '\0' ? why : strerror(err < 0 ? -err : EBUSY));
	search->failed = true;
}

/* Has it a name that was asked for? What it holds could not be seen. */
static bool
may_fit(const struct search *search, const struct segment_found *found)
{
	if (strcmp(search->what, "all") == 0)
		return geteuid() == 0 || found->owner == geteuid();
	return search->pid != 0 ? found->name_pid == search->pid
				: strcmp(found->name + 1, search->what) == 0;
}

/* What is not to be trusted is said; that is no failure of ours. */
static void
say_unseen(struct search *search, const struct segment_found *found, int err, const char *why)
{
	search->n_foreign += err == -EACCES;
	if (err == -ENOENT || err == DISCOVER_LATER || found->name[0] == '\0' || !may_fit(search, found))
		return;
	if (why[0] != '\0')
		log_error("%s; not read", why);
	else
		log_error("%s: %s; not read", found->name, strerror(err < 0 ? -err : EBUSY));
	search->failed |= err < 0;
}

static void
look_at(void *context, struct place *place, const char *name)
{
	struct search *search = context;
	struct segment_header header;
	struct segment_found found;
	char why[256] = "";
	int err = discover_open(place, name, &found, why, sizeof why);
	if (err == 0)
		err = discover_header(&found, &header);
	if (err == DISCOVER_LATER && may_fit(search, &found))
		search->unborn |= discover_bury_unborn(place, &found) != 0;
	if (err == 0)
		err = discover_identify(&found, why, sizeof why);
	if (err == 0 && fits(search, &found)) {
		if (found.identity.alive)
			search->alive = found.identity.pid;
		else
			attach(search, place, &found);
	} else if (discover_is_shortage(err)) {
		search->n_short++;
		search->shortage = -err;
	} else if (err != 0) {
		say_unseen(search, &found, err, why);
	}
	discover_fini(&found);
}

static int
say_nothing(const struct search *search)
{
	if (search->failed)
		return EXIT_FAILED;
	if (strcmp(search->what, "all") == 0) {
		log_note("no dead program has left anything");
		if (search->n_foreign > 0)
			log_note("%u segment%s of other users not looked at: run as root",
				 search->n_foreign, search->n_foreign == 1 ? "" : "s");
		return 0;
	}
	if (search->alive != 0)
		log_error("--post-mortem %s: its program runs: read it with --pid %" PRIu32 " --backlog",
			  search->what, search->alive);
	else if (search->unborn)
		log_error("--post-mortem %s: nothing is in it: its process has not set it up (in ten "
			  "seconds it can be removed like this)", search->what);
	else
		log_error("--post-mortem %s: no such dead program has left anything (see auditd-collect "
			  "list)", search->what);
	return EXIT_NO_TARGET;
}

int
post_mortem_begin(struct roster *roster, const struct string_list *what)
{
	places_scan(&roster->places, NULL, NULL);
	for (size_t i = 0; i < what->n; i++) {
		const char *text = strcmp(what->items[i], "--all") == 0 ? "all" : what->items[i];
		struct search search = {.roster = roster, .what = text};
		char *end;
		unsigned long pid = strtoul(text, &end, 10);
		search.pid = *end == '\0' ? (uint32_t)pid : 0;
		for (size_t k = 0; k < roster->places.n; k++)
			places_list(roster->places.items[k], look_at, &search);
		if (search.n_short > 0)
			log_error("--post-mortem %s: %u segments are not read: %s; read them with "
				  "another one", text, search.n_short, strerror(search.shortage));
		search.failed |= search.n_short > 0;
		roster->reading->left_some |= search.failed;
		int status = search.n_dead == 0 ? say_nothing(&search) : 0;
		if (status != 0)
			return status;
	}
	return 0;
}
