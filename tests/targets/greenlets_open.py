# SPDX-License-Identifier: MIT
"""Greenlets that loop and never return; tracing begins anew within another one, which ends. Says
how long each part took since then."""
import calls_window
import json
import os
import time

import greenlet


def step():
    pass


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        step()


def loop():
    while True:
        spin(0.005)
        main.switch()


def ends():
    calls_window.start()
    spin(0.1)


def hub(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for one in loops:
            one.switch()


main = greenlet.getcurrent()
loops = []
for i in range(12):
    function = type(loop)(loop.__code__.replace(co_name="loop%d" % i, **(
        {"co_qualname": "loop%d" % i} if hasattr(loop.__code__, "co_qualname") else {})), globals())
    function.__qualname__ = "loop%d" % i
    loops.append(greenlet.greenlet(function))
hub(0.1)
calls_window.stop()
began = time.perf_counter()
greenlet.greenlet(ends).switch()
ended = time.perf_counter()
hub(2)
took = {"ends": ended - began, "all": time.perf_counter() - began}
print(json.dumps(took), flush=True)
os._exit(0)
