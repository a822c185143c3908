# SPDX-License-Identifier: MIT
"""One side of the audit benchmark: one_audit.py SIDE EVENT -> nanoseconds per event.

Run in a fresh process by bench-audit, for a hook cannot be removed. Overwrite mode, so that
the ring never fills and every event at level record is written.
"""
import os
import sys
import time
from itertools import repeat

side, event = sys.argv[1:]
LOOPS, ROUNDS = 20000, 25

if side == "noop-c":
    import noop
    noop.install()
elif side == "noop-python":
    sys.addaudithook(lambda event, args: None)
elif side != "none":
    from pyauditd import _hook
    stack, level = side.split(":")
    name = event if event == "open" else "custom:" + event
    _hook.start(events="%s=%s" % (name, level), stack=int(stack), mode="overwrite",
                stdlib=os.path.dirname(os.__file__))


def loop(audit=sys.audit, clock=time.perf_counter_ns):
    best = 1 << 60
    if event == "open":
        for _ in repeat(None, ROUNDS):
            start = clock()
            for _ in repeat(None, LOOPS):
                audit("open", "/srv/app/data/config.json", "r", 524288)
            best = min(best, clock() - start)
    else:
        for _ in repeat(None, ROUNDS):
            start = clock()
            for _ in repeat(None, LOOPS):
                audit("bench.two", 1, 2)
            best = min(best, clock() - start)
    return best / LOOPS


print("%.2f" % loop())
if ":" in side:
    os.unlink("/dev/shm" + _hook.status()["segment"])
    _hook.stop()
