# SPDX-License-Identifier: MIT
"""For targets in which another tool takes our place: who is seen, and time in which that is noticed."""
import sys
import time


def call_ten_times(name):
    scope = {}
    exec(compile("def %s(): pass" % name, "<%s>" % name, "exec"), scope)
    for _ in range(10):
        scope[name]()


def raise_events():
    """So that there is somebody who may notice."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        sys.audit("calls.mark")
        time.sleep(0.02)
