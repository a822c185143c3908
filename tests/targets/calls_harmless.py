# SPDX-License-Identifier: MIT
"""calls_harmless.py BACKEND: what calls leave behind in the program after very many of them, at
each level: nothing. Without a collector; started by the program itself."""
import gc
import os
import sys

import pyauditd

N = 67000  # a level; three calls each


class Thing:
    def method(self, argument):
        return argument


def numbers():
    yield 1


def fails():
    raise KeyError


def step(thing, argument):
    thing.method(argument)
    len(argument)


def steps(n, thing, argument):
    for i in range(n):
        step(thing, argument)
        if i % 16 == 0:
            for _ in numbers():
                pass
            try:
                fails()
            except KeyError:
                pass


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counts(*objects):
    return [sys.getrefcount(o) for o in objects]


def measure(level, thing, argument):
    watched = (thing, argument, step, step.__code__, Thing, Thing.method, Thing.method.__code__, len,
               numbers.__code__, fails, list.append, main, sys.modules["__main__"].__dict__)
    steps(5000, thing, argument)
    before = counts(*watched)
    objects, blocks, size = len(gc.get_objects()), sys.getallocatedblocks(), resident()
    steps(N, thing, argument)
    size, blocks = resident() - size, sys.getallocatedblocks() - blocks
    objects = len(gc.get_objects()) - objects
    assert counts(*watched) == before, (level, before, counts(*watched))
    assert abs(objects) <= 5, (level, objects)
    assert abs(blocks) <= 50, (level, blocks)
    assert size < 1 << 20, (level, size)


def main(backend):
    gc.collect()
    gc.disable()
    thing, argument = Thing(), [1]
    for level in ("record", "stats", "count"):
        pyauditd.start(events="custom:none", ring_bytes=256 << 10, calls=True, backend=backend,
                       calls_level=level)
        status = pyauditd.status()
        assert status["backend"] == backend and status["calls"] == level, status
        measure(level, thing, argument)
    pyauditd.stop()
    measure("off", thing, argument)
    status = pyauditd.status()
    assert status["attempted"] == \
        status["counted"] + status["recorded"] + sum(status["lost"].values()), status
    assert status["lost"].get("no_reader", 0) > 2 * N, status
    print("as before")


if __name__ == "__main__":
    main(sys.argv[1])
