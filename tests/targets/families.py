# SPDX-License-Identifier: MIT
"""Families of processes: families.py WAY N. Each member notes itself in the roll (the file
FAMILIES_ROLL) before it does anything: "pid start-time ppid name n", n things to come. Then it does
each of them twice: it raises "family.member" with its name, pid and the number of the thing, and
opens a path that carries pid and number. The numbers of a process go on with its next name."""
import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time

EACH = 4
number = 0, 0  # the next one, and of which process


def start_time():
    with open("/proc/self/stat", "rb") as f:
        return int(f.read().rpartition(b")")[2].split()[19])


def note(name, n):
    roll = os.open(os.environ["FAMILIES_ROLL"], os.O_WRONLY | os.O_APPEND)
    line = "%d %d %d %s %d\n" % (os.getpid(), start_time(), os.getppid(), name, n)
    os.write(roll, line.encode())
    os.close(roll)


def member(name, n=EACH):
    """In one thread of a process at a time."""
    global number
    note(name, n)
    pid = os.getpid()
    first = number[0] if number[1] == pid else 0
    for i in range(first, first + n):
        sys.audit("family.member", name, pid, i)
        try:
            open("/nowhere/%d/%d" % (pid, i))
        except OSError:
            pass
    number = first + n, pid


def child(name, body=lambda: None, clean=False):
    """Its pid. clean: it ends as programs do, by the end of the interpreter."""
    pid = os.fork()
    if pid:
        return pid
    try:
        member(name)
        body()
    except BaseException:
        os._exit(1)
    if clean:
        sys.exit()
    os._exit(0)


def wait_for(pids):
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0


def storm(n):
    """So many forks, sixteen at a time, each other one a clean end."""
    member("first")
    numbers = iter(range(n))
    while True:
        pids = [child("storm", clean=i % 2 == 1) for i in itertools.islice(numbers, 16)]
        if not pids:
            return
        wait_for(pids)


def tree(depth, width=3):
    """Forks of forks of forks."""
    if depth == 0:
        return
    wait_for([child("depth%d" % depth, lambda: tree(depth - 1)) for _ in range(width)])


def work(_):
    member("worker", 2)
    return os.getpid()


def processes(method, n):
    member("first")
    context = multiprocessing.get_context(method)
    one = context.Process(target=work, args=(0,))
    one.start()
    one.join()
    assert one.exitcode == 0
    with context.Pool(4, maxtasksperchild=4) as pool:
        done = pool.map(work, range(n), chunksize=1)
        assert len(done) == n
        pool.close()
        pool.join()


def chain(depth):
    member("depth%d" % depth)
    if depth > 0:
        subprocess.run([sys.executable, __file__, "chain", str(depth - 1)], check=True)
        member("after%d" % depth)


def daemons(n):
    """Each by two forks, the one in between silent or not; they live on when we are gone."""
    member("first")
    for i in range(n):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if i % 2:
                member("between")
            if os.fork() == 0:
                while os.getppid() != 1:
                    time.sleep(0.001)
                member("daemon")
                time.sleep(0.3)
                member("later")
            os._exit(0)
        wait_for([pid])


def names(n):
    """Short processes with names that nobody else has: of events, and of functions that are called."""
    def body(i):
        for k in range(50):
            name = "family.%d.%d.%s" % (i, k, "x" * 100)
            sys.audit(name)
            scope = {"__name__": "__main__"}
            exec("def f_%d_%d(): pass" % (i, k), scope)
            scope["f_%d_%d" % (i, k)]()

    for first in range(0, n, 16):
        wait_for([child("names", lambda i=i: body(i)) for i in range(first, min(n, first + 16))])


def become(n):
    """Other programs in the same process, and the same in children."""
    member("image%d" % n)
    if n > 0:
        wait_for([child("beside", lambda: os.execv(
            sys.executable, [sys.executable, __file__, "become", "0"]))])
        os.execv(sys.executable, [sys.executable, __file__, "become", str(n - 1)])


def threads(n):
    """That start and end, forty at a time; each says which it is."""
    member("first")

    def run(i):
        for k in range(EACH):
            sys.audit("family.thread", i, threading.get_native_id(), k)

    numbers = iter(range(n))
    while True:
        some = [threading.Thread(target=run, args=(i,)) for i in itertools.islice(numbers, 40)]
        if not some:
            return
        for thread in some:
            thread.start()
        for thread in some:
            thread.join()


def crowd(n):
    """So many processes of ten threads each, all there at the same time when they begin."""
    member("first")
    ready_r, ready_w = os.pipe()
    go_r, go_w = os.pipe()

    def run(i):
        os.write(ready_w, b".")
        os.read(go_r, 1)
        for k in range(EACH):
            sys.audit("family.thread", i, threading.get_native_id(), k)

    def body():
        os.close(go_w)
        some = [threading.Thread(target=run, args=(i,)) for i in range(10)]
        for thread in some:
            thread.start()
        for thread in some:
            thread.join()

    pids = [child("crowd", body) for _ in range(n)]
    n_ready = 0
    while n_ready < 10 * n:
        n_ready += len(os.read(ready_r, 65536))
    os.close(go_w)
    wait_for(pids)


def fork_in_threads(n):
    """Four threads fork while two others are in the middle of events; what comes back from a
    child's thread is the only one there."""
    member("first")
    over = threading.Event()

    def noise():
        while not over.is_set():
            for _ in range(20):
                sys.audit("family.noise", os.getpid())
            time.sleep(0.002)

    def fork():
        for _ in range(n // 4):
            wait_for([child("of_thread", lambda: wait_for([child("of_child")]))])

    noises = [threading.Thread(target=noise) for _ in range(2)]
    forks = [threading.Thread(target=fork) for _ in range(4)]
    for thread in noises + forks:
        thread.start()
    for thread in forks:
        thread.join()
    over.set()
    for thread in noises:
        thread.join()


def interpreters(n):
    """Sub-interpreters in children, made and destroyed one after the other."""
    import interpreters as made
    code = "import os, sys\nfor i in range(%d): sys.audit('family.sub', os.getpid(), i)" % EACH

    def some():
        for own in (False, True):
            if own and sys.version_info < (3, 12):
                continue
            for _ in range(3):
                one = made.create(own)
                assert made.module.run_string(one, code) is None
                made.module.destroy(one)

    member("first")
    for _ in range(n):
        wait_for([child("with_interpreters", some)])


WAYS = {
    "storm": storm, "tree": lambda n: (member("first"), tree(n)), "chain": chain,
    "daemons": daemons, "names": names, "become": become, "crowd": crowd, "threads": threads,
    "fork_in_threads": fork_in_threads, "interpreters": interpreters,
    **{method: lambda n, method=method: processes(method, n)
       for method in ("fork", "spawn", "forkserver")},
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](int(sys.argv[2]))
