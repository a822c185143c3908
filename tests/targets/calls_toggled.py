# SPDX-License-Identifier: MIT
"""A thread loops while another one has cProfile come and go. Says how long the loop took."""
import cProfile
import json
import threading
import time


def step():
    pass


def loops():
    global took
    began = time.perf_counter()
    while not stop:
        step()
    took = time.perf_counter() - began


stop = False
thread = threading.Thread(target=loops)
thread.start()
for _ in range(15):
    profile = cProfile.Profile()
    profile.enable()
    time.sleep(0.02)
    profile.disable()
    time.sleep(0.08)
stop = True
thread.join()
print(json.dumps(took))
