# SPDX-License-Identifier: MIT
"""A thread's profile function is taken in the middle of a call, and given back in another."""
import json
import sys
import time


def tick():
    pass


def f(function):
    sys.setprofile(function)
    tick()


f(lambda frame, what, value: None)
time.sleep(0.3)
f(None)
f(None)
time.sleep(0.1)  # pending calls are run
tick()
print(json.dumps({}))
