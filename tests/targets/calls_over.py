# SPDX-License-Identifier: MIT
"""A tool's frame evaluator comes over ours and hands on to it. argv: its library, what happens then."""
import ctypes
import json
import sys

import pyauditd

from calls_ten import call_ten_times, raise_events

tool = ctypes.PyDLL(sys.argv[1])


def start(level):
    pyauditd.start(events="custom:calls.mark", calls=True, backend="eval", calls_level=level)


def start_again():
    pyauditd.stop()
    call_ten_times("stopped")
    start("record")


def change_level():
    start("count")
    sys.audit("calls.mark")


# Where ours goes aside; 3.12 has no more calls in C than 800 for any evaluator.
DEEP = 700 if sys.version_info[:2] == (3, 12) else 4000


def recurse(n=DEEP):
    return n and recurse(n - 1)


def main(what):
    sys.setrecursionlimit(6000)
    start("record")
    tool.evaluator_take()
    call_ten_times("handed_on")
    {"start": start_again, "level": change_level, "deep": recurse, "nothing": int}[what]()
    raise_events()
    n = tool.evaluator_count()
    call_ten_times("after")
    n = tool.evaluator_count() - n
    tool.evaluator_give_back()
    call_ten_times("ours_again")
    raise_events()
    pyauditd.stop()
    print(json.dumps({"frames": n, "deep": DEEP}))


main(sys.argv[2])
