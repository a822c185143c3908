# SPDX-License-Identifier: MIT
"""When a target is traced. Its imports are not: they are many calls, so it imports this first.
Where pyauditd is not to be had, it runs untraced."""
try:
    import pyauditd
    pyauditd.stop()
except ImportError:
    pyauditd = None

import sys
import time


def begin():
    """From here on. What is wanted is the collector's to say, which may not be there yet; and it
    is looked at when something happens."""
    if not pyauditd:
        return
    pyauditd.start()
    deadline = time.monotonic() + 2
    while pyauditd.status()["calls"] is None and time.monotonic() < deadline:
        time.sleep(0.001)
        sys.audit("calls.look")


def start():
    """Once more; the collector is there."""
    if pyauditd:
        pyauditd.start()


def stop():
    if pyauditd:
        pyauditd.stop()
