# SPDX-License-Identifier: MIT
"""Fork children, and then the program itself, end in various ways after so many calls of leaf().

The last line printed says which child is to end how, and after how many.
"""
import calls_window  # first: what is imported from here on is not traced

import json
import os
import signal
import sys
import threading
import time


def leaf(n):
    return n


def work(n, end=None):
    for i in range(n):
        leaf(i)
    if end:
        end()


def fails():
    raise LookupError("nobody catches this")


WAYS = {
    "os._exit": lambda: os._exit(3),
    "sys.exit": lambda: sys.exit(4),
    "exception": fails,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "in the middle": None,
    "to its end": None,
    "in a thread": None,
}


def child(how, n):
    if how == "in the middle":
        work(n, lambda: os._exit(0))
    work(n)
    if WAYS[how]:
        WAYS[how]()
    os._exit(0)


def fork(children, how, n):
    pid = os.fork()
    if pid == 0:
        os.close(2)
        child(how, n)
    os.waitpid(pid, 0)
    children.append([pid, how, n])


def in_background():
    while True:
        time.sleep(0.001)


def main():
    calls_window.begin()
    sys.audit("calls.mark")
    children = []
    for i, how in enumerate(WAYS):
        family = [children, how, 10 + i]
        if how == "in a thread":
            thread = threading.Thread(target=fork, args=family)
            thread.start()
            thread.join()
        else:
            fork(*family)
    threading.Thread(target=in_background, daemon=True).start()
    work(30)
    print(json.dumps({"pid": os.getpid(), "n": 30, "children": children}))
    sys.stdout.flush()
    sys.exit(5)


if __name__ == "__main__":
    main()
