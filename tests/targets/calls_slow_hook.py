# SPDX-License-Identifier: MIT
"""Threads come and end while an audit hook in Python lets go of the GIL at each event."""
import json
import os
import sys
import threading

null = os.open(os.devnull, os.O_WRONLY)


def hook(event, args):
    os.write(null, event.encode())


def work():
    for _ in range(5):
        len("")


def spawn():
    for _ in range(200):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


sys.addaudithook(hook)
threads = [threading.Thread(target=spawn) for _ in range(2)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(json.dumps({}))
