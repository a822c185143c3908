# SPDX-License-Identifier: MIT
"""Audit hooks in Python run while start() and stop() are at work. argv: back end; who comes then:
`nested`, the hook itself, or `thread`, another one while the hook lets go of the GIL."""
import json
import sys
import threading
import time

import pyauditd

backend, who = sys.argv[1:]
own = False


def hook(event, args):
    global own
    if not event.startswith(("sys.monitoring.", "sys.setprofile", "sys._setprofile")) or own:
        return
    if who == "thread":
        return time.sleep(0.001)
    own = True
    pyauditd.stop()
    own = False


def work():
    pass


def keep_stopping():
    while not done:
        pyauditd.stop()


sys.addaudithook(hook)
done = who == "nested"
thread = threading.Thread(target=keep_stopping)
thread.start()
for _ in range(20):
    pyauditd.start(calls="work", backend=backend)
done = True
thread.join()
own = True
pyauditd.start(calls="work", backend=backend)
for _ in range(100):
    work()
status = pyauditd.status()
pyauditd.stop()
print(json.dumps({"running": status["running"], "calls": status["calls"]}))
