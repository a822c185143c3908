/* SPDX-License-Identifier: MIT */
#include "places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "proc.h"
#include "segment.h"

#define LIST_NS 100000000u
#define WATCHED (IN_CREATE | IN_MOVED_TO)

static int
open_in_root(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
	return fd < 0 ? -errno : (int)fd;
}

int
place_open_below(int proc)
{
	int root = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	int dir = open_in_root(root, "dev/shm");
	close(root);
	return dir;
}

/* Takes the descriptor over. The place of that directory, maybe one that we have. */
static struct place *
add_directory(struct places *places, int dir)
{
	struct stat st;
	char path[40];
	if (fstat(dir, &st) < 0)
		goto failed;
	for (size_t i = 0; i < places->n; i++) {
		if (places->items[i]->dev == st.st_dev && places->items[i]->ino == st.st_ino) {
			close(dir);
			return places->items[i];
		}
	}
	struct place **items = realloc(places->items, (places->n + 1) * sizeof *items);
	if (items == NULL)
		goto failed;
	places->items = items;
	struct place *place = calloc(1, sizeof *place);
	if (place == NULL)
		goto failed;
	/* A path that ends in our own descriptor leads to the directory, whatever its root. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
	*place = (struct place){.dir = dir, .dev = st.st_dev, .ino = st.st_ino};
	place->watch = inotify_add_watch(places->inotify, path, WATCHED | IN_ONLYDIR);
	if (place->watch < 0 && !places->told_unwatched) {
		log_note("no watch on where segments appear: %s (fs.inotify.max_user_watches); "
			 "it is looked through instead", strerror(errno));
		places->told_unwatched = true;
	}
	places->items[places->n++] = place;
	return place;
failed:
	close(dir);
	return NULL;
}

int
places_init(struct places *places, const char *path)
{
	memset(places, 0, sizeof *places);
	places->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (places->inotify < 0)
		return -errno;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	struct place *own = add_directory(places, dir);
	if (own == NULL)
		return -ENOMEM;
	own->own = true;
	return 0;
}

void
places_fini(struct places *places)
{
	for (size_t i = 0; i < places->n; i++) {
		close(places->items[i]->dir);
		free(places->items[i]);
	}
	free(places->items);
	free(places->keys);
	if (places->inotify >= 0)
		close(places->inotify);
	*places = (struct places){.inotify = -1};
}

static bool
same_root(const struct place_key *a, const struct place_key *b)
{
	return a->mount_ns == b->mount_ns && a->root_dev == b->root_dev &&
	       a->root_ino == b->root_ino;
}

struct place *
places_of(struct places *places, int proc)
{
	struct stat ns, root;
	if (fstatat(proc, "ns/mnt", &ns, 0) < 0 || fstatat(proc, "root", &root, 0) < 0)
		return NULL; /* no permission, or gone */
	struct place_key key = {ns.st_ino, root.st_dev, root.st_ino, NULL};
	for (size_t i = 0; i < places->n_keys; i++)
		if (same_root(&places->keys[i], &key))
			return places->keys[i].place;
	struct place_key *keys = realloc(places->keys, (places->n_keys + 1) * sizeof *keys);
	if (keys == NULL)
		return NULL;
	places->keys = keys;
	int dir = place_open_below(proc);
	if (dir >= 0)
		key.place = add_directory(places, dir);
	keys[places->n_keys++] = key;
	return key.place;
}

static bool
look_at_process(void *context, uint32_t pid)
{
	struct places *places = context;
	int proc = proc_open(pid);
	if (proc < 0)
		return true;
	struct place *place = places_of(places, proc);
	if (place != NULL)
		place->used = true;
	close(proc);
	return true;
}

/* Let go of a directory: an open descriptor would keep a dead container's memory. */
static void
forget(struct places *places, size_t i)
{
	struct place *place = places->items[i];
	size_t kept = 0;
	for (size_t k = 0; k < places->n_keys; k++)
		if (places->keys[k].place != place)
			places->keys[kept++] = places->keys[k];
	places->n_keys = kept;
	if (place->watch >= 0)
		inotify_rm_watch(places->inotify, place->watch);
	close(place->dir);
	free(place);
	places->items[i] = places->items[--places->n];
}

void
places_scan(struct places *places, places_fresh_fn fresh, void *context)
{
	size_t known = places->n;
	places->n_keys = 0;
	for (size_t i = 0; i < places->n; i++)
		places->items[i]->used = places->items[i]->own;
	proc_each(look_at_process, places);
	for (size_t i = known; i < places->n && fresh != NULL; i++)
		fresh(context, places->items[i]);
	for (size_t i = places->n; i-- > 0;)
		if (!places->items[i]->used && places->items[i]->n_users == 0)
			forget(places, i);
}

static bool
is_segment_name(const char *name)
{
	return strncmp(name, SEGMENT_PREFIX, strlen(SEGMENT_PREFIX)) == 0;
}

void
places_list(struct place *place, places_name_fn fn, void *context)
{
	int again = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	struct dirent *entry;
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (is_segment_name(entry->d_name))
			fn(context, place, entry->d_name);
	if (dir == NULL)
		log_error("%s cannot be looked through: %s; who is there already is not read",
			  place->own ? "/dev/shm" : "the /dev/shm of others", strerror(errno));
	if (dir != NULL)
		closedir(dir);
	else if (again >= 0)
		close(again);
}

static void
dispatch(struct places *places, const struct inotify_event *event, places_name_fn fn,
	 void *context)
{
	for (size_t i = 0; i < places->n; i++) {
		if (event->mask & IN_Q_OVERFLOW)
			places_list(places->items[i], fn, context);
		else if (places->items[i]->watch == event->wd && event->len > 0 &&
			 is_segment_name(event->name))
			fn(context, places->items[i], event->name);
	}
}

static void
list_unwatched(struct places *places, places_name_fn fn, void *context)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	if (now_ns < places->next_list_ns)
		return;
	places->next_list_ns = now_ns + LIST_NS;
	for (size_t i = 0; i < places->n; i++)
		if (places->items[i]->watch < 0)
			places_list(places->items[i], fn, context);
}

#define POLL_READS 4 /* some 1500 names */

bool
places_poll(struct places *places, places_name_fn fn, void *context)
{
	_Alignas(struct inotify_event) char buffer[16384];
	ssize_t n;
	list_unwatched(places, fn, context);
	/* Who makes names faster than we read them does not keep us here. */
	for (unsigned i = 0; i < POLL_READS; i++) {
		n = read(places->inotify, buffer, sizeof buffer);
		if (n <= 0)
			return false;
		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *event = (const void *)at;
			at += sizeof *event + event->len;
			dispatch(places, event, fn, context);
		}
	}
	return true;
}
