/* SPDX-License-Identifier: MIT */
#include "sigbus.h"

#include <errno.h>
#include <sys/mman.h>

static struct sigbus_map *maps;
static struct sigaction before; /* of one that is not ours: it may restore a terminal */
#define PAGE_BYTES ((uintptr_t)4096)
#define AT_ONCE ((size_t)1 << 20) /* where memory is not overcommitted, gigabytes are not to be had */

static void
handle(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;
	uintptr_t fault = (uintptr_t)info->si_addr;
	(void)context;
	for (struct sigbus_map *map = maps; map != NULL; map = map->next) {
		uintptr_t start = (uintptr_t)map->start;
		if (fault < start || fault - start >= map->bytes)
			continue;
		/* All that lies behind is gone too: one fault for many pages. */
		uintptr_t page = fault & ~(PAGE_BYTES - 1);
		size_t left = start + map->bytes - page;
		void *put = mmap((void *)page, left < AT_ONCE ? left : AT_ONCE,
				 PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		if (put == MAP_FAILED)
			break;
		*map->hit = 1;
		errno = saved;
		return;
	}
	/* Not ours: it comes again when we return, and this time it is deadly. */
	sigaction(signal_number, &before, NULL);
	raise(signal_number);
	errno = saved;
}

void
sigbus_watch(struct sigbus_map *map, void *start, size_t bytes, volatile sig_atomic_t *hit)
{
	static bool installed;
	if (!installed) {
		struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
		sigemptyset(&action.sa_mask);
		sigaction(SIGBUS, &action, &before);
		installed = true;
	}
	*map = (struct sigbus_map){.start = start, .bytes = bytes, .hit = hit, .next = maps};
	maps = map;
}

void
sigbus_unwatch(struct sigbus_map *map)
{
	for (struct sigbus_map **at = &maps; *at != NULL; at = &(*at)->next) {
		if (*at == map) {
			*at = map->next;
			break;
		}
	}
	map->start = NULL;
}
