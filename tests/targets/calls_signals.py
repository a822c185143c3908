# SPDX-License-Identifier: MIT
"""A signal handler raises in the middle of calls, about a thousand times a second, also just as a
function begins. Its last line says how often."""
import json
import signal
import time


class Tick(Exception):
    pass


def handler(number, frame):
    raise Tick


def leaf(i):
    return i


def middle():
    for i in range(3):
        leaf(i)


def inner(end):
    n = 0
    while time.monotonic() < end:
        try:
            for _ in range(50):
                middle()
        except Tick:
            n += 1
    return n


def outer():
    end, n = time.monotonic() + 0.03, 0
    while time.monotonic() < end:
        try:
            n += inner(end)
        except Tick:
            n += 1
    return n


def main():
    signal.signal(signal.SIGALRM, handler)
    n = 0
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        n = outer()
    except Tick:
        pass
    finally:
        stopped = False
        while not stopped:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)  # in C: nothing interrupts it
                stopped = True
            except Tick:
                pass
    print(json.dumps({"n": n}))


main()
