# SPDX-License-Identifier: MIT
"""What a collector does to others is bounded, whatever its own reader does, and however many it
reads: a slow pipe, 200 processes, 2,000 threads, thousands of short programs."""
import collections
import os
import signal
import threading
import time

import pytest

import harness
from test_families import Family, processes_named
from world import check, needs_world, numbers, stage, wait_until  # noqa: F401

pytestmark = needs_world
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
LEASE = 3  # seconds without a heartbeat, then the hook takes its collector for dead


# A reader that takes nothing for a while


class SlowReader(threading.Thread):
    """Of a pipe: nothing beyond the first lines until it is told to go on."""

    def __init__(self):
        super().__init__(daemon=True)
        self.fd, self.w = os.pipe()
        self.goes_on = threading.Event()
        self.raw = b""

    def run(self):
        while part := os.read(self.fd, 1 << 20):
            self.raw += part
            self.goes_on.wait()


def waits_for_pipe(pid):
    with open("/proc/%d/wchan" % pid) as f:
        return "pipe" in f.read()


@pytest.mark.parametrize("mode", ["block", "drop"])
def test_collector_that_waits_for_its_reader_is_not_taken_for_dead(stage, mode):  # noqa: F811
    """Its settings hold, so all that happens is told, or told to be lost because it was too slow."""
    reader = SlowReader()
    target = stage.target(PYAUDITD_MODE=mode, PYAUDITD_BLOCK_MS="50", PYAUDITD_RING="256k",
                          PYAUDITD_EVENTS="open")
    collector = stage.collector("--pid", target.inner, "-e", "custom:driven.*", "--format", "json",
                                "-o", "fd:1", out=None, stdout=reader.w)
    os.close(reader.w)
    reader.start()
    wait_until(lambda: b'"action":"start"' in reader.raw, "it follows the target")
    target.do("step", 20000)
    wait_until(lambda: waits_for_pipe(collector.pid), "the pipe is full")
    for _ in range(LEASE + 2):
        time.sleep(1)
        begin = time.monotonic()
        target.do("step", 10)  # finds its ring full, and asks whether there is a reader
        assert time.monotonic() - begin < 0.4, "one wait of 50 ms, not one for each event"
    assert waits_for_pipe(collector.pid)
    reader.goes_on.set()
    wait_until(lambda: not waits_for_pipe(collector.pid) and
               b'"driven.step","cat":"custom"' in reader.raw[-2000:], "it goes on")
    time.sleep(0.3)
    target.do("step", 10)
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 0
    reader.join()
    os.close(reader.fd)
    run = check(harness.Run(0, b"", b"", reader.raw), lossy=True)
    total = 20000 + 10 * (LEASE + 2) + 10
    assert {line["reason"] for line in run.of_type("lost")} == {"lane_full"}
    assert len(run.events()) + sum(line["count"] for line in run.of_type("lost")) == total
    assert numbers(run)[-10:] == list(range(total - 10, total))


# Many at a time


def test_two_hundred_processes_and_two_thousand_threads(stage):  # noqa: F811
    """All there at the same time; each event of each thread is told once, at its place."""
    family = Family(stage)
    run = family.run("crowd", 200, PYAUDITD_RING="256k")
    crowd = processes_named(run, "crowd")
    assert len(crowd) == 200 and len(run.keys) == 201
    actions = [line["action"] for line in run.of_type("process")]
    assert actions == ["start"] * 201 + ["exit"] * 201, "all are there before one goes"
    by_thread = collections.defaultdict(list)
    for line in run.events("family.thread"):
        i, tid, k = (line["args"]["_%d" % j] for j in range(3))
        assert line["tid"] == tid
        by_thread[line["key"], tid, i].append(k)
    assert len(by_thread) == 2000
    assert {key for key, *_ in by_thread} == crowd
    assert all(seen == list(range(4)) for seen in by_thread.values())
