# SPDX-License-Identifier: MIT
"""Recursion as deep as an interpreter stands it, in the main thread and in one with little stack.
The last line printed says how deep it went."""
import calls_window  # first: what is imported from here on is not traced

import json
import sys
import threading

INLINED = sys.version_info >= (3, 11)  # a Python call takes no C stack there
DEPTHS = {"main": 50000 if INLINED else 8000, "thread": 3000 if INLINED else 300}
deepest = {}


def dives(n):
    return dives(n - 1) + 1 if n else 0


def dive(where):
    deepest[where] = dives(DEPTHS[where])


def main():
    calls_window.begin()
    sys.setrecursionlimit(DEPTHS["main"] + 1000)
    dive("main")
    threading.stack_size(512 << 10)
    thread = threading.Thread(target=dive, args=("thread",))
    thread.start()
    thread.join()
    print(json.dumps(deepest))


if __name__ == "__main__":
    main()
