# SPDX-License-Identifier: MIT
"""A few events of several categories, each a known number of times, in the current folder."""
import contextlib
import os
import socket
import sys
import urllib.request


class Nowhere(urllib.request.HTTPHandler):
    def http_open(self, request):
        raise OSError("not for real")


if __name__ == "__main__":
    for name in ("one.txt", "two.txt", "three.log"):
        open(name, "w").close()
    os.rename("three.log", "moved.log")
    os.listdir(".")
    os.mkdir("folder")
    for _ in range(1000):
        id(sys)
    os.environ["PASSWORD"] = "hunter2"
    compile("x = 'in the source'", "small source", "exec")
    import colorsys  # noqa: F401
    for port in (1, 2):
        with contextlib.suppress(OSError), socket.socket() as s:
            s.connect(("127.0.0.1", port))
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as s:
        s.connect(("::1", 1))
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
        s.connect("one.txt")
    with contextlib.suppress(OSError):
        urllib.request.build_opener(Nowhere).open(urllib.request.Request(
            "http://user:secret@host.example/?token=abc&x=1",
            headers={"Authorization": "Bearer abc"}))
    sys.audit("small.custom", "a", 1)
    os.system("true --password=hunter2 --token abc --name=kept")
