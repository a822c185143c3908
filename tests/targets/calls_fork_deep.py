# SPDX-License-Identifier: MIT
"""Forks while another thread is deep in calls."""
import os
import sys
import threading

ready, go = threading.Event(), threading.Event()


def deep(n):
    if n:
        return deep(n - 1)
    ready.set()
    go.wait()


def work():
    pass


sys.setrecursionlimit(20000)
threading.stack_size(256 << 20)
thread = threading.Thread(target=deep, args=(700 if sys.version_info[:2] == (3, 12) else 2800,))
thread.start()
ready.wait()
child = os.fork()
if child == 0:
    for _ in range(1000):
        work()
    os._exit(0)
os.waitpid(child, 0)
go.set()
thread.join()
