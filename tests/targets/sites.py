# SPDX-License-Identifier: MIT
"""Events whose place in this file is known: the comment on the line names it.

A comment "at: NAME" marks the innermost line of the event NAME; "caller: NAME" the first line
outside the standard library, where the innermost one is inside of it.
"""
import contextlib
import os
import shutil
import socket
import sys
import tempfile
import urllib.request


def plain():
    sys.audit("site.plain")  # at: site.plain


class Outer:
    def method(self):
        sys.audit("site.method")  # at: site.method

    class Inner:
        @staticmethod
        def static():
            sys.audit("site.static")  # at: site.static


def with_closure():
    def closure():
        sys.audit("site.closure")  # at: site.closure
    closure()


def comprehension():
    return [sys.audit("site.comprehension") for _ in range(1)]  # at: site.comprehension


def generator():
    yield sys.audit("site.generator")  # at: site.generator


def many_lines():
    sys.audit(
        "site.many_lines",
        [
            "the call begins two lines above",
        ],
    )


def far_down():
    x = 0
    # Lines far from the start of their function.
    x += 0
    x += 1
    x += 2
    x += 3
    x += 4
    x += 5
    x += 6
    x += 7
    x += 8
    x += 9
    x += 10
    x += 11
    x += 12
    x += 13
    x += 14
    x += 15
    x += 16
    x += 17
    x += 18
    x += 19
    x += 20
    x += 21
    x += 22
    x += 23
    x += 24
    x += 25
    x += 26
    x += 27
    x += 28
    x += 29
    x += 30
    x += 31
    x += 32
    x += 33
    x += 34
    x += 35
    x += 36
    x += 37
    x += 38
    x += 39
    sys.audit("site.far_down", x)  # at: site.far_down


def loops():
    for i in range(3):
        sys.audit("site.loop", i)  # at: site.loop
    for i in range(2):
        sys.audit("site.loop2", i), sys.audit("site.loop2", i)  # at: site.loop2


def deep(n):
    if n:
        return deep(n - 1)  # deep
    sys.audit("site.deep", n)  # at: site.deep


def generated():
    code = compile("import sys\nx = 1\nsys.audit('site.generated')", "<made up>", "exec")
    exec(code)


def by_library(folder):
    source = os.path.join(folder, "source")
    open(source, "w").close()  # at: mine.open
    shutil.copyfile(source, source + "2")  # caller: shutil.copyfile
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://127.0.0.1:1/")  # caller: urllib.Request
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 1))  # caller: socket.connect
    os.makedirs(os.path.join(folder, "a", "b"))  # caller: os.mkdir


def main():
    plain()
    Outer().method()
    Outer.Inner.static()
    with_closure()
    comprehension()
    list(generator())
    many_lines()
    far_down()
    loops()
    deep(70)
    generated()
    (lambda: sys.audit("site.lambda"))()  # at: site.lambda
    with tempfile.TemporaryDirectory() as folder:
        by_library(folder)
    sys.audit("site.again")  # at: site.again
    sys.audit("site.again")  # the same event, another line


sys.audit("site.module")  # at: site.module
if __name__ == "__main__":
    main()
