# SPDX-License-Identifier: MIT
"""burst.py N: more events than the ring holds, while the collector, our parent, stands still."""
import os
import signal
import sys
import time


def state(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0]


if __name__ == "__main__":
    parent, n = os.getppid(), int(sys.argv[1])
    sys.audit("burst.begin")
    os.kill(parent, signal.SIGSTOP)
    while state(parent) != "T":
        time.sleep(0.001)
    for i in range(n):
        sys.audit("burst.event", i)
    os.kill(parent, signal.SIGCONT)
    time.sleep(0.3)
    sys.audit("burst.end")
    sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
