# SPDX-License-Identifier: MIT
"""A root collector over hostile programs and what they leave about. Each time: a line that says so,
that lane or process is given up, the others are served at once, and the collector takes no more
memory. tests/test_bad_input.py has the objects that are wrong from the start.

PYAUDITD_TEST_LONG=1: for a minute each. PYAUDITD_TEST_BUILD: with sanitizers.
"""
import contextlib
import ctypes
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

import harness
from world import LOSSES, SITE, needs_world, numbers, process_state, stage, wait_until  # noqa: F401

pytestmark = needs_world
SECONDS = 60 if os.environ.get("PYAUDITD_TEST_LONG") else 0.5
SANITIZED = "san" in harness.BUILD
MEMORY_MB = 64 * (8 if SANITIZED else 1)  # what the collector may take at the most
LATE_S = 2                                # for a line of the honest program


@pytest.fixture(scope="module")
def scribble():
    subprocess.run(["make", "-s", "-C", harness.ROOT, "build/tests/faults/scribble"], check=True)
    return os.path.join(harness.ROOT, "build", "tests", "faults", "scribble")


def memory_mb(pid):
    """The most that it ever had, pages of shared memory among it."""
    with open("/proc/%d/status" % pid) as f:
        [line] = [line for line in f if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


class Watch:
    """An honest program and the collector that serves it, whatever else there is."""

    def __init__(self, stage, *options):
        self.stage, self.honest, self.n, self.late = stage, stage.target(), 0, []
        self.collector = stage.collector("--all", "--stats-interval", "0.2", *options)
        self.collector.wait_for('"pid":%d,' % self.honest.inner)

    def serve(self, seconds=SECONDS):
        """The honest program's lines come at once, all this time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.monotonic()
            self.honest.do("step", 10)
            self.honest.do("audit", "driven.mark", self.n)
            self.n += 1
            self.collector.wait_for(b'"driven.mark"', self.n)
            self.late.append(time.monotonic() - start)
            time.sleep(0.02)

    def end(self, times=1):
        """It leaves at once, and all of the honest program is there. The stream. It may have so
        many times the usual memory."""
        assert max(self.late) < LATE_S, max(self.late)
        most = memory_mb(self.collector.pid)
        assert most < times * MEMORY_MB, "%d MiB" % most
        start = time.monotonic()
        self.collector.signal(signal.SIGTERM)
        assert self.collector.wait() == 0, self.said
        assert time.monotonic() - start < 3, "it leaves at once"
        stream = self.collector.finish(quiet=False)
        [key] = [key for key in stream.keys if stream.start(key)["pid"] == self.honest.inner]
        assert numbers(stream, key) == list(range(10 * self.n))
        assert not stream.of_type("lost", key=key)
        for line in self.said:
            assert line.startswith("auditd-collect: ") and line.isprintable(), line
        return stream

    @property
    def said(self):
        """Without the sum of the losses: what a hostile program claims is any number."""
        return [line for line in self.collector.stderr.splitlines() if not line.endswith(LOSSES)]


def hostile(stage, what):
    """tests/targets/hostile.py: its Program, once it is traced."""
    program = stage.program(
        stage.python.path, harness.target("hostile.py"), what, 1, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE))
    program.said_pid = int(program.popen.stdout.readline())
    return program


def go(program):
    program.popen.stdin.write(b"\n")
    program.popen.stdin.flush()


# Written while it is read


# The other regions know no mode, and make numbers wrong, no more.
IS_SAID = {"lanes", "slots", "calls", "defs", "all"}


@pytest.mark.parametrize("mode, what", [
    (mode, what) for mode in ("drop", "overwrite", "block")
    for what in ("header", "control", "levels", "lanes", "counters", "stats", "defs", "slots",
                 "calls", "all") if mode == "drop" or what in IS_SAID])
def test_rewritten_at_full_speed(stage, scribble, mode, what):
    """By a neighbour of the same user, in C, while calls and events are recorded and read."""
    target = stage.target(PYAUDITD_MODE=mode, PYAUDITD_CALLS="1", PYAUDITD_RING="256K")
    segment = os.path.join("/dev/shm", target.segment)
    watch = Watch(stage)
    target.tell("flood", 2000)
    writer = stage.program(scribble, segment, what, 1, stdout=subprocess.PIPE)
    assert writer.popen.stdout.readline() == b"ready\n"
    watch.serve()
    if what in IS_SAID:  # sooner or later
        wait_until(lambda: watch.said, "it is said")
    stream = watch.end()
    of_target = [line for line in watch.said if "pid %d: " % target.inner in line]
    if what in IS_SAID:
        assert of_target and stream.of_type("notice", what="damaged"), watch.said
    most = 2 + (16 if what == "control" else 0)  # so many notices of a hook that is told nonsense
    assert len(of_target) <= most and len(watch.said) <= len(of_target) + 2, watch.said
    assert process_state(watch.honest.pid) not in ("", "Z")
    assert target.popen.poll() is None, "what stands in the segment is no address to the hook"


@pytest.mark.parametrize("field", ["level", "backend"])
@pytest.mark.parametrize("value", [4, 60391, 0xffffffff])
def test_settings_of_no_collector_are_not_followed(stage, python, field, value):
    """The hook has tables for levels and back ends."""
    target = stage.target(python=python, PYAUDITD_CALLS="1")
    target.do("step", 3)
    with open(os.path.join(stage.world.shm, target.segment), "r+b") as f:
        # common/segment.h: struct segment_control at 4096, `calls` in it at 1696.
        f.seek(4096 + 1696)
        f.write(struct.pack("<II", value if field == "level" else 3, value if field == "backend" else 0))
        f.seek(4096)
        f.write(struct.pack("<Q", 2))
    for _ in range(3):
        target.do("step", 100)
    assert target.end() == 0


# Sizes


def test_promised_gigabytes_are_never_made(stage):
    """1024 lanes with rings of 17 GiB that are said to be full, and are holes. To look at a hole
    of /dev/shm makes a page of it, on the collector's account."""
    watch = Watch(stage, "--backlog")
    before = os.statvfs(stage.world.shm).f_bfree
    program = hostile(stage, "promise")
    go(program)
    watch.serve()
    watch.end()
    assert len(watch.said) == 2 and all("no record" in line for line in watch.said), watch.said
    made = (before - os.statvfs(stage.world.shm).f_bfree) * 4096
    assert made < 32 << 20, "%d MiB" % (made >> 20)


def test_object_that_grows_is_read_on(stage):
    watch = Watch(stage)
    program = hostile(stage, "grow")
    watch.collector.wait_for('"pid":%d,' % program.said_pid)
    go(program)
    watch.serve()
    stream = watch.end()
    [key] = [key for key in stream.keys if stream.start(key)["pid"] == program.said_pid]
    assert len(stream.events("hostile.event", key=key)) > 10 and not watch.said


def test_full_table_of_definitions(stage):
    """130,000 of them, 16 MiB: they are there three times at the most, in the object, on their way,
    and taken in."""
    watch = Watch(stage)
    program = hostile(stage, "fill")
    watch.collector.wait_for('"pid":%d,' % program.said_pid)
    go(program)
    watch.serve()
    watch.end(times=2)
    assert not watch.said


def test_program_that_fills_its_table_itself(stage):
    """With more names than there are ids, each once: the events go on, named in place."""
    watch = Watch(stage, "-e", "custom:driven.*")
    target = stage.target()
    watch.collector.wait_for('"pid":%d,' % target.inner)
    target.tell("names", 300000)
    watch.serve(2 * SECONDS)
    watch.end()


# Names


@pytest.mark.parametrize("what", ["object", "fifo", "link", "directory"])
def test_replaced_under_its_name_while_it_is_read(stage, what):
    """The object that was opened is read on; what stands there now is another matter."""
    target, watch = stage.target(), Watch(stage)
    watch.collector.wait_for('"pid":%d,' % target.inner)
    path = os.path.join(stage.world.shm, target.segment)
    secret = os.path.join(stage.world.shm, "secret")
    with open(secret, "w") as f:
        f.write("of somebody else\n")
    os.unlink(path)
    if what == "object":
        shutil.copy(secret, path)
        os.truncate(path, 1 << 20)
        os.chmod(path, 0o600)
    elif what == "fifo":
        os.mkfifo(path, 0o600)
    elif what == "link":
        os.symlink("secret", path)
    else:
        os.mkdir(path, 0o700)
    target.do("step", 5)
    watch.serve()
    target.do("step", 5)
    time.sleep(0.1)
    stream = watch.end()
    [key] = [key for key in stream.keys if stream.start(key)["pid"] == target.inner]
    assert numbers(stream, key) == list(range(10))
    assert os.path.lexists(path), "not ours to remove"
    with open(secret) as f:
        assert f.read() == "of somebody else\n"


def test_very_many_names(stage):
    """Of objects that nobody has filled in, and that may still be."""
    for i in range(50000):
        os.close(os.open(os.path.join(stage.world.shm, "pyauditd.0.%d.0000beef" % (3000000 + i)),
                         os.O_CREAT | os.O_WRONLY, 0o600))
    watch = Watch(stage)
    watch.serve()
    late = stage.target()
    watch.collector.wait_for('"pid":%d,' % late.inner, seconds=5)
    watch.serve()
    watch.end()


FLOOD = """
import itertools, os
print("ready", flush=True)
for i in itertools.count():
    path = "/dev/shm/pyauditd.0.%d.0000beef" % (3000000 + i % 4096)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    os.unlink(path)
"""


def test_flood_of_names(stage):
    """Objects that come and go, tens of thousands a second: whoever starts meanwhile is found."""
    watch = Watch(stage)
    for _ in range(2):
        flood = stage.program(stage.python.path, "-c", FLOOD, stdout=subprocess.PIPE)
        assert flood.popen.stdout.readline() == b"ready\n"
    watch.serve()
    late = stage.target()
    watch.collector.wait_for('"pid":%d,' % late.inner)
    late.do("step", 3)
    stream = watch.end()
    [key] = [key for key in stream.keys if stream.start(key)["pid"] == late.inner]
    assert numbers(stream, key) == [0, 1, 2]


# Places of its own


IN_OPEN, IN_ACCESS, IN_CREATE = 0x20, 0x1, 0x100


class Opened:
    """What happens to files below a folder, as inotify has it."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(self.fd, os.fsencode(str(folder)),
                                      IN_OPEN | IN_ACCESS | IN_CREATE) >= 0

    def names(self):
        """Of files, not of the folder itself."""
        data, names = b"", set()
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.fd, 1 << 16)
        while data:
            n = struct.unpack_from("I", data, 12)[0]
            names.add(data[16:16 + n].rstrip(b"\0").decode())
            data = data[16 + n:]
        os.close(self.fd)
        return names - {""}


PLACES = {  # what stands in /dev/shm's place: shell, where $V is another user's folder
    "link to a folder": "ln -s $V /dev/shm",
    "link upwards": "ln -s ../../../../../../..$V /dev/shm",
    "link by proc": "ln -s /proc/self/root/$V /dev/shm",
    "link above": "umount /dev && mount -t tmpfs none /mnt && ln -s $V /mnt/shm && "
                  "mount --bind /mnt /dev",
    "fifo": "mkfifo /dev/shm",
    "file": "touch /dev/shm",
    "links in it": "mkdir /dev/shm && for f in $N; do ln -s $V/$f /dev/shm/$f; done",
    "fifos in it": "mkdir /dev/shm && for f in $N; do mkfifo -m 600 /dev/shm/$f; done",
}


def test_places_of_mount_namespaces_of_their_own(stage):
    """Programs whose dev/shm leads elsewhere: no file there is opened, and nobody waits."""
    victim = stage.tmp / "victim"
    victim.mkdir()
    names = ["pyauditd.0.1.0000beef", "pyauditd.0.4000000.0000beef", "shadow"]
    for name in names:
        (victim / name).write_text("a secret\n")
        os.chmod(victim / name, 0o600)
    opened, watch = Opened(victim), Watch(stage)
    others = [stage.program(
        "unshare", "--mount", "--propagation", "private", "sh", "-c",
        "set -e; V=%s N='%s'; mount -t tmpfs none /dev; %s; echo ready; exec sleep 100" % (
            victim, " ".join(names), place), stdout=subprocess.PIPE) for place in PLACES.values()]
    for other in others:
        assert other.popen.stdout.readline() == b"ready\n"
    watch.serve(max(SECONDS, 2.5))  # places are looked for once in a while
    watch.end()
    # Names of the place with the links and of that with the FIFOs, each said once or twice.
    assert watch.said and all("no regular file" in line for line in watch.said), watch.said
    # And when such a process is asked for itself.
    for other in others:
        done = subprocess.run(
            stage.world.command([harness.COLLECTOR, "--pid", str(other.inner)], stage.tmp),
            env=harness.environment(stage.tmp), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=20)
        assert done.returncode != 0 and done.stderr.count(b"\n") == 1, done.stderr
    assert opened.names() == set()


# What it says


EVIL = "\x1b]0;owned\x07\x1b[31m\u202e\u2028\x9b2J"
PROGRAM = """
import os, sys, time
evil = %r
sys.audit("hostile." + evil, evil, os.fsencode(evil) + b"\\xff\\xc0\\x80", {evil: evil}, "\\ud83d")
code = compile("import sys\\ndef f(): sys.audit('hostile.code')\\nf()\\n", "/tmp/" + evil, "exec")
exec(code.replace(co_name=evil) if hasattr(code, "replace") else code, {"__name__": evil})
print("ready", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("options", [
    ["--format", "text"], ["--format", "text", "--summary"], ["--format", "json"], ["--summary-only"],
    ["top", "--format", "text"], ["top"]])
def test_no_terminal_obeys_it(stage, options):
    """Escapes and bytes that are no UTF-8 in names, arguments, files, functions, in its command
    line and where it is: what comes out is text, on stdout and stderr."""
    folder = stage.tmp / ("dir" + EVIL)
    folder.mkdir()
    env = harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE, PYAUDITD_CALLS="1")
    target = stage.program("env", "--chdir=" + str(folder), stage.python.path, "-c", PROGRAM % EVIL,
                           EVIL, b"\xff\xfe".decode("utf-8", "surrogateescape"), env=env,
                           stdout=subprocess.PIPE)
    assert target.popen.stdout.readline() == b"ready\n"
    if options[0] == "top":
        words = ["top", "--batch", "--view", "all", "-d", "0.2", "-n", "2", *options[1:]]
    else:
        words = ["--all", "--backlog", "--duration", "0.5", *options]
    out = subprocess.run(
        stage.world.command([harness.COLLECTOR, *words], stage.tmp),
        env=harness.environment(stage.tmp), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    listed = subprocess.run(stage.world.command([harness.COLLECTOR, "list"], stage.tmp),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    assert out.returncode == 0 and listed.returncode == 0, out.stderr
    assert b"hostile" in out.stdout + out.stderr and b"owned" in listed.stdout
    for text in (out.stdout, out.stderr, listed.stdout, listed.stderr):
        for line in text.decode("utf-8").split("\n"):  # strict
            bad = {c for c in line if not c.isprintable()}
            # JSON is for programs: of what stands in a string it has no control character.
            bad -= set("\u2028\u202e") if line.startswith('{"') else set()
            assert not bad, (bad, line)
