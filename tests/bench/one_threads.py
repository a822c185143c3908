# SPDX-License-Identifier: MIT
"""One side of bench-threads: one_threads.py WHAT SIDE THREADS FOLDER -> nanoseconds, in one thread,
of an audit event or of a call of an empty Python function and its return.

WHAT     audit or call
SIDE     of audit: none, noop-c, or STACK:LEVEL for our hook, as in one_audit.py; of call: tracers.py
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


def install(what, side, folder):
    if what == "call":
        import tracers
        return tracers.start(side, folder)
    if side == "noop-c":
        import noop
        noop.install()
    elif side != "none":
        from pyauditd import _hook
        stack, level = side.split(":")
        _hook.start(events="custom:bench.two=%s" % level, stack=int(stack), mode="overwrite",
                    stdlib=os.path.dirname(os.__file__))
        # Overwrite mode leaves it there.
        return lambda: os.unlink("/dev/shm" + _hook.status()["segment"])
    return lambda: None


def audit_rounds(audit=sys.audit):
    for _ in repeat(None, LOOPS):
        audit("bench.two", 1, 2)


def call_rounds():
    def empty():
        pass
    for _ in repeat(None, LOOPS):
        empty()


def loop(gate, i, spans, rounds, clock=time.perf_counter_ns, own=time.thread_time_ns):
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[i % len(processors)]})
    for _ in range(ROUNDS):
        gate.wait()
        worked = own()
        start = clock()
        rounds()
        end = clock()
        spans.append((start, end, own() - worked))


def at_once(spans):
    """Nobody waited for a processor, and all worked at the same time."""
    first, last = max(start for start, _, _ in spans), min(end for _, end, _ in spans)
    return all(end - start <= 1.05 * worked and last - first >= 0.8 * (end - start)
               for start, end, worked in spans)


def own(function):
    """The same with code and globals of its own."""
    code = function.__code__.replace(co_name="loop_of_its_own", co_consts=tuple(
        const.replace(co_name="empty_of_its_own") if isinstance(const, types.CodeType) else const
        for const in function.__code__.co_consts))
    return types.FunctionType(code, dict(globals()), function.__name__, function.__defaults__)


def main():
    what, side, n, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    rounds = {"audit": audit_rounds, "call": call_rounds}[what]
    stop = install(what, side, folder)
    gate, spans = threading.Barrier(n), [[] for _ in range(n)]
    threads = [threading.Thread(target=own(loop), args=(gate, i, spans[i], own(rounds)))
               for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop()
    rounds = [max(end - start for start, end, _ in each) for each in zip(*spans) if at_once(each)]
    print("%.2f" % (min(rounds) / LOOPS if rounds else float("nan")))


main()
