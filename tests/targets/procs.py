# SPDX-License-Identifier: MIT
"""Processes, their arguments and environment, signals and limits."""
import contextlib
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading

import oracle

may_fail = contextlib.suppress(OSError)


def by_subprocess():
    subprocess.run(["/bin/true"])
    subprocess.run("true; true", shell=True)
    subprocess.run([b"/bin/true", "text", b"\xff bytes", pathlib.Path("/a path")])
    subprocess.run(["true", "--password=hunter2", "--token", "abc", "https://u:p@host/?token=x"],
                   cwd="/", env={"PATH": "/bin:/usr/bin", "SECRET": "s3cret"})
    subprocess.run(pathlib.Path("/bin/true"))
    subprocess.check_output(["cat"], input=b"x", close_fds=False)
    subprocess.run(["sh", "-c", "exit 3"], executable="/bin/sh", start_new_session=True)
    subprocess.run(["/bin/true"] + ["word %d" % i for i in range(2000)])
    subprocess.run(["/bin/true", "x" * 65536])
    subprocess.run(["/bin/true", "caf\u00e9", "\udcff", "100%", "%zz\udc80", "a\nb", ""])
    with may_fail:
        subprocess.run(["/nowhere/program"])
    subprocess.Popen(["sleep", "60"]).kill()


def by_os():
    environ = {"A": "1", "B": "two"}
    os.system("true")
    os.popen("echo x").close()
    os.waitpid(os.posix_spawn("/bin/true", ["true", "x"], environ), 0)
    os.waitpid(os.posix_spawnp("true", ["true"], os.environ), 0)
    os.spawnv(os.P_WAIT, "/bin/true", ["true", "v"])
    os.spawnlpe(os.P_WAIT, "true", "true", "lpe", environ)
    with may_fail:
        os.execve("/nowhere/program", ["program", "--x"], environ)
    with may_fail:
        os.execv(b"/nowhere/program", [b"program"])
    with contextlib.suppress(ValueError):
        os.posix_spawn("/bin/true", [], environ)


def forks():
    pid = os.fork()
    if pid == 0:
        os._exit(5)
    os.waitpid(pid, 0)
    pid, fd = os.forkpty()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(fd)


def signals():
    os.kill(os.getpid(), 0)
    os.killpg(os.getpgrp(), 0)
    signal.pthread_kill(threading.get_ident(), 0)
    caught = []
    old = signal.signal(signal.SIGUSR1, lambda *_: caught.append(os.listdir("/")))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, old)
    assert len(caught) == 2


def limits():
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
        resource.setrlimit(what, resource.getrlimit(what))
    resource.prlimit(0, resource.RLIMIT_CORE)
    resource.prlimit(os.getpid(), resource.RLIMIT_CORE, (0, 0))


def environment():
    os.environ["PLAIN"] = "value"
    os.environ["caf\u00e9\udcff"] = "\udcfe%"
    os.environb[b"BYTES"] = b"\xff"
    os.putenv("P", "q")
    for name in ("PLAIN", "caf\u00e9\udcff"):
        del os.environ[name]
    os.unsetenv("P")


def main():
    by_subprocess()
    by_os()
    forks()
    signals()
    limits()
    environment()


if __name__ == "__main__":
    oracle.run(main)
    sys.exit(7)
