# SPDX-License-Identifier: MIT
"""Does what stdin says, a command a line, and answers each when it is done; its pid comes first.

Every "driven.step" carries the next number: who reads them knows what is missing.
"""
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

number = 0
calm = threading.Event()
threads = []


def step(n="1"):
    global number
    for number in range(number, number + int(n)):
        sys.audit("driven.step", number)
    number += 1


def flood(per_second="0"):
    """Steps in another thread, until `calm`; 0: as fast as it can."""
    def run():
        rate = float(per_second)
        n = int(max(10, rate / 1000))
        while not calm.is_set():
            step(n)
            if rate:
                time.sleep(n / rate)

    calm.clear()
    threads.append(threading.Thread(target=run))
    threads[-1].start()


def stop_flood():
    calm.set()
    threads.pop().join()
    return number


def child(name, n="3"):
    for i in range(int(n)):
        sys.audit("driven.child", name, i, os.getpid())


def fork(n="3"):
    pid = os.fork()
    if pid == 0:
        child("fork", n)
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def spawn():
    with subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.communicate(b"child spawn\n")
    return process.pid


def pool(method):
    process = multiprocessing.get_context(method).Process(target=child, args=(method,))
    process.start()
    process.join()
    return process.pid


def stay():
    parent = os.getppid()
    while os.getppid() == parent:
        child("stay", 1)
        time.sleep(0.01)


def keep(method):
    """A child that goes on and on."""
    process = multiprocessing.get_context(method).Process(target=stay, daemon=True)
    process.start()
    return process.pid


def wait():
    """A child that does nothing until `wake`."""
    global waiting
    end, waiting = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(waiting)
        for i in range(100):
            if os.read(end, 1):
                sys.audit("driven.waited.%d" % i)
                child("waited", 1)
        os._exit(0)
    os.close(end)
    return pid


def wake():
    os.write(waiting, b"!")


def execute():
    answer("0")
    os.execv(sys.executable, [sys.executable, __file__])


def orphan():
    """A child whose parent has gone, and that is told apart by nothing but its ancestors."""
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.1)
            os.execv(sys.executable, [sys.executable, "-c", "import sys, time\n"
                                      "time.sleep(0.1); sys.audit('driven.orphan')"])
        sys.audit("driven.between")
        os._exit(0)
    os.wait()


def names(n):
    for i in range(int(n)):
        sys.audit("driven.name.%d" % i)


def linger():
    """The process stays when its interpreter has ended."""
    import ctypes
    libc = ctypes.CDLL(None)
    libc.__getattr__("__cxa_atexit")(libc.pause, None, None)


def zombie():
    """A child that has ended, and that nobody waits for."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def become(program):
    os.execvp(program, [program])


def thread(n):
    worker = threading.Thread(target=child, args=("thread", n))
    worker.start()
    worker.join()


def timed():
    """When it was, by the clock of everybody."""
    now = time.time_ns()
    sys.audit("driven.timed", now)
    return now


def audit(name, *arguments):
    sys.audit(name, *arguments)


def opens(n, names, first="0"):
    """Of so many files by turns; the last argument is a number, as with steps."""
    for i in range(int(first), int(first) + int(n)):
        sys.audit("open", "/driven/%d" % (i % int(names)), "r", i)


def secret():
    os.putenv("DRIVEN_PASSWORD", "hunter2")


def deep(frames):
    if int(frames) > 1:
        return deep(int(frames) - 1)
    sys.audit("driven.deep")


def noise(n):
    for _ in range(int(n)):
        id(n)


def share(fraction):
    """Fill that part of what /dev/shm has left, as a program would, and read it back."""
    from multiprocessing import shared_memory
    st = os.statvfs("/dev/shm")
    memory = shared_memory.SharedMemory(create=True, size=st.f_blocks * st.f_frsize)
    # To make it was an event or two, for which the hook may have grown: what is left now.
    st = os.statvfs("/dev/shm")
    n = int(st.f_bavail * st.f_frsize * float(fraction)) // 4096 * 4096
    # What the kernel makes of a store: an error here, where a page fault would kill.
    os.posix_fallocate(memory._fd, 0, n)
    memory.buf[:n] = b"x" * n
    assert bytes(memory.buf[n - 10:n]) == b"x" * 10
    memory.close()
    memory.unlink()
    return n


def status():
    import json

    import pyauditd
    return json.dumps(pyauditd.status())


def unlink():
    import pyauditd
    os.unlink("/dev/shm" + pyauditd.status()["segment"])


def stop():
    import pyauditd
    pyauditd.stop()


def end(status="0"):
    answer("0")
    sys.exit(int(status))


def kill(name="SIGKILL"):
    os.kill(os.getpid(), getattr(signal, name))


def answer(text):
    os.write(1, b"%s\n" % str(text).encode())


if __name__ == "__main__":
    answer(os.getpid())
    for line in sys.stdin:
        command, *words = line.split()
        result = {"calm": stop_flood}.get(command, globals().get(command))(*words)
        answer("0" if result is None else result)
