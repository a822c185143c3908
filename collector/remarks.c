/* SPDX-License-Identifier: MIT */
#include "remarks.h"

#include <inttypes.h>
#include <string.h>

#include "levels.h"
#include "log.h"

void
remark_unknown_events(const struct options *options)
{
	struct level_rules rules;
	if (level_rules_parse(&rules, options->events, true, NULL, 0) < 0)
		return;
	for (unsigned i = 0; i < rules.n_rules; i++)
		if (!level_rule_fits_any(&rules, i))
			log_note("-e %s fits no event of CPython's own (see auditd-collect events); "
				 "a program's own are written custom:%s",
				 rules.text + rules.rules[i].name, rules.text + rules.rules[i].name);
}

void
remark_calls_pattern(const struct options *options)
{
	if (!options->calls_wanted || options->calls.match[0] != '\0')
		return;
	for (char **word = options->command + 1; *word != NULL; word++)
		if (strcmp(*word, "--") == 0) {
			log_note("a pattern of --calls is written --calls=%s", options->command[0]);
			return;
		}
}

void
remark_waiting(const struct options *options)
{
	if (options->name != NULL)
		log_note("no traced program fits --name '%s' so far; waiting (auditd-collect list "
			 "shows those that are there, --post-mortem reads what ended ones left)", options->name);
	else if (options->all)
		log_note("no program is traced so far; waiting (start one with PYAUDITD=1 where the "
			 "hook is installed, or with its folder in PYTHONPATH: see the manual)");
}

void
remark_nothing_traced(void)
{
	log_note("nothing was traced: no Python that can load the hook was run (-I, -E and an "
		 "emptied environment keep it out; else PYAUDITD_DEBUG=1 says why)");
}

void
remark_losses(const struct summary *summary)
{
	char reasons[400];
	uint64_t n = summary_lost(summary);
	if (n == 0)
		return;
	summary_lost_text(summary, reasons, sizeof reasons);
	log_note("%" PRIu64 " event%s lost: %s (LOSSES in the manual says what helps)", n,
		 n == 1 ? " was" : "s were", reasons);
}
