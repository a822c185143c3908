# SPDX-License-Identifier: MIT
"""Many threads that really run at once: free_threaded.py WHAT [N]. The GIL is off, from first to last."""
import gc
import json
import os
import sys
import threading
import time
from threading import get_native_id

import oracle

N = 8
EVENTS = 600


def together(work, n=N):
    """work(i) in n threads that begin at the same moment."""
    gate = threading.Barrier(n)

    def run(i):
        gate.wait()
        work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


# ---- the same as the oracle saw, which has a list for each thread ----

lists = {}
active = False
SHARED = ["shared", {"by": ("all", 8), 3: [None, True]}, 2.5]
THEIRS = {"key %d" % i: [i, str(i)] for i in range(10)}


def recorder(event, args):
    global active
    if event == oracle.BEGIN:
        active = True
    if active:
        own = lists.setdefault(oracle.get_native_id(), [])
        record = [event, None]
        own.append(record)
        record[1] = [oracle._form(v) for v in args]
    if event == oracle.END:
        active = False


class Own:
    pass


def mixture(i):
    for n in range(EVENTS):
        sys.audit("free.event", i, n, "text \u00e9 %d" % n, -2**40 * n, 2**200 + n)
        if n % 3 == 0:
            sys.audit("free.shared", SHARED, THEIRS, Own())
        if n % 10 == 0:
            sys.audit("free.name.%d.%d" % (i, n), b"bytes", 1.5 * n, [n] * 5, {"a": {"b": n}})
        if n % 50 == 0:
            open("/dev/null").close()
            exec(compile("sys.audit('free.compiled', %d)" % n, "made %d" % n, "exec"))


def same():
    sys.addaudithook(recorder)
    sys.audit(oracle.BEGIN)
    together(mixture)
    sys.audit(oracle.END)
    with open("%s.%d" % (os.environ["PYAUDITD_TEST_LOG"], os.getpid()), "w") as f:
        f.write(ascii([[tid] + record for tid, own in lists.items() for record in own]))


# ---- calls, beside a recorder in Python ----

def calls():
    """The same in all threads, at once."""
    import calls_oracle
    import calls_program
    import pyauditd
    calls_oracle.own_file = calls_program.__file__
    pyauditd.start(ring_bytes=64 << 20)  # calls_program stops it
    calls_oracle.record(lambda: together(lambda i: [calls_program.works(5) for _ in range(4)]))
    pyauditd.stop()
    with open("%s.%d" % (os.environ["PYAUDITD_TEST_LOG"], os.getpid()), "w") as f:
        json.dump(calls_oracle.records, f)


def outer(n):
    for _ in range(n):
        inner()


def inner():
    len("")


def busy(done):
    """Threads that run until then."""
    def run():
        while not done.is_set():
            inner()
    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    return threads


def profiled():
    """The module `profile`, which fails over a return without its call, beside threads that run."""
    import profile
    done = threading.Event()
    threads = busy(done)
    for _ in range(500):
        profile.Profile(bias=0).runcall(outer, 3)
    done.set()
    for t in threads:
        t.join()


def taken():
    """Another thread takes a callback of ours, and is slow about it: an audit hook in Python keeps it
    between its event and the operation. Each time ours is there again before long."""
    monitoring, own = sys.monitoring, 3
    assert monitoring.get_tool(own) == "pyauditd"
    done, found = threading.Event(), []

    def take():
        slow.append(get_native_id())
        for _ in range(3):
            found.append(monitoring.register_callback(own, monitoring.events.PY_START, None))
            time.sleep(1.5)
    slow = []
    sys.addaudithook(lambda event, args: event == "sys.monitoring.register_callback" and
                     get_native_id() in slow and time.sleep(0.05))
    threads = busy(done)
    taker = threading.Thread(target=take)
    taker.start()
    taker.join()
    done.set()
    for t in threads:
        t.join()
    print(found.count(None))


def at_its_end():
    """More than a collector reads in a round, in one of many lanes."""
    together(lambda i: inner())
    outer(60000)


def sums(n_threads, n_calls, rounds):
    gate = threading.Barrier(int(n_threads))

    def work(i):
        outer(1)
        gate.wait()  # each is known by now
        outer(int(n_calls) - 1)
    for _ in range(int(rounds)):
        together(work, int(n_threads))


# ---- what other threads change meanwhile ----

def changing():
    """Lists and dicts that are arguments, classes, and the names of modules."""
    items, pairs, done = [], {}, threading.Event()
    classes = [type("Changing", (), {"__module__": "some.module"}) for _ in range(4)]

    def change(i):
        while not done.is_set():
            for n in range(200):
                items.append(["item", str(n)])
                pairs[n] = {"value": [n]}
                classes[n % 4].__module__ = "some.module"[:n % 12] + "x"
                globals()["__name__"] = "__main__"[:n % 4 + 4]
            items.clear()
            pairs.clear()

    def tell(i):
        for n in range(1500):
            sys.audit("free.changing", items, pairs, classes[n % 4]())
            exec(compile("sys.audit('free.exec')", "made", "exec"))

    changers = [threading.Thread(target=change, args=(i,)) for i in range(4)]
    for t in changers:
        t.start()
    together(tell, 4)
    done.set()
    for t in changers:
        t.join()


def dying():
    """Functions that are made, called and gone: their addresses come again. Once there is a second
    thread, code lives for ever in 3.13t."""
    addresses = set()

    def work(i, n):
        space = {"audit": sys.audit}
        name = "f_%d_%d" % (i, n)
        exec("def %s():\n%s  audit('free.dying', '%s')\n" % (name, "\n" * (n % 7), name), space)
        addresses.add(id(space[name].__code__))
        space[name]()

    for n in range(2000):
        work(N, n)
        if n % 20 == 0:
            gc.collect()
    assert len(addresses) < 1000, len(addresses)
    together(lambda i: [work(i, n) for n in range(100)])


# ---- threads, sessions and processes that come and go ----

def short_lived(rounds):
    for n in range(int(rounds)):
        threads = [threading.Thread(target=sys.audit, args=("free.short", n)) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def flood():
    together(lambda i: [sys.audit("free.flood", i, n) for n in range(20000)])


EVENT_LISTS = [",".join(word % n for n in range(100)) for word in
               ("+free.%d", "-free.%d,-other.*", "+free.*,free.%d.*=count", "all,-open.%d")]


def on_and_off():
    import pyauditd
    done = threading.Event()

    def work(i):
        n = 0
        while not done.is_set():
            for n in range(n, n + 20):
                sys.audit("free.%d.%d" % (i, n % 50), n, SHARED)
            time.sleep(0.0005)

    def switch(i):
        for n in range(60):
            if i % 2:
                pyauditd.start(events=EVENT_LISTS[n % 4], stack=n % 4)
            else:
                pyauditd.stop()
            pyauditd.status()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(N)]
    for t in threads:
        t.start()
    together(switch, 4)
    done.set()
    for t in threads:
        t.join()
    pyauditd.start(events="custom:free.*")
    before = pyauditd.status()["recorded"]
    sys.audit("free.last")
    status = pyauditd.status()
    assert status["recorded"] == before + 1, status
    assert status["attempted"] == status["counted"] + status["recorded"] + \
        sum(status["lost"].values()), status


def forks():
    def work(i):
        for n in range(6):
            pid = os.fork()
            if pid == 0:
                def tell():
                    for k in range(5):
                        sys.audit("free.child", i, n, k, os.getpid())
                tell()
                other = threading.Thread(target=tell)
                other.start()
                other.join()
                # Forked while another thread imports an extension, it has a GIL for good.
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            sys.audit("free.parent", i, n, os.getpid())

    done = threading.Event()

    def noise():
        while not done.wait(0.0005):
            sys.audit("free.noise", os.getpid())

    other = threading.Thread(target=noise)
    other.start()
    together(work)
    done.set()
    other.join()


def waits():
    """A thread that takes a lane when all descriptors are used up and the object has no name."""
    import pyauditd
    os.unlink("/dev/shm" + pyauditd.status()["segment"])
    files = []
    try:
        while True:
            files.append(os.dup(0))
    except OSError:
        pass
    together(lambda i: sys.audit("free.nameless", i))
    for fd in files:
        os.close(fd)
    status = pyauditd.status()
    print(json.dumps(status["lost"]))


if __name__ == "__main__":
    assert not sys._is_gil_enabled()
    globals()[sys.argv[1]](*sys.argv[2:])
    assert not sys._is_gil_enabled()
