# SPDX-License-Identifier: MIT
"""One side of the benchmark of calls: one_calls.py SIDE FOLDER [COLLECTOR] -> one JSON object.

SIDE       see tracers.py
FOLDER     where it may write
COLLECTOR  a program that drains meanwhile, into a file in FOLDER

    py     nanoseconds for a call of an empty Python function from a loop, with its return
    c      the same of len(); where built-in functions are watched, and untraced
    bytes  for each event in the lane
    missing, failed   instead: why there is no figure

Run in a fresh process by bench-calls, so that no tracer meets what another one left behind.
Without a collector our ring overwrites, so that every event is really written. With one it drops,
and what is measured are bursts that wake the collector and that the ring holds: none may be lost.
"""
import json
import os
import subprocess
import sys
import time
from itertools import repeat

import tracers

CALLS, BURSTS, BURSTS_DRAINED = 20000, 25, 6
DRAINED_RING = 1 << 20  # a burst is more than a quarter of it: 40,000 events


class Failed(Exception):
    pass


def empty():
    pass


def best_of(bursts, pause, loop, clock=time.perf_counter_ns):
    best = 1 << 60
    for _ in repeat(None, bursts):
        if pause:
            time.sleep(pause)
        start = clock()
        loop()
        best = min(best, clock() - start)
    return best / CALLS


def python_calls(function=empty):
    for _ in repeat(None, CALLS):
        function()


def c_calls(function=len):
    for _ in repeat(None, CALLS):
        function("")


class Lane:
    """What our side wrote; that it did is checked, for a tracer at rest is the cheapest."""

    def __init__(self, side):
        import pyauditd
        import bench_lane
        # Held open: other programs that are traced tidy up what they find.
        self.fd = os.open("/dev/shm" + pyauditd.status()["segment"], os.O_RDONLY)
        self.totals = bench_lane.totals
        self.options = side.split(":")
        self.before = self.totals(self.fd)

    def check(self, n_calls):
        slots, _, events, summed = (now - before for now, before in zip(
            self.totals(self.fd), self.before))
        level, filtered = self.options[2], len(self.options) > 4
        seen, wanted = (events, 2 * n_calls) if level == "record" else (summed, n_calls)
        # A slot that is open has events which are not yet in the sum; our own loops have some.
        if filtered and seen > 100 or not filtered and not wanted - 5 <= seen <= 1.01 * wanted:
            raise Failed("%d of %d events arrived" % (seen, 0 if filtered else wanted))
        return 64 * slots / events if level == "record" and not filtered else None


class Collector:
    def __init__(self, program, side, folder):
        _, backend, level, calls = side.split(":")
        self.output = folder + "/drained"
        with open(folder + "/collector.log", "w") as log:
            self.process = subprocess.Popen(
                [program, "--pid", str(os.getpid()), "--events", "all=off", "--calls",
                 "--calls-backend", backend, "--calls-level", level, "-o", self.output]
                + (["--no-c-calls"] if calls == "py" else []), stderr=log)
        deadline = time.time() + 10
        while self.process.poll() is None and time.time() < deadline and not (
                os.path.exists(self.output) and os.path.getsize(self.output)):
            time.sleep(0.01)
        if self.process.poll() is not None:
            with open(folder + "/collector.log") as log:
                raise tracers.Missing("collector: " + log.readline().strip())

    def stop(self, lane):
        time.sleep(0.2)
        self.process.terminate()
        self.process.wait()
        head, tail = lane.totals(lane.fd)[:2]
        import pyauditd
        lost = sum(pyauditd.status()["lost"].values())
        # Calls of this function itself come in while the collector leaves.
        if head - tail > 64 or lost:
            raise Failed("%d slots were not drained, %d events lost" % (head - tail, lost))


def measure(side, folder, program):
    bursts, pause = (BURSTS_DRAINED, 0.04) if program else (BURSTS, 0)
    settings = dict(mode="drop", ring_bytes=DRAINED_RING) if program else {}
    loops = {"py": python_calls}
    if side in ("none", "set-profile") or "c" in side.split(":"):
        loops["c"] = c_calls
    said = {}
    stop = tracers.start(side, folder, **settings)
    lane = collector = None
    try:
        if side.startswith("ours:"):
            if program:
                collector = Collector(program, side, folder)
            lane = Lane(side)
        for name, loop in loops.items():
            said[name] = best_of(bursts, pause, loop)
        if lane:
            said["bytes"] = lane.check(bursts * CALLS * len(loops))
        if collector:
            collector.stop(lane)
    finally:
        if collector and collector.process.poll() is None:
            collector.process.kill()
        stop()
    return said


def main():
    side, folder = sys.argv[1:3]
    program = sys.argv[3] if len(sys.argv) > 3 else None
    try:
        said = measure(side, folder, program)
    except tracers.Missing as error:
        said = {"missing": str(error)}
    except Failed as error:
        said = {"failed": str(error)}
    print(json.dumps(said))


main()
