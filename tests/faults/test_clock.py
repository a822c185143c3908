# SPDX-License-Identifier: MIT
"""The system's clock is set while a collector reads: here for the collector alone, by set_clock.c,
from an hour beside the machine's to that."""
import os
import signal
import struct
import subprocess
import time

import pytest

import harness
from world import SITE, check, needs_world, numbers, stage, wait_until  # noqa: F401

pytestmark = needs_world
HOUR = 3600


class Clock:
    def __init__(self, tmp):
        self.path = os.path.join(str(tmp), "clock")
        library = os.path.join(str(tmp), "set_clock.so")
        source = os.path.join(harness.ROOT, "tests", "faults", "set_clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.env = harness.environment(tmp, PYAUDITD_HOME=os.path.dirname(SITE),
                                       LD_PRELOAD=library, SET_CLOCK=self.path)

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as file:
            file.write(struct.pack("q", seconds))


@pytest.fixture(params=[HOUR, -HOUR], ids=["back", "forward"])
def clock(request, tmp_path):
    clock = Clock(tmp_path)
    clock.set(request.param)
    return clock


def test_lines_come_on_when_the_clock_is_set(stage, clock):  # noqa: F811
    """Those that wait for their order, those of the programs that go on, and of one that ends."""
    quiet, busy, ends = [stage.target() for _ in range(3)]
    collector = stage.collector("--all", env=clock.env).wait_attached(3)
    for target in quiet, busy, ends:
        target.do("step", 5)
    clock.set(0)
    start = time.monotonic()
    for i in range(40):
        busy.do("step", 1)
        time.sleep(0.05)
    assert quiet.do("step", 1) and ends.end() == 0
    collector.wait_for("driven.step", 15 + 40 + 1, seconds=5)
    collector.wait_for('"action":"exit"', 1, seconds=5)
    wait_until(lambda: len(stage.world.segments()) == 2, "what it left is removed", 5)
    print("after %.1f s" % (time.monotonic() - start))
    check(collector.stop())


def test_a_program_that_comes_after_the_clock_was_set_is_read_from_its_start(
        stage, clock):  # noqa: F811
    """What it did before it was found, too: it is not taken for one that was there before."""
    stage.target()
    collector = stage.attached("--all", env=clock.env)
    clock.set(0)
    time.sleep(0.2)
    collector.freeze()
    target = stage.target()
    target.do("step", 50)
    collector.signal(signal.SIGCONT)
    collector.wait_for("driven.step", 50)
    target.do("step", 1)
    assert target.end() == 0
    collector.wait_for('"action":"exit"', 1)
    assert numbers(collector.stop()) == list(range(51))
