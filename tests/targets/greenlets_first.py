# SPDX-License-Identifier: MIT
"""A function is running when the module greenlet comes, and the next calls that can be seen are of two
greenlets, which begin with a `function` or a `generator` (argv). Prints how long the three took, in ns,
from inside."""
import atexit
import json
import sys
import time

clock = time.perf_counter_ns
took = {}


def measured(name):
    took[name] = -clock()
    main.switch()
    took[name] += clock()


def function(name):
    measured(name)


def generator(name):
    measured(name)
    yield


def waits(what):
    global greenlet, main
    began = clock()
    import greenlet
    main = greenlet.getcurrent()
    new = [greenlet.greenlet(function if what == "function" else generator(name).__next__)
           for name in ("a", "b")]
    for name, each in zip(("a", "b"), new):
        each.switch(*[name] * (what == "function"))
        time.sleep(0.02)
    for each in new:
        each.switch()
        time.sleep(0.02)
    took["waits"] = clock() - began


def last():
    pass


atexit.register(last)
atexit.register(last)  # each is the outermost function of the thread's own stack
waits(sys.argv[1])
print(json.dumps(took))
