# SPDX-License-Identifier: MIT
"""Who reads our lines takes nothing, or little, or has gone: who has to wait then, and for how long."""
import contextlib
import os
import signal
import time

import pytest

from world import numbers, stage, wait_until  # noqa: F401

WORKS = """import signal, sys, time
signal.signal(signal.SIGTERM, lambda *a: sys.exit(7))
for i in range(20000): sys.audit("driven.step", i)
open("ready", "w").close()
time.sleep(30)
"""


@pytest.fixture
def stuck(stage):
    """A FIFO with a reader that takes nothing."""
    os.mkfifo(stage.tmp / "stuck")
    fd = os.open(stage.tmp / "stuck", os.O_RDONLY | os.O_NONBLOCK)
    yield stage.tmp / "stuck"
    os.close(fd)


def seconds_until_it_ends(collector, status):
    start = time.monotonic()
    assert collector.wait(30) == status, collector.stderr
    return time.monotonic() - start


def test_sigterm_reaches_a_command_whose_output_is_stuck(stage, stuck):
    collector = stage.collector("-o", stuck, "--", stage.python.path, "-c", WORKS, out=None)
    wait_until((stage.tmp / "ready").exists, "the command has written more than a pipe holds")
    time.sleep(1.2)
    collector.signal(signal.SIGTERM)
    assert seconds_until_it_ends(collector, 7) < 8
    assert "its reader takes nothing, or too slowly" in collector.stderr


def test_command_that_ends_meanwhile_is_reaped_and_sigterm_ends_us(stage, stuck):
    collector = stage.collector("-o", stuck, "--", stage.python.path, "-c",
                                WORKS.replace("30", "0.1"), out=None)
    time.sleep(3)
    assert collector.popen.poll() is None
    collector.signal(signal.SIGTERM)
    assert seconds_until_it_ends(collector, 125) < 8


@pytest.mark.parametrize("times, least, most", [(1, 17, 26), (2, 0, 6)])
def test_slow_reader_has_its_time_and_no_more(stage, times, least, most):
    """What it has not got by then is the next one's."""
    target = stage.target(PYAUDITD_RING="64m")
    target.do("step", 60000)
    slow = "while head -c 4096 | wc -c; do sleep 0.1; done > taken"
    collector = stage.collector("--pid", target.inner, "--backlog", "-o", "|" + slow, out=None)
    time.sleep(1)
    start = time.monotonic()
    for _ in range(times):
        collector.signal(signal.SIGTERM)
        time.sleep(0.7)
    assert collector.wait(40) == 1
    assert least < time.monotonic() - start < most
    assert "its reader takes nothing, or too slowly" in collector.stderr
    assert numbers(stage.attached("--pid", target.inner, "--backlog").stop())[-1] == 59999


def test_program_that_closes_its_input_and_runs_on_holds_up_nobody(stage):
    target = stage.target()
    start = time.monotonic()
    collector = stage.attached("--pid", target.inner, "-o", "|exec sleep 15 <&-")
    for n in range(1, 12):
        target.do("step", 1)
        collector.wait_for("driven.step", n)
    assert time.monotonic() - start < 5
    run = collector.stop(status=1, quiet=False)
    assert len(numbers(run)) == 11 and "its reader is gone" in collector.stderr
    assert time.monotonic() - start < 8


def test_fifo_without_a_reader_is_not_waited_for_after_sighup(stage):
    target = stage.target()
    os.mkfifo(stage.tmp / "fifo")
    reader = os.open(stage.tmp / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    collector = stage.attached("--pid", target.inner, "-o", stage.tmp / "fifo")
    wait_until(lambda: os.read(reader, 1 << 20), "it has something")
    os.close(reader)
    collector.signal(signal.SIGHUP)
    wait_until(lambda: "going on with the old file" in collector.stderr, "it has said so")
    target.do("step", 5)
    collector.wait_for("driven.step", 5, seconds=5)
    run = collector.stop(status=1, quiet=False)
    assert numbers(run) == list(range(5))


def test_standard_error_that_is_full_stops_nothing(stage):
    """As with a pager that nobody looks at."""
    target = stage.target()
    os.mkfifo(stage.tmp / "full")
    fd = os.open(stage.tmp / "full", os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, b"x" * 4096)
    start = time.monotonic()
    collector = stage.attached("-v", "--pid", target.inner, "-o", "|false",
                               before=["sh", "-c", 'exec "$@" 2>full', "sh"])
    for n in range(1, 4):
        target.do("step", 1)
        collector.wait_for("driven.step", n)
    os.read(fd, 1 << 20)
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 1
    assert time.monotonic() - start < 6
    said = os.read(fd, 1 << 20)
    assert said.startswith(b"auditd-collect: (") and b" lines were left out here)\n" in said
    os.close(fd)


def test_table_that_nobody_reads_does_not_keep_us(stage, stuck):
    fill = ("import os\nos.set_blocking(2, False)\ntry:\n    while True: os.write(2, b'x' * 512)\n"
            "except BlockingIOError: os.set_blocking(2, True)")
    collector = stage.collector("-c", "--", stage.python.path, "-c", fill,
                                before=["sh", "-c", 'exec "$@" 2>"%s"' % stuck, "sh"])
    collector.wait_for('"action":"exit"')
    time.sleep(1)
    collector.signal(signal.SIGTERM)
    assert seconds_until_it_ends(collector, 0) < 5
