# SPDX-License-Identifier: MIT
"""The collector has no file descriptors left. Who is not read is said, and is read once others have
ended; nobody who lives is taken for dead."""
import signal
import time

import pytest

import harness
from world import check, needs_world, stage, wait_until  # noqa: F401

pytestmark = needs_world
N = 8
TOO_MANY = "Too many open files"


def few(n):
    return ["prlimit", "--nofile=%d:%d" % (n, n)]


@pytest.mark.parametrize("limit", [8, 14, 20, 26])
def test_who_lives_is_not_taken_for_dead(stage, limit):  # noqa: F811
    targets = [stage.target() for _ in range(N)]
    collector = stage.collector("--all", before=few(limit))
    wait_until(lambda: TOO_MANY in collector.stderr, "it says so")
    time.sleep(0.3)
    assert len(stage.world.segments()) == N
    for target in targets:
        target.do("step", 5)
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 0
    run = harness.Run(0, b"", b"", collector.raw())
    assert not [line for line in run.of_type("process") if line["action"] == "exit"]
    assert not [line for line in collector.said if " that it left " in line]
    assert len(stage.world.segments()) == N


def test_who_had_to_wait_is_read_when_others_have_ended(stage):  # noqa: F811
    targets = [stage.target() for _ in range(N)]
    collector = stage.collector("--all", "--backlog", before=few(28))
    wait_until(lambda: "ulimit -n" in collector.stderr, "it says so")
    collector.wait_for('"action":"start"', 1)
    time.sleep(0.3)  # the others' wait for their order
    read = {target.said_pid for target in targets
            if b'"pid":%d,' % target.said_pid in collector.raw()}
    assert 0 < len(read) < N
    for target in targets:
        target.do("step", 5)
    collector.wait_for("driven.step", 5 * len(read))
    for target in [target for target in targets if target.said_pid in read]:
        assert target.end() == 0
    collector.wait_for("driven.step", 5 * min(N, 2 * len(read)))
    run = collector.stop(quiet=False)
    check(run)
    assert len([line for line in collector.said if TOO_MANY in line]) == 1


def test_a_command_that_nobody_can_read_ends(stage):  # noqa: F811
    collector = stage.collector("--", stage.python.path, "-c", "pass", before=few(10))
    assert collector.wait() == 0


def test_what_was_left_is_read_in_several_runs(stage):  # noqa: F811
    for _ in range(N):
        target = stage.target()
        target.do("step", 5)
        target.kill()
    steps, runs = 0, 0
    while stage.world.segments() and runs < N:
        collector = stage.collector("--post-mortem", "all", before=few(22))
        status = collector.wait()
        steps += len(collector.so_far().events("driven.step"))
        runs += 1
        left = len(stage.world.segments())
        assert status == (1 if left else 0)
        assert ("%d segments are not read: %s" % (left, TOO_MANY) in collector.stderr) == (left > 0)
    assert steps == 5 * N and 1 < runs < N


def test_a_dump_waits_for_nobody(stage):  # noqa: F811
    for _ in range(N):
        stage.target()
    collector = stage.collector("--all", "--dump", before=few(28))
    assert collector.wait() == 0
    assert TOO_MANY in collector.stderr and len(stage.world.segments()) == N
