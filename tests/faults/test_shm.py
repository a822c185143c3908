# SPDX-License-Identifier: MIT
"""/dev/shm is the program's, too: many traced processes leave it room, and what those that ended
or were killed leave behind has an end. PYAUDITD_TEST_LONG=1: 10,000 ends and 1,000 kills."""
import contextlib
import os
import struct
import subprocess
import threading
import time

import pytest

import harness
from world import SITE, check, needs_world, stage, wait_until  # noqa: F401

pytestmark = needs_world
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
MIB = 1 << 20


def used(stage):
    """Bytes of /dev/shm that are in use."""
    st = os.statvfs(stage.world.shm)
    return (st.f_blocks - st.f_bfree) * st.f_frsize


class Watch(contextlib.AbstractContextManager):
    """How much of /dev/shm is in use at the most, looked at every few milliseconds."""

    def __init__(self, stage):
        self.stage, self.most, self.over = stage, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.003):
            self.most = max(self.most, used(self.stage))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


# While they run


def test_fifty_traced_processes_leave_room_for_their_own_shared_memory(stage):
    """With rings that nobody reads, all full at the same time."""
    stage.new_world("64m")
    targets = [stage.target() for _ in range(50)]
    with Watch(stage) as watch:
        for target in targets:
            target.tell("step", 100000)
        for target in targets:
            target.answer()
        print("\n50 full rings: %.1f of 64 MiB in use" % (used(stage) / MIB))
        assert watch.most < 50 * MIB, "a quarter is left alone, less what two ask for at a time"
    for target in targets if LONG else targets[::5]:
        assert int(target.do("share", 0.9)) >= 12 * MIB
        target.do("step", 10)
    for target in targets:
        assert target.end() == 0
    wait_until(lambda: not os.listdir(stage.world.shm), "nothing is left")


def test_large_dev_shm_is_used_to_its_last_64_mib(stage):
    """A quarter of it would be more than anybody misses."""
    stage.new_world("1g")
    with open(os.path.join(stage.world.shm, "filler"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 900 * MIB)
    target = stage.target(PYAUDITD_RING="8m")
    target.do("step", 200000)
    assert used(stage) > 908 * MIB
    with open(os.path.join(stage.world.shm, "more"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 48 * MIB)
    for _ in range(10):
        stage.target(PYAUDITD_RING="8m").do("step", 200000)
    assert 64 * MIB <= 1024 * MIB - used(stage) < 65 * MIB


# When they have ended


CODE = """
import os, sys
for i in range(5000): sys.audit("shm.step", i)
%s
"""


def run_many(stage, n, last):
    """So many programs, two at a time: how long it took and how much was in use at the most."""
    loop = 'i=0; while [ $i -lt %d ]; do "$@"; i=$((i+1)); done; true' % (n // 2)
    begin = time.monotonic()
    with Watch(stage) as watch:
        loops = [stage.program("sh", "-c", loop, "sh", stage.python.path, "-c", CODE % last,
                               env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE),
                               stderr=subprocess.DEVNULL) for _ in range(2)]
        for one in loops:
            assert one.wait(1200) == 0
    print("\n%d programs: %.0f s, at the most %.1f of 64 MiB in use, %.1f now, %d segments" % (
        n, time.monotonic() - begin, watch.most / MIB, used(stage) / MIB,
        len(stage.world.segments())))
    return watch.most


def test_clean_ends_without_a_collector_leave_nothing(stage):
    stage.new_world("64m")
    most = run_many(stage, 10000 if LONG else 100, "")
    assert 0.3 * MIB < most < 3 * MIB, "two at a time"
    assert not os.listdir(stage.world.shm) and used(stage) == 0


def test_killed_programs_leave_an_eighth_at_the_most(stage):
    """And what is left is read, with the word that there was more."""
    stage.new_world("64m")
    n = 1000 if LONG else 50
    most = run_many(stage, n, "os.kill(os.getpid(), 9)")
    assert 6 * MIB < most < 8 * MIB + 3 * MIB, "the dead ones, two that live, two that just die"
    left = len(stage.world.segments())
    assert 8 < left < n
    collector = stage.collector("--all")
    collector.wait_for('"action":"exit"', left)
    run = check(collector.stop(quiet=False))
    assert len(run.keys) == left
    for key in run.keys:
        assert [line["args"]["_0"] for line in run.events("shm.step", key=key)] == list(range(5000))
    removed = run.of_type("notice", what="removed")
    assert removed and all("segments of dead processes were removed" in line["detail"]
                           for line in removed)
    assert not os.listdir(stage.world.shm)


def newborn(stage, pid, nonce, size):
    """The object of a process that has made it and not yet mapped it."""
    name = "pyauditd.0.%d.%08x" % (pid, nonce)
    fd = os.open(os.path.join(stage.world.shm, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    if size:
        os.ftruncate(fd, size)
        os.posix_fallocate(fd, 0, 5 * MIB)
    os.close(fd)
    return name


def test_newborn_without_a_header_is_no_dead_one(stage):
    """Its process maps it in a moment. What one left that was killed then is removed when nobody
    can be about to do so."""
    stage.new_world("64m")
    lives = stage.program("sleep", "600").inner
    of_living = [newborn(stage, lives, 0, 0), newborn(stage, lives, 1, 30 * MIB),
                 newborn(stage, lives, 2, 30 * MIB)]
    of_nobody = [newborn(stage, 4000000 + i, i, 30 * MIB) for i in range(3, 6)]
    assert stage.target(PYAUDITD_RING="256k").end() == 0
    assert stage.world.segments() == sorted(of_living + of_nobody)
    if LONG:
        time.sleep(11)
        assert stage.target(PYAUDITD_RING="256k").end() == 0
        left = set(stage.world.segments())
        assert left > set(of_living) and len(left) == len(of_living) + 1, "two made room"


def of_another_abi(stage, pid, pid_ns):
    name = newborn(stage, pid, pid, 30 * MIB)
    header = struct.pack("<8sHHHHI", b"PYUDITD1", 9, 0, 9, 4096, 1)
    with open(os.path.join(stage.world.shm, name), "r+b") as f:
        f.write(header.ljust(152, b"\0") + struct.pack("<Q", pid_ns))
    return name


def test_segments_of_another_abi_are_judged_in_their_own_pid_namespace(stage):
    """Elsewhere their process may live, and a pid tells nothing of it."""
    stage.new_world("64m")
    ours = os.stat("/proc/%d/ns/pid" % stage.program("sleep", "600").pid).st_ino
    elsewhere = [of_another_abi(stage, 4000000 + i, ours + 1) for i in range(3)]
    here = [of_another_abi(stage, 4000010 + i, ours) for i in range(3)]
    assert stage.target(PYAUDITD_RING="256k").end() == 0
    left = set(stage.world.segments())
    assert left > set(elsewhere) and not left >= set(here), left
