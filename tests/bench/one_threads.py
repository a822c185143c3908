# SPDX-License-Identifier: MIT
"""One side of bench-threads: one_threads.py SIDE THREADS -> nanoseconds per event of one thread.

SIDE     none, noop-c, or STACK:LEVEL for our hook, as in one_audit.py
THREADS  how many raise events at once, each as many

Each thread has a loop and arguments of its own: what two threads share, a count of references
above all, costs more than any hook. Only those of many short rounds count in which all threads had
a processor from the first event to the last, and the lowest of them; "nan": there was none. Run in
a fresh process by bench-threads.
"""
import os
import sys
import threading
import time
import types
from itertools import repeat

LOOPS, ROUNDS = 10000, 300


def install(side):
    if side == "noop-c":
        import noop
        noop.install()
    elif side != "none":
        from pyauditd import _hook
        stack, level = side.split(":")
        _hook.start(events="custom:bench.two=%s" % level, stack=int(stack), mode="overwrite",
                    stdlib=os.path.dirname(os.__file__))
        return _hook


def loop(gate, i, spans, audit=sys.audit, clock=time.perf_counter_ns, own=time.thread_time_ns):
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[i % len(processors)]})
    for _ in range(ROUNDS):
        gate.wait()
        worked = own()
        start = clock()
        for _ in repeat(None, LOOPS):
            audit("bench.two", 1, 2)
        end = clock()
        spans.append((start, end, own() - worked))


def at_once(spans):
    """Nobody waited for a processor, and all worked at the same time."""
    first, last = max(start for start, _, _ in spans), min(end for _, end, _ in spans)
    return all(end - start <= 1.05 * worked and last - first >= 0.8 * (end - start)
               for start, end, worked in spans)


def own(function):
    """The same with code and globals of its own."""
    code = function.__code__.replace(co_name="loop_of_its_own")
    return types.FunctionType(code, dict(globals()), function.__name__, function.__defaults__)


def main():
    side, n = sys.argv[1], int(sys.argv[2])
    hook = install(side)
    gate, spans = threading.Barrier(n), [[] for _ in range(n)]
    threads = [threading.Thread(target=own(loop), args=(gate, i, spans[i])) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if hook:  # overwrite mode leaves it there
        os.unlink("/dev/shm" + hook.status()["segment"])
    rounds = [max(end - start for start, end, _ in each) for each in zip(*spans) if at_once(each)]
    print("%.2f" % (min(rounds) / LOOPS if rounds else float("nan")))


main()
