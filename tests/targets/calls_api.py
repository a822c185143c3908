# SPDX-License-Identifier: MIT
"""pyauditd.start() with and without calls, well and badly asked for, in a program that nobody
follows. Says "as asked" at its end."""
import sys

import pyauditd

BACKENDS = {"profile": (3, 8), "monitoring": (3, 12), "eval": (3, 9)}
THERE = [name for name, since in BACKENDS.items() if sys.version_info >= since]
if "free-threading" in sys.version:
    THERE = ["monitoring"]


def status():
    found = pyauditd.status()
    return found["calls"], found["backend"]


def seen(body):
    """How many events body() makes."""
    before = pyauditd.status()["attempted"]
    body()
    return pyauditd.status()["attempted"] - before


def quiet():
    pass


def four_calls():
    quiet()
    quiet()
    quiet()


def refuses(expected, **settings):
    before = status()
    try:
        pyauditd.start(events="custom:none", **settings)
    except expected as error:
        assert "\n" not in str(error) and len(str(error)) > 10, error
        assert status() == before, (settings, status(), before)
        return
    raise AssertionError("%r was accepted" % settings)


def off_by_default():
    pyauditd.start(events="custom:none")
    assert status() == (None, None), status()
    assert seen(four_calls) == 0


def each_back_end():
    for name in THERE:
        for level in ("record", "stats", "count"):
            for _ in range(2):  # the second time changes nothing
                pyauditd.start(events="custom:none", calls=True, backend=name, calls_level=level,
                               c_calls=False)
                assert status() == (level, name), (status(), name, level)
            if level == "record":
                # seen() and status() are Python functions, too: only four_calls() is of interest.
                assert seen(four_calls) - seen(quiet) == 6, name
        pyauditd.stop()
        assert status() == (None, None), status()
        assert seen(four_calls) == 0
    pyauditd.start(events="custom:none", calls=True)
    assert status()[1] == ("monitoring" if "monitoring" in THERE else "profile"), status()


def globs():
    pyauditd.start(events="custom:none", calls="*.quiet,none", c_calls=False)
    assert seen(four_calls) == 6
    pyauditd.start(events="custom:none", calls="no_such_function")
    assert seen(four_calls) == 0
    pyauditd.start(events="custom:none", calls=True, c_calls=False, calls_file="-" + __file__)
    assert seen(four_calls) == seen(quiet)
    pyauditd.start(events="custom:none", calls=False)
    assert status() == (None, None) and seen(four_calls) == 0


def bad_input():
    for calls in (False, True):
        pyauditd.start(events="custom:none", calls=calls)
        for name in set(BACKENDS) - set(THERE):
            refuses((ValueError, OSError), calls=True, backend=name)
        refuses(ValueError, calls=True, backend="sideways")
        refuses(ValueError, calls=True, calls_level="sideways")
        refuses(ValueError, calls=True, max_depth=-1)
        refuses(ValueError, calls="a,,b")
        refuses(ValueError, calls="x" * 600)
        refuses(ValueError, calls=True, calls_file="a,,b")
        refuses(ValueError, calls="nul\0")
        refuses(TypeError, calls=3.5)
        refuses(TypeError, calls=True, backend=3)
        refuses(TypeError, calls=True, max_depth="3")
    pyauditd.stop()


if __name__ == "__main__":
    off_by_default()
    each_back_end()
    globs()
    bad_input()
    print("as asked")
