# SPDX-License-Identifier: MIT
"""Says what it wants before the collector that started it has looked. argv: that one's pid, which
stands still."""
import os
import signal
import sys
import time

import pyauditd


def wanted():
    pass


pyauditd.start(events="custom:early.mark", calls="wanted", c_calls=False, stack=0)
os.kill(int(sys.argv[1]), signal.SIGCONT)
time.sleep(0.5)
sys.audit("early.mark")
for _ in range(10):
    wanted()
sys.audit("early.other")
