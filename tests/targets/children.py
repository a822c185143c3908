# SPDX-License-Identifier: MIT
"""Processes that make processes: children.py WAY. Each raises "child" with its own name."""
import multiprocessing
import os
import subprocess
import sys
import threading
import time


def say(name):
    sys.audit("child", name, os.getpid())


def in_child(body):
    """fork, run body in the child, wait for it."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def fork():
    say("parent")
    in_child(lambda: say("child"))
    say("parent again")


def deep_fork():
    say("one")
    in_child(lambda: (say("two"), in_child(lambda: (say("three"), in_child(lambda: say("four"))))))


def silent_fork():
    """A child that raises nothing makes no segment."""
    in_child(lambda: None)
    say("parent")


def fork_in_threads():
    """Fork while other threads are in the middle of events."""
    stop = threading.Event()

    def noise():
        while not stop.is_set():
            for _ in range(50):
                sys.audit("noise", "some argument", 12345)
            time.sleep(0.001)

    threads = [threading.Thread(target=noise) for _ in range(3)]
    for t in threads:
        t.start()
    sys.setswitchinterval(1e-5)
    for i in range(20):
        in_child(lambda: [say("child %d" % i) for _ in range(10)])
    stop.set()
    for t in threads:
        t.join()


def work(name):
    say(name)
    return os.getpid()


def pool(method):
    say("parent")
    context = multiprocessing.get_context(method)
    process = context.Process(target=work, args=("process",))
    process.start()
    process.join()
    assert process.exitcode == 0
    with context.Pool(2) as workers:
        workers.map(work, ["pool"] * 4, chunksize=1)
        workers.close()
        workers.join()


def chain(depth="3"):
    say("depth " + depth)
    if depth != "0":
        subprocess.run([sys.executable, __file__, "chain", str(int(depth) - 1)], check=True)


def hidden():
    """Children without the hook, and one that is no Python."""
    say("parent")
    code = "import sys, time; sys.audit('never seen'); time.sleep(1.6)"
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    subprocess.run([sys.executable, "-c", code], env={"PATH": os.environ["PATH"]}, check=True)
    subprocess.run(["sleep", "0.7"], check=True)


def through_shell():
    """The hook comes back where a program of another kind stands between."""
    say("parent")
    subprocess.run("exec env -u NOTHING %s %s chain 0" % (sys.executable, __file__), shell=True,
                   check=True)


def system():
    say("parent")
    assert os.system("%s %s chain 0" % (sys.executable, __file__)) == 0
    pid = os.posix_spawn(sys.executable, [sys.executable, __file__, "chain", "0"], os.environ)
    os.waitpid(pid, 0)


def orphan():
    """A grandchild that lives on when everybody above has gone."""
    say("parent")
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.5)
        say("orphan")
        os._exit(0)


WAYS = {"fork": fork, "deep_fork": deep_fork, "silent_fork": silent_fork,
        "fork_in_threads": fork_in_threads, "chain": chain, "hidden": hidden,
        "through_shell": through_shell, "system": system, "orphan": orphan,
        "mp_fork": lambda: pool("fork"), "mp_spawn": lambda: pool("spawn"),
        "mp_forkserver": lambda: pool("forkserver")}

if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])
