# SPDX-License-Identifier: MIT
"""Many threads at once, in every way of starting them, and asyncio with its own."""
import _thread
import asyncio
import concurrent.futures
import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time

import oracle


def noise(name, n=200):
    for i in range(n):
        sys.audit("thread.noise", name, i)
        if i % 50 == 0:
            os.listdir("/")
            time.sleep(0.0001)


def plain_threads():
    threads = [threading.Thread(target=noise, args=("plain %d" % i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def raw_threads():
    done = queue.Queue()

    def work(i):
        noise("raw %d" % i, 50)
        done.put(i)

    for i in range(5):
        _thread.start_new_thread(work, (i,))
    for _ in range(5):
        done.get()


def one_after_the_other():
    for i in range(30):
        t = threading.Thread(target=sys.audit, args=("thread.short", i))
        t.start()
        t.join()


def pools(folder):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: open("%s/%d" % (folder, i), "w").close(), range(40)))
    timer = threading.Timer(0.001, noise, ("timer", 3))
    timer.start()
    timer.join()


async def coroutines():
    async def one(i):
        sys.audit("task", i)
        await asyncio.sleep(0.001)
        sys.audit("task.again", i)

    await asyncio.gather(*(one(i) for i in range(20)))
    await asyncio.get_running_loop().run_in_executor(None, noise, "executor", 5)
    child = await asyncio.create_subprocess_exec("true", stdout=subprocess.DEVNULL)
    await child.wait()

    async def values():
        for i in range(3):
            yield i

    async for i in values():
        sys.audit("value", i)


def logs(folder):
    logging.basicConfig(filename=folder + "/log")
    threads = [threading.Thread(target=logging.warning, args=("line %d", i)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def main():
    sys.setswitchinterval(1e-5)
    with tempfile.TemporaryDirectory() as folder:
        plain_threads()
        raw_threads()
        one_after_the_other()
        pools(folder)
        asyncio.run(coroutines())
        logs(folder)


if __name__ == "__main__":
    oracle.run(main)
