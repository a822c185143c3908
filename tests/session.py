# SPDX-License-Identifier: MIT
"""Process 1 of a machine of its own, in which tests/test_readme.py runs what a document shows.

    session.py INSTALLED SRV SCRIPT OUTPUT [--terminal] [--serve N] [--seconds S]

There INSTALLED is /usr/local and SRV is /srv; /dev/shm, /opt and /var/log are empty; the network
is a loopback interface alone, on which every port is free; no other process is to be seen. The
SCRIPT's output goes to OUTPUT, by a terminal if asked for. --serve: while it runs, 127.0.0.1:8000
is asked again and again; after N answers, or after S seconds, all that runs gets a SIGTERM.
The last line of our own output is a JSON object: the exit status, and the answers.
"""
import argparse
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

WORDS = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
         "--mount-proc", "--map-root-user"]


def set_up(installed, srv):
    def mount(*words):
        subprocess.run(["mount", *words], check=True)
    mount("--bind", installed, "/usr/local")
    mount("--bind", srv, "/srv")
    for folder in ("/dev/shm", "/opt", "/var/log"):
        mount("-t", "tmpfs", "none", folder)
    socket.sethostname("web1")
    with socket.socket() as any_socket:
        up = struct.pack("16sh", b"lo", 1)
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS, IFF_UP


def copy(terminal, file):
    """All that is written to the terminal, until nobody has it open."""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            return
        if not data:
            return
        file.write(data.replace(b"\r\n", b"\n"))
        file.flush()


def others():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def everybody(number):
    """Twice the same signal is no harm; who is gone is gone."""
    for pid in others():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def reap(main, seconds):
    """Until nobody is left, or the time is over; the exit status of `main`."""
    status, end = None, time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status, True
        if pid == main:
            status = os.WEXITSTATUS(raw) if os.WIFEXITED(raw) else 128 + os.WTERMSIG(raw)
        if pid == 0:
            time.sleep(0.02)
    return status, False


def ask(answers, wanted):
    try:
        with urllib.request.urlopen("http://127.0.0.1:8000/", timeout=2) as answer:
            answers.append(answer.read().decode())
    except OSError:
        pass
    time.sleep(0.1)
    return len(answers) >= wanted


def main():
    parser = argparse.ArgumentParser()
    for name in ("installed", "srv", "script", "output"):
        parser.add_argument(name)
    parser.add_argument("--terminal", action="store_true")
    parser.add_argument("--serve", type=int)
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
    set_up(options.installed, options.srv)
    with open(options.output, "wb") as file:
        out, ours = file, None
        if options.terminal:
            ours, out = pty.openpty()
        child = subprocess.Popen(["bash", options.script], cwd="/srv", stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, start_new_session=True)
        if options.terminal:
            os.close(out)
            reader = threading.Thread(target=copy, args=(ours, file), daemon=True)
            reader.start()
        answers, end, status = [], time.monotonic() + options.seconds, None
        while status is None and time.monotonic() < end:
            if options.serve is not None and ask(answers, options.serve):
                break
            pid, raw = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                status = os.WEXITSTATUS(raw) if os.WIFEXITED(raw) else 128 + os.WTERMSIG(raw)
            elif options.serve is None:
                time.sleep(0.02)
        timed_out = status is None and time.monotonic() >= end
        everybody(signal.SIGTERM)
        later, gone = reap(child.pid, 15)
        child.returncode = 0  # it was reaped here
        if options.terminal:
            reader.join(5)
    print(json.dumps({"status": later if status is None else status, "answers": answers,
                      "timed_out": timed_out, "gone": gone}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
