# SPDX-License-Identifier: MIT
"""What a collector does to others is bounded, whatever its own reader does, and however many it
reads: a slow pipe, 200 processes, 2,000 threads, thousands of short programs."""
import collections
import os
import re
import signal
import threading
import time

import pytest

import harness
from test_families import Family, processes_named
from world import SITE, check, needs_world, numbers, stage, wait_until  # noqa: F401

pytestmark = needs_world
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
LEASE = 3  # seconds without a heartbeat, then the hook takes its collector for dead


# A reader that takes nothing for a while


class SlowReader(threading.Thread):
    """Of a pipe: little, or nothing beyond the first lines, until it is told to go on."""

    def __init__(self, pause=None):
        super().__init__(daemon=True)
        self.fd, self.w = os.pipe()
        self.pause = pause
        self.goes_on = threading.Event()
        self.raw = b""

    def run(self):
        while part := os.read(self.fd, 1 << 20):
            self.raw += part
            self.goes_on.wait(self.pause)


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


def test_collector_whose_reader_is_slow_is_not_taken_for_dead(stage):  # noqa: F811
    """Each write is short, but what stands in one round takes longer than the lease."""
    reader = SlowReader(pause=0.3)
    target = stage.target(PYAUDITD_RING="256k", PYAUDITD_EVENTS="all=count")
    collector = stage.collector("--pid", target.inner, "-e", "custom:driven.*", "--format", "json",
                                "-o", "fd:1", out=None, stdout=reader.w)
    os.close(reader.w)
    reader.start()
    wait_until(lambda: b'"action":"start"' in reader.raw, "it follows the target")
    target.do("flood", 20000)
    time.sleep(3 * LEASE)
    reader.goes_on.set()
    total = int(target.do("calm"))
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 0
    reader.join()
    os.close(reader.fd)
    run = check(harness.Run(0, b"", b"", reader.raw), lossy=True)
    assert {line["reason"] for line in run.of_type("lost")} == {"lane_full"}
    assert len(run.events()) + sum(line["count"] for line in run.of_type("lost")) == total


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


# Many, one after the other


def memory_kib(pid):
    """Its own: how many segments it has mapped at that moment is their churn's."""
    with open("/proc/%d/status" % pid) as f:
        [line] = [line for line in f if line.startswith("RssAnon:")]
    return int(line.split()[1])


@pytest.mark.parametrize("below", [False, True])
def test_names_that_each_of_thousands_makes_up_fill_no_memory(stage, below):  # noqa: F811
    """Of events and of functions. What the table has no row for is added up in one."""
    n = 5000 if LONG else 2000
    family = Family(stage)
    env = family.environment(PYAUDITD_RING="256k", PYAUDITD_HOME=os.path.dirname(SITE))
    options = ["--calls=__main__", "--calls-level", "count", "-c", "-o", "/dev/null"]
    command = [stage.python.path, harness.target("families.py"), "names", n]
    if below:
        collector = stage.collector(*options, "--", *command, out=None, env=env)
    else:
        collector = stage.collector("--all", *options, out=None)
        program = stage.program(*command, env=env)

    def n_done():
        return family.roll.read_bytes().count(b"\n")

    wait_until(lambda: n_done() > n / 2, "the tables are full")
    at_first = memory_kib(collector.pid)
    wait_until(lambda: n_done() > n * 0.97, "it is nearly at the end", 600)
    at_last = memory_kib(collector.pid)
    if not below:
        assert program.wait() == 0
        family.nobody_is_left(collector)
        collector.signal(signal.SIGTERM)
    assert collector.wait(60) == 0
    print("\n%d processes: %d KiB at first, %d at last" % (n, at_first, at_last))
    assert at_last < at_first + 6 * 1024
    assert ("in %d processes, 0 lost" % (n + 1)) in collector.stderr
    rows = [line.split() for line in collector.stderr.splitlines() if "%" in line]
    named = [int(row[0]) for row in rows if re.match(r"family\.\d", row[3])]
    [others] = [int(row[0]) for row in rows if row[3] == "(other"]
    assert 5000 < len(named) < len(rows) <= 8192 + 4
    assert sum(named) + others >= 50 * n
