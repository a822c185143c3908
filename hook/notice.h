/* SPDX-License-Identifier: MIT */
/* What happened to the tracing itself, into the stream at its place. */
#ifndef HOOK_NOTICE_H
#define HOOK_NOTICE_H

/* `what` is one word, `detail` a sentence. With the GIL; not while an event is being written. */
void notice(const char *what, const char *detail);

#endif
