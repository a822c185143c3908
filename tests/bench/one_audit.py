# SPDX-License-Identifier: MIT
"""One side of the audit benchmark: one_audit.py SIDE EVENT [COLLECTOR] -> nanoseconds per event.

SIDE     none, noop-c, least-c, noop-python, or STACK:LEVEL for our hook
EVENT    bench.two (two ints), open, or frames:N (bench.two, N frames deep in the library)
COLLECTOR  a program that drains meanwhile, into a file

Run in a fresh process by bench-audit, for a hook cannot be removed. In overwrite mode, so that
the ring never fills and every event at level record is written; with a collector in drop mode,
in bursts that the ring holds, and every event must have arrived in the end.
"""
import os
import subprocess
import sys
import time
import types
from itertools import repeat

side, event = sys.argv[1:3]
collector = sys.argv[3] if len(sys.argv) > 3 else None
STDLIB = os.path.dirname(os.__file__)
LOOPS, ROUNDS = 20000, 25


def install():
    if side == "noop-c":
        import noop
        noop.install()
    elif side == "least-c":
        import noop
        noop.install_record()
    elif side == "noop-python":
        sys.addaudithook(lambda event, args: None)
    elif side != "none":
        from pyauditd import _hook
        stack, level = side.split(":")
        name = event if event == "open" else "custom:bench.two"
        _hook.start(events="%s=%s" % (name, level), stack=int(stack), stdlib=STDLIB,
                    mode="drop" if collector else "overwrite")
        return _hook


def loop(audit=sys.audit, clock=time.perf_counter_ns):
    best = 1 << 60
    if event == "open":
        for _ in repeat(None, ROUNDS):
            pause()
            start = clock()
            for _ in repeat(None, LOOPS):
                audit("open", "/srv/app/data/config.json", "r", 524288)
            best = min(best, clock() - start)
    else:
        for _ in repeat(None, ROUNDS):
            pause()
            start = clock()
            for _ in repeat(None, LOOPS):
                audit("bench.two", 1, 2)
            best = min(best, clock() - start)
    return best / LOOPS


def pause():
    """Begin each burst with a ring that is empty, and the collector about to sleep."""
    if collector:
        time.sleep(0.04)


def in_library(function):
    """The same function, in a file of the standard library."""
    code = function.__code__.replace(co_filename=STDLIB + "/bench_frames.py")
    return types.FunctionType(code, globals(), function.__name__, function.__defaults__)


def deep(depth):
    return deep(depth - 1) if depth > 1 else loop()


def main():
    global loop, deep
    hook = install()
    if collector:
        output = "/dev/shm/pyauditd-bench.%d" % os.getpid()
        reader = subprocess.Popen([collector, "-p", str(os.getpid()), "-o", output])
        deadline = time.time() + 10
        while reader.poll() is None and time.time() < deadline and not (
                os.path.exists(output) and os.path.getsize(output)):
            time.sleep(0.01)
    try:
        if event.startswith("frames:"):
            loop, deep = in_library(loop), in_library(deep)
            ns = deep(int(event[7:]) - 1)
        else:
            ns = loop()
    finally:
        if hook and not collector:  # overwrite mode leaves it there
            os.unlink("/dev/shm" + hook.status()["segment"])
        if collector:
            time.sleep(0.2)
            reader.terminate()
            reader.wait()
            lines = 0
            if os.path.exists(output):
                with open(output, "rb") as file:
                    lines = sum(b'"event":"%s"' % event.encode() in line for line in file)
                os.unlink(output)
            if lines < LOOPS * ROUNDS:
                sys.exit("bench-audit: only %d of %d events arrived, the hook lost %s" % (
                    lines, LOOPS * ROUNDS, hook.status()["lost"]))
    print("%.2f" % ns)


main()
