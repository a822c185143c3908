# SPDX-License-Identifier: MIT
"""calls_churn.py N: tracing is started and stopped N times while threads run."""
import calls_window  # first: what is imported from here on is not traced

import json
import sys
import threading
import time

done = False


def tick(n):
    return n and tick(n - 1)


def numbers():
    while True:
        yield tick(2)


def busy():
    for n in numbers():
        if done:
            break
        len([n])
        time.sleep(0.0002)


def comes_and_goes():
    while not done:
        thread = threading.Thread(target=tick, args=(3,))
        thread.start()
        thread.join()
        time.sleep(0.001)


def inside(i):
    if i % 4 == 0:
        time.sleep(0.0005)  # the threads run


def outside(i):
    return i


def main(n):
    global done
    calls_window.begin()
    calls_window.stop()
    threads = [threading.Thread(target=busy) for _ in range(3)]
    threads.append(threading.Thread(target=comes_and_goes))
    for t in threads:
        t.start()
    try:
        for i in range(n):
            calls_window.start()
            inside(i)
            calls_window.stop()
            outside(i)
    finally:
        done = True
    for t in threads:
        t.join()
    print(json.dumps({"n": n}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
