# SPDX-License-Identifier: MIT
"""Calls in three places: here, in calls_helper.py, and in the standard library."""
import calls_window  # first: what is imported from here on is not traced

import sys
import string
import textwrap

import calls_helper


def run_it():
    kept = calls_helper.Kept()
    kept.other(), kept.method()
    run_deep(6)
    textwrap.dedent("  a\n  b")
    string.Template("$a").substitute({"a": 1})
    for n in numbers():
        helps(n)
    try:
        fails()
    except LookupError:
        pass


def run_deep(n):
    return calls_helper.helps(1) if n == 0 else run_deep(n - 1) + len("a")


def numbers():
    yield abs(-1)
    yield calls_helper.inner(2)


def helps(n):
    return sorted([n, 1], key=calls_helper.inner)


def fails():
    try:
        {}.pop("nothing")
    finally:
        helps(3)


if __name__ == "__main__":
    run_it()
    calls_window.begin()
    sys.audit("calls.mark")
    run_it()
    calls_window.stop()
