# SPDX-License-Identifier: MIT
"""Tracing begins anew while a greenlet is inside a call, which ends then. Says how long the greenlet's
loop ran after that."""
import calls_window
import json
import os
import time

import greenlet


def step():
    pass


def waits():
    main.switch()
    step()


def loops():
    while True:
        waits()
        end = time.perf_counter() + 0.2
        while time.perf_counter() < end:
            step()


main = greenlet.getcurrent()
one = greenlet.greenlet(loops)
one.switch()
calls_window.stop()
calls_window.start()
step()
began = time.perf_counter()
while time.perf_counter() < began + 2.5:
    one.switch()
print(json.dumps(time.perf_counter() - began), flush=True)
os._exit(0)
