# SPDX-License-Identifier: MIT
"""The Python package in a program that nobody else traces: package.py WHAT. Prints what it saw as
one JSON line; tests/test_package.py judges it."""
import json
import os
import sys
import threading
import time

import pyauditd

LARGE = 1 << 63


def attempt(*arguments, **settings):
    """What start() makes of it: the exception's type, errno and text, and the status then."""
    error = None
    try:
        pyauditd.start(*arguments, **settings)
    except Exception as e:
        error = [type(e).__name__, getattr(e, "errno", None), str(e)]
    return {"error": error, "status": pyauditd.status()}


def life():
    """start() with its defaults, twice, with other settings, stop() twice, start() again."""
    seen = [pyauditd.status()]
    for step in (pyauditd.start, pyauditd.start,
                 lambda: pyauditd.start(events="open", stack=3), pyauditd.stop, pyauditd.stop,
                 pyauditd.start):
        assert step() is None
        seen.append(pyauditd.status())
    return seen


def bad():
    settings = [
        {"events": "no.such.event"}, {"events": "@nothing"}, {"events": "open=sometimes"},
        {"events": "open," * 5000}, {"events": "a\0b"}, {"events": None}, {"events": b"open"},
        {"events": "\ud800"},
        {"stack": -1}, {"stack": 65}, {"stack": LARGE}, {"stack": "1"}, {"stack": 1.5},
        {"stack": None},
        {"ring_bytes": 0}, {"ring_bytes": -1}, {"ring_bytes": 1 << 17},
        {"ring_bytes": (1 << 20) + 1}, {"ring_bytes": 1 << 31}, {"ring_bytes": LARGE},
        {"ring_bytes": "4m"}, {"ring_bytes": None},
        {"mode": ""}, {"mode": "DROP"}, {"mode": "sideways"}, {"mode": None}, {"mode": 1},
        {"calls": 5}, {"calls": None}, {"calls": ","}, {"calls": "f" * 512}, {"backend": "magic"},
        {"backend": None}, {"calls_level": "off"}, {"calls_level": 3}, {"calls_file": "a,,b"},
        {"calls_file": "-"}, {"calls_file": 1}, {"max_depth": -1}, {"max_depth": LARGE},
        {"max_depth": "1"},
        {"colour": "red"},
    ]
    seen = [dict(attempt(**s), settings=ascii(s)) for s in settings]
    seen.append(dict(attempt("", 1, 4 << 20, "drop", False, True, "auto", "record", "", 0,
                             "one too many"), settings="eleven"))
    return seen, pyauditd.status()


def restarted():
    """Other settings than those that the segment was made with."""
    pyauditd.start()
    return [attempt(mode="block"), attempt(ring_bytes=1 << 20), attempt(events="no.such.event")]


class Oracle:
    """Counts what Python's own hook sees, between two looks at the status."""

    def __init__(self):
        self.events = None
        sys.addaudithook(self.hook)

    def hook(self, event, args):
        if self.events is not None:
            self.events.append(event)

    def watch(self, body):
        before = pyauditd.status()
        self.events = []
        body()
        events, self.events = self.events, None
        after = pyauditd.status()
        return {"before": before, "events": events, "after": after}


def job():
    for i in range(100):
        sys.audit("package.custom", i)
        id(i)
    os.listdir("/")
    with open(os.devnull) as file:
        file.read()
    exec("pass")


def oracle():
    oracle = Oracle()
    pyauditd.start()
    seen = {}
    for events in ("all", "", "open,@custom", "all,builtins.id=count",
                   "all,-custom:package.custom", "all=count", "all,-all"):
        pyauditd.start(events=events)
        seen[events] = oracle.watch(job)
    pyauditd.stop()
    seen["stopped"] = oracle.watch(job)
    return seen


def fork():
    pyauditd.start(events="all")
    job()
    parent = pyauditd.status()
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        fresh = pyauditd.status()
        sys.audit("package.child")
        first = pyauditd.status()
        job()
        later = pyauditd.status()
        pyauditd.stop()
        os.write(into, json.dumps([fresh, first, later, pyauditd.status()]).encode())
        os.unlink("/dev/shm" + later["segment"])
        os._exit(0)
    os.waitpid(pid, 0)
    return {"parent": parent, "child": json.loads(os.read(out, 65536).decode()),
            "again": pyauditd.status()}


def in_child(body):
    """What a fork child says, that does this before anything else."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = body()
        os.write(into, json.dumps(said).encode())
        if said["segment"]:
            os.unlink("/dev/shm" + said["segment"])
        os._exit(0)
    os.waitpid(pid, 0)
    return json.loads(os.read(out, 65536).decode())


def first_deeds():
    """Of children that have raised no event yet."""
    def stopped():
        pyauditd.stop()
        sys.audit("package.child")
        return pyauditd.status()

    def started():
        pyauditd.start(events="custom:package.*", stack=3)
        sys.audit("package.child")
        return pyauditd.status()

    def refused():
        said = attempt(mode="overwrite")
        return {"segment": None, "error": said["error"], "running": said["status"]["running"]}

    pyauditd.start(events="custom:package.*", mode="block", ring_bytes=1 << 20)
    while_traced = in_child(stopped), in_child(started)
    pyauditd.stop()
    return {"traced": while_traced, "stopped": [in_child(started)], "refused": in_child(refused)}


def at_once():
    """Two first starts, each of which lets the other one in."""
    def slow(event, args):
        if event in ("sys.addaudithook", "pyauditd.installed"):
            time.sleep(0.05)

    sys.addaudithook(slow)
    run(lambda: pyauditd.start(events="custom:package.once"), 2)
    before = pyauditd.status()["recorded"]
    sys.audit("package.once")
    return pyauditd.status()["recorded"] - before


def fork_of_stopped():
    pyauditd.start()
    pyauditd.stop()
    out, into = os.pipe()
    if os.fork() == 0:
        sys.audit("package.child")
        idle = pyauditd.status()
        pyauditd.start()
        sys.audit("package.child")
        started = pyauditd.status()
        os.write(into, json.dumps([idle, started]).encode())
        os.unlink("/dev/shm" + started["segment"])
        os._exit(0)
    os.wait()
    return json.loads(os.read(out, 65536).decode())


def thread():
    """Started in one, used in others, looked at from the main one."""
    oracle = Oracle()
    run(lambda: pyauditd.start(events="custom:package.custom"), 1)
    return oracle.watch(lambda: run(job, 8)), threading.active_count()


def run(body, n):
    threads = [threading.Thread(target=body) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def mode(name, n="20000"):
    """More than a ring of 256 KiB holds, with nobody to read it."""
    pyauditd.start(events="custom:package.full", ring_bytes=1 << 18, mode=name)
    for i in range(int(n)):
        sys.audit("package.full", i)
    return pyauditd.status()


def unusable():
    """start() where it cannot work, and again where it can."""
    return attempt(), os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else []


class Refuse:
    def __init__(self, error):
        self.error = error
        sys.addaudithook(self.hook)

    def hook(self, event, args):
        if event == "sys.addaudithook" and self.error:
            raise self.error


def refused(name):
    errors = {"RuntimeError": RuntimeError("we have one"), "ValueError": ValueError("no"),
              "SystemExit": SystemExit(9), "KeyboardInterrupt": KeyboardInterrupt()}
    refuse = Refuse(errors[name])
    before = set(os.listdir("/dev/shm"))
    first = attempt()
    left = [n for n in set(os.listdir("/dev/shm")) - before if ".%d." % os.getpid() in n]
    refuse.error = None
    sys.audit("package.unseen")
    second = attempt(events="all", mode="block")
    sys.audit("package.seen")
    return {"first": first, "left": left, "second": second, "then": pyauditd.status()}


def switched_off():
    os.environ["PYAUDITD"] = "0"
    return [attempt(), attempt(mode="sideways")]


def signatures():
    import inspect
    return {"all": pyauditd.__all__, "documented": [
        name for name in pyauditd.__all__ if (getattr(pyauditd, name).__doc__ or "").strip()],
        "parameters": {name: [[p.name, p.kind.name, None if p.default is p.empty else p.default]
                              for p in inspect.signature(getattr(pyauditd, name)).parameters.values()]
                       for name in pyauditd.__all__},
        "status": pyauditd.status()}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
