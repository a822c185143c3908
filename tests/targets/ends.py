# SPDX-License-Identifier: MIT
"""Ways for a program to end: ends.py WAY. Each raises "end.step" a known number of times first."""
import atexit
import os
import signal
import sys
import threading
import time

STEPS = 500


def steps():
    for i in range(STEPS):
        sys.audit("end.step", i, "x" * (i % 200))


class AtEnd:
    """Raises an event when it is deleted, which for a global is during finalisation."""

    def __init__(self, name):
        self.audit, self.name = sys.audit, name

    def __del__(self):
        self.audit("end.del", self.name)


def usual():
    global left
    left = AtEnd("global")
    cycle = AtEnd("cycle")
    cycle.cycle = cycle
    atexit.register(sys.audit, "end.atexit")
    threading.Thread(target=lambda: (time.sleep(0.1), sys.audit("end.thread"))).start()
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def error():
    raise ValueError("not caught")


def status(n="3"):
    sys.exit(int(n))


def at_once():
    os._exit(4)


def kill(name="SIGKILL"):
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(10)


def kill_in_the_middle():
    """Another thread kills while this one raises events as fast as it can."""
    def soon():
        time.sleep(0.005)  # each line of a flood is looked at
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=soon).start()
    while True:
        sys.audit("end.fast", 1, 2)


def execute():
    os.execv(sys.executable, [sys.executable, __file__, "usual"])


def execute_other():
    os.execvp("sh", ["sh", "-c", "exit 9"])


def abort():
    os.abort()


def interrupted():
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    steps()
    globals()[sys.argv[1]](*sys.argv[2:])
