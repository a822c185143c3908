# SPDX-License-Identifier: MIT
"""Programs for bench-top to look at.

one_top.py many N   N processes, each with a thousand events behind it and a few more a second
one_top.py busy     one that raises events as fast as it can; says "ready" when it does
one_top.py burst LEVEL COLLECTOR [OPTION ...]
                    nanoseconds per event, in bursts: without and with `auditd-collect top
                    OPTION ...` beside it, five lines of both; at level record a collector
                    drains meanwhile, and a burst fits the ring
"""
import os
import subprocess
import sys
import time
from itertools import repeat

from pyauditd import _hook

EVENTS = {"count": "custom:bench.two=count", "record": "custom:bench.two=record"}
BURST, PAUSE, BURSTS = 20000, 0.04, 40


def start(level):
    _hook.start(events=EVENTS[level], stack=0, stdlib=os.path.dirname(os.__file__), mode="drop")


def many(n):
    start("count")
    parent = os.getpid()
    for _ in range(n - 1):
        if os.fork() == 0:
            break
    for i in range(1000):
        sys.audit("bench.two", i, 2)
        sys.audit("bench.name.%d" % (i % 20))
    if os.getpid() == parent:
        print("ready", flush=True)
    while os.getppid() == parent or os.getpid() == parent:
        sys.audit("bench.two", 1, 2)
        time.sleep(0.2)
    os._exit(0)


def busy():
    start("count")
    print("ready", flush=True)
    audit = sys.audit
    while True:
        audit("bench.two", 1, 2)


def burst(audit=sys.audit, clock=time.perf_counter_ns):
    begin = clock()
    for _ in repeat(None, BURST):
        audit("bench.two", 1, 2)
    return (clock() - begin) / BURST


def bursts():
    """The median: what happens to some is not what it costs, but what happens to many is."""
    times = []
    for _ in repeat(None, BURSTS):
        time.sleep(PAUSE)
        times.append(burst())
    return sorted(times)[BURSTS // 2]


class Beside:
    """A process that looks at us, or none."""

    def __init__(self, *command):
        self.command = command
        self.process = None

    def __enter__(self):
        if self.command:
            self.process = subprocess.Popen([*self.command, "-p", str(os.getpid())],
                                            stdout=subprocess.DEVNULL)
            time.sleep(0.3)
            if self.process.poll() is not None:
                sys.exit("bench-top: %s: status %d" % (self.command, self.process.returncode))

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait()


def main():
    what = sys.argv[1]
    if what == "many":
        many(int(sys.argv[2]))
    elif what == "busy":
        busy()
    level, collector, options = sys.argv[2], sys.argv[3], sys.argv[4:]
    start(level)
    with Beside(*([collector, "-o", "/dev/null"] if level == "record" else [])):
        bursts()  # what is slow at first
        for _ in range(5):
            alone = bursts()
            with Beside(collector, "top", *options):
                print("%.2f %.2f" % (alone, bursts()), flush=True)


main()
