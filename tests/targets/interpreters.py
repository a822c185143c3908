# SPDX-License-Identifier: MIT
"""Sub-interpreters, with the main GIL and with one of their own: interpreters.py own|shared [BACKEND].

Prints how many of each kind ran; "none" where this Python cannot make such a one. With a BACKEND,
calls are traced from when they are there.
"""
import sys
import threading

EVENTS = 300
CODE = """
import sys
for i in range(%d):
    sys.audit("sub.event", %%d, i)
open("/dev/null").close()
""" % EVENTS

try:
    import _interpreters as module  # 3.13
except ImportError:
    import _xxsubinterpreters as module


def create(own):
    if sys.version_info >= (3, 13):
        return module.create("isolated" if own else "legacy")
    if sys.version_info >= (3, 12):
        return module.create(isolated=own)
    return module.create()


def run(interpreter, i):
    failure = module.run_string(interpreter, CODE % i)
    assert failure is None, failure


def start_calls(backend):
    import pyauditd
    pyauditd.start(calls=True, backend=backend)


def main(own, backend=None):
    if own and sys.version_info < (3, 12):
        print("none")
        return
    made = [create(own) for _ in range(3)]
    if backend:
        start_calls(backend)
    run(made[0], 0)
    threads = [threading.Thread(target=run, args=(x, i)) for i, x in enumerate(made[1:], 1)]
    for t in threads:
        t.start()
    for i in range(EVENTS):
        sys.audit("main.event", i)
    for t in threads:
        t.join()
    for x in made:
        module.destroy(x)
    sys.audit("main.last")
    print(len(made))


if __name__ == "__main__":
    main(sys.argv[1] == "own", *sys.argv[2:])
