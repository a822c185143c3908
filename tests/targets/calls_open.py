# SPDX-License-Identifier: MIT
"""Calls that are open for long, and call others: some return, some os._exit() ends, and of some the
beginning is not traced. Words: name=seconds. Says how long each took, by its name."""
import calls_window
import json
import os
import resource
import sys
import time

took = {}


def steps():
    pass


def other_steps():
    pass


def loops(end):
    while time.perf_counter() < end:
        steps()


def before(n, seconds):
    if n > 0:
        before(n - 1, seconds)
        return
    calls_window.begin()
    loops(time.perf_counter() + seconds)


def before_deep(n, seconds):
    """By two functions in turn; it is far up again when time passes."""
    limit = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (limit, limit))  # 3.8 takes 10 MiB of it
    even(17001, seconds)


def even(n, seconds):
    odd(n - 1, seconds)
    if n == 8001:
        loops(time.perf_counter() + seconds)


def odd(n, seconds):
    if n > 0:
        even(n - 1, seconds)
    else:
        calls_window.begin()


def returns(n, seconds):
    if n > 0:
        returns(n - 1, seconds)
    else:
        loops(time.perf_counter() + seconds)


def stays(n, seconds):
    if n > 0:
        stays(n - 1, seconds)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        other_steps()
    took["stays"] = time.monotonic() - began
    print(json.dumps(took), flush=True)
    os._exit(0)


sys.setrecursionlimit(30000)
if not sys.argv[1].startswith("before"):
    calls_window.begin()
for word in sys.argv[1:]:
    name, _, seconds = word.partition("=")
    began = time.perf_counter()
    globals()[name](3, float(seconds))
    took[name] = time.perf_counter() - began
print(json.dumps(took))
