# SPDX-License-Identifier: MIT
"""Programs that are started, followed, stopped and killed by a test, and where they run.

A World is a mount and a pid namespace with a /dev/shm and a /proc of its own. `--all` finds
nobody else in there, /dev/shm may be as small as a test likes, and when the world ends the
kernel ends every process and every segment in it. It needs root; Here is the world as it is.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

import harness

SITE = os.path.join(harness.ROOT, "build", "python", "site")
PATIENCE = 20  # seconds, for what should come at once
LEFT = " events that it left were read, "
LOSSES = "(LOSSES in the manual says what helps)"


def wait_until(condition, what, seconds=PATIENCE):
    """What condition() says when it is true."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, "waited in vain until " + what
        time.sleep(0.004)


def children(pid):
    with contextlib.suppress(FileNotFoundError), \
            open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(word) for word in f.read().split()]
    return []


def process_state(pid):
    """The letter of /proc/PID/stat; "" when it is gone."""
    with contextlib.suppress(OSError), open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0]
    return ""


class Here:
    """No namespace."""
    shm = "/dev/shm"
    proc = "/proc"

    def command(self, command, cwd):
        return ["env", "--chdir=" + str(cwd), *command]

    def pid_of(self, popen):
        return popen.pid

    def segments(self, pid=None):
        """Names of the segments, of one process or of all."""
        return sorted(name for name in os.listdir(self.shm) if name.startswith("pyauditd.")
                      and pid in (None, int(name.split(".")[2])))


class World(Here):
    SETUP = """mount -t tmpfs -o mode=1777,size=%s shm /dev/shm && %s
        trap '' CHLD && echo && exec cat"""

    def __init__(self, size="64m", and_then="true"):
        """size of /dev/shm; and_then: more that makes up the world, a shell command."""
        self.unshare = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "sh", "-ec", self.SETUP % (size, and_then)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.unshare.stdout.readline() != b"\n":
            raise OSError(self.unshare.communicate()[1].decode())
        [self.init] = children(self.unshare.pid)
        root = "/proc/%d/root" % self.init
        self.shm, self.proc = root + "/dev/shm", root + "/proc"

    def command(self, command, cwd):
        # nsenter forks: a pid namespace is that of children only.
        return ["nsenter", "--target", str(self.init), "--mount", "--pid",
                "env", "--chdir=" + str(cwd), *command]

    def pid_of(self, popen):
        found = wait_until(lambda: children(popen.pid) or popen.poll() is not None,
                           "nsenter has its child")
        assert found is not True, "it ended at once"
        return found[0]

    def end(self):
        self.unshare.stdin.close()
        self.unshare.kill()
        self.unshare.wait()
        self.unshare.stdout.close()
        self.unshare.stderr.close()


class Program:
    """A process in a world. `pid` is out here, `inner` in there."""

    def __init__(self, world, command, tmp, env=None, **popen):
        self.world, self.tmp = world, str(tmp)
        self.popen = subprocess.Popen(
            world.command([str(word) for word in command], tmp),
            env=env if env is not None else harness.environment(tmp), **popen)
        self._pid = None

    @property
    def pid(self):
        if self._pid is None:
            self._pid = self.world.pid_of(self.popen)
        return self._pid

    @property
    def inner(self):
        with open("/proc/%d/status" % self.pid) as f:
            [line] = [line for line in f if line.startswith("NSpid:")]
        return int(line.split()[-1])

    def signal(self, number):
        os.kill(self.pid, number)
        if number == signal.SIGCONT:
            self.popen.send_signal(number)  # nsenter stops with what it started

    def freeze(self):
        self.signal(signal.SIGSTOP)
        wait_until(lambda: process_state(self.pid) == "T", "it stands still")

    def wait(self, seconds=PATIENCE):
        """Exit status; as the shell has it when a signal ended it."""
        status = self.popen.wait(seconds)
        return 128 - status if status < 0 else status

    def cleanup(self):
        with contextlib.suppress(Exception):
            os.kill(self.pid, signal.SIGKILL)
        self.popen.kill()
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()


class Driven(Program):
    """tests/targets/driven.py, traced unless told otherwise."""

    def __init__(self, world, python, tmp, before=(), options=(), arguments=(), traced=True,
                 **env):
        paths = {"PYAUDITD": "1", "PYTHONPATH": SITE} if traced else {}
        super().__init__(world, [*before, python.path, *options, harness.target("driven.py"),
                                 *arguments], tmp, env=harness.environment(tmp, **{**paths, **env}),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said_pid = int(self.answer())

    @property
    def inner(self):
        return self.said_pid

    def answer(self):
        line = self.popen.stdout.readline()
        assert line, "it ended: %d" % self.wait()
        return line.decode().rstrip("\n")

    def tell(self, *words):
        self.popen.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.popen.stdin.flush()

    def do(self, *words):
        self.tell(*words)
        return self.answer()

    @property
    def segment(self):
        [name] = self.world.segments(self.said_pid)
        return name

    def end(self):
        self.popen.stdin.close()
        return self.wait()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        status = self.wait()
        assert status == 128 + signal.SIGKILL
        return status


class Collector(Program):
    """auditd-collect; lines go to a file unless `out` is None."""
    n_files = 0

    def __init__(self, world, arguments, tmp, out="", env=None, before=(), **popen):
        Collector.n_files += 1
        if out == "":
            out = os.path.join(str(tmp), "stream.%d" % Collector.n_files)
            arguments = ["-o", out, "--format", "json", *arguments]
        self.out = out
        self.stderr_path = os.path.join(str(tmp), "stderr.%d" % Collector.n_files)
        with open(self.stderr_path, "wb") as stderr:
            super().__init__(world, [*before, harness.COLLECTOR, *arguments], tmp,
                             env=env or harness.environment(
                                 tmp, PYAUDITD_HOME=os.path.dirname(SITE)),
                             stderr=stderr, **popen)

    @property
    def stderr(self):
        with open(self.stderr_path, "rb") as f:
            return f.read().decode()

    @property
    def said(self):
        """Its lines on stderr, but for that of losses."""
        return [line for line in self.stderr.splitlines() if not line.endswith(LOSSES)]

    def raw(self):
        with contextlib.suppress(FileNotFoundError), open(self.out, "rb") as f:
            return f.read()
        return b""

    def so_far(self):
        """What it wrote, as a Run; of whole lines."""
        raw = self.raw()
        return harness.Run(None, b"", b"", raw[:raw.rfind(b"\n") + 1])

    def wait_for(self, text, n=1, seconds=PATIENCE):
        """Until a text stands in its lines n times."""
        text = text if isinstance(text, bytes) else text.encode()
        wait_until(lambda: self.raw().count(text) >= n or self.popen.poll() is not None,
                   "%r is there %d times" % (text, n), seconds)
        assert self.raw().count(text) >= n, self.stderr

    def wait_attached(self, n=1):
        self.wait_for('"action":"start"', n)
        return self

    def finish(self, status=0, seconds=PATIENCE, quiet=True):
        """It ends by itself: its Run."""
        assert self.wait(seconds) == status, self.stderr
        run = harness.Run(status, b"", self.stderr.encode(), self.raw())
        # Of losses there is a line when there are any, and of each program that had ended before.
        said = [line for line in self.stderr.splitlines()
                if not (line.endswith(LOSSES) and run.of_type("lost")) and LEFT not in line]
        assert not quiet or not said, said
        return run

    def stop(self, number=signal.SIGTERM, status=0, quiet=True):
        self.signal(number)
        return self.finish(status, quiet=quiet)

    def kill(self):
        """As the kernel's OOM killer would."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()


def can_have_worlds():
    if os.geteuid() != 0 or not shutil.which("nsenter"):
        return False
    try:
        World().end()
        return True
    except OSError:
        return False


class Stage:
    """What a test starts is gone when it ends."""

    def __init__(self, tmp, python):
        self.tmp, self.python = tmp, python
        self.stack = contextlib.ExitStack()
        self.world = Here()
        self.programs = []

    def new_world(self, *arguments, **more):
        self.world = World(*arguments, **more)
        self.stack.callback(self.world.end)
        return self.world

    def add(self, program):
        self.stack.callback(program.cleanup)
        self.programs.append(program)
        return program

    def target(self, *, world=None, python=None, tmp=None, **more):
        return self.add(Driven(world or self.world, python or self.python, tmp or self.tmp, **more))

    def collector(self, *arguments, world=None, **more):
        return self.add(Collector(world or self.world, arguments, self.tmp, **more))

    def attached(self, *arguments, n=1, **more):
        """One that has said who it reads."""
        return self.collector(*arguments, **more).wait_attached(n)

    def program(self, *command, **more):
        return self.add(Program(self.world, command, self.tmp, **more))

    def run(self, *command, status=0, **popen):
        """stdout of a program in the world, to its end."""
        done = subprocess.run(self.world.command([str(word) for word in command], self.tmp),
                              env=harness.environment(self.tmp), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, **popen)
        assert done.returncode == status, done.stderr.decode()
        return done.stdout


def numbers(run, key=None):
    """Of the steps, in the order of the stream."""
    return [line["args"]["_0"] for line in
            (run.events("driven.step", key=key) if key else run.events("driven.step"))]


def check(run, lossy=False, filtered=True, lost_before=0):
    """What holds of the stream of a collector that came in the middle; lost_before is what
    others have told before it."""
    first = {}
    for line in run.lines:
        if "lane" in line:
            first.setdefault((line["key"], line["lane"]), line.get("seq", line.get("seq_from")))
    moved = []
    for line in run.lines:  # numbers from 0 on, as harness.check_sequences() wants them
        if "lane" in line:
            lane = line["key"], line["lane"]
            line = {**line, **{name: line[name] - first[lane]
                               for name in ("seq", "seq_from", "seq_to") if name in line}}
        moved.append(line)
    shifted = harness.Run(run.status, b"", b"", b"")
    shifted.hold(moved)
    harness.check_sequences(shifted)
    if lost_before:
        shifted.hold([{**line, "lost_hook": line["lost_hook"] - lost_before,
                       "attempted": line["attempted"] - lost_before}
                      if "lost_hook" in line else line for line in run.lines])
        harness.check_account(shifted, filtered)
    else:
        harness.check_account(run, filtered)
    if not lossy:
        assert not run.of_type("lost"), run.of_type("lost")
    return run


@pytest.fixture
def stage(tmp_path):
    """The newest interpreter, in a world of its own where that can be had."""
    stage = Stage(tmp_path, harness.interpreters()[-1])
    with stage.stack:
        if HAVE_WORLDS:
            stage.new_world()
        else:
            before = set(Here().segments())
            stage.stack.callback(remove_own, before, stage)
        yield stage


def remove_own(before, stage):
    """Without a world: what those that we started have left."""
    pids = {program.said_pid for program in stage.programs if isinstance(program, Driven)}
    for name in set(Here().segments()) - before:
        if int(name.split(".")[2]) in pids:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(Here.shm, name))


HAVE_WORLDS = can_have_worlds()
needs_world = pytest.mark.skipif(not HAVE_WORLDS, reason="needs root, for namespaces")
