/* SPDX-License-Identifier: MIT */
#include "privileges.h"

#include <unistd.h>

#ifdef HAVE_LIBCAP_NG

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "log.h"

static const struct {
	unsigned capability, uses; /* of which one is enough; 0: always */
} kept[] = {
	{CAP_DAC_OVERRIDE, 0},
	{CAP_SYS_PTRACE, 0},
	{CAP_FOWNER, PRIVILEGES_FOLLOW},
	{CAP_CHECKPOINT_RESTORE, PRIVILEGES_FOLLOW},
	{CAP_KILL, PRIVILEGES_SIGNAL},
};
#define N_KEPT (sizeof kept / sizeof kept[0])

bool
privileges_any(void)
{
	return geteuid() == 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE;
}

/* What we were not given, in a container say, cannot be kept. */
static void
find_kept(unsigned uses, bool have[N_KEPT])
{
	for (unsigned i = 0; i < N_KEPT; i++)
		have[i] = (kept[i].uses == 0 || (kept[i].uses & uses) != 0) &&
			  capng_have_capability(CAPNG_PERMITTED, kept[i].capability);
}

static void
drop_others(unsigned uses)
{
	bool have[N_KEPT];
	find_kept(uses, have);
	/* The bounding set can be cut down only by who has this. */
	bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_select_t sets = bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS;
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned i = 0; i < N_KEPT; i++)
		if (have[i])
			capng_updatev(CAPNG_ADD,
				      CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				      kept[i].capability, -1);
	if (capng_apply(sets) < 0)
		log_error("cannot give up capabilities: %s", strerror(errno));
}

void
privileges_drop(unsigned uses)
{
	if (!privileges_any())
		return;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_PTRACE))
		drop_others(uses);
	else
		log_verbose("without CAP_SYS_PTRACE, all other capabilities are kept");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_error("cannot set no_new_privs: %s", strerror(errno));
}

#else

bool
privileges_any(void)
{
	return geteuid() == 0;
}

void
privileges_drop(unsigned uses)
{
	(void)uses;
}

#endif
