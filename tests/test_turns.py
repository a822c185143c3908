# SPDX-License-Identifier: MIT
"""Collectors one after the other, and beside each other, on programs that go on: what comes twice, what
is missing, whose sums it is in, and whether that is said."""
import itertools
import random
import signal
import time

import pytest

import harness
from world import check, needs_world, numbers, stage, wait_until  # noqa: F401


def lost_in(runs):
    return [(line["lane"], line["seq_from"], line["seq_to"])
            for run in runs for line in run.of_type("lost") if "seq_from" in line]


def test_collectors_in_turn_repeat_nothing_and_skip_nothing(stage):
    target = stage.target(PYAUDITD_RING="64m")
    target.do("flood", 20000)
    runs = []
    for i in range(6):
        collector = stage.attached("--pid", target.inner, "--backlog")
        time.sleep(0.1)
        runs.append(check(collector.stop()))
    last = int(target.do("calm"))
    collector = stage.attached("--pid", target.inner, "--backlog")
    target.do("end")
    runs.append(check(collector.finish()))
    seen = list(itertools.chain(*map(numbers, runs)))
    assert seen == list(range(last))


def test_what_is_lost_while_a_collector_stands_still_is_in_its_sums(stage):
    """The hook takes it for dead after three seconds; but it comes back."""
    target = stage.target(PYAUDITD_RING="256k")
    target.do("step", 20000)
    collector = stage.attached("--pid", target.inner, "--fail-on-loss", "--backlog")
    target.do("step", 10)
    time.sleep(0.3)
    collector.freeze()
    target.do("step", 10000)
    time.sleep(3.5)
    target.do("step", 10000)
    collector.signal(signal.SIGCONT)
    collector.wait_for('"type":"lost"', 2)
    target.do("step", 10)
    run = check(collector.stop(status=3), lossy=True)
    lost = [(reason, sum(line["count"] for line in lines)) for reason, lines in  # in parts, maybe
            itertools.groupby(run.of_type("lost"), lambda line: line["reason"])]
    assert [reason for reason, _ in lost] == ["no_reader", "lane_full", "no_reader"]
    before, *counts = [count for _, count in lost]
    assert b"%d events were lost: %d lane_full, %d no_reader" % (sum(counts), *counts) in run.stderr
    assert len(numbers(run)) + before + sum(counts) == 40020


def test_sums_of_losses_are_of_what_this_collector_told(stage):
    target = stage.target(PYAUDITD_RING="256k")
    target.do("step", 20000)
    first = stage.attached("--pid", target.inner)
    [before] = check(first.stop(), lossy=True).of_type("lost")
    collector = stage.attached("--pid", target.inner, "--fail-on-loss", "--summary")
    collector.freeze()
    target.do("step", 10000)
    collector.signal(signal.SIGCONT)
    target.do("step", 10)
    run = check(collector.stop(status=3, quiet=False), lossy=True, lost_before=before["count"])
    [loss] = run.of_type("lost")
    assert loss["reason"] == "lane_full" and before["reason"] == "no_reader"
    assert b"in 1 process, %d lost\n" % loss["count"] in run.stderr
    assert b"no_reader" not in run.stderr


@pytest.mark.parametrize("level", ["count", "stats"])
def test_a_table_is_about_its_own_session(stage, level):
    target = stage.target(PYAUDITD_CALLS="step", PYAUDITD_CALLS_LEVEL=level)
    for n in (300, 20):
        for _ in range(n):
            target.do("step")
        collector = stage.attached("--pid", target.inner, "--summary")
        for _ in range(7):
            target.do("step")
        collector.stop(quiet=False)
        [calls] = [int(line.split()[0]) for line in collector.stderr.splitlines()
                   if "driven.py:" in line and "step" in line]
        assert calls == 7


def test_losses_are_not_told_twice(stage):
    target = stage.target(PYAUDITD_RING="256k")
    n = told = 0
    runs = []
    for way in ("no reader", "frozen", "no reader", "frozen"):
        if way == "no reader":
            target.do("step", 10000)
        collector = stage.attached("--pid", target.inner, "--backlog")
        if way == "frozen":
            collector.freeze()
            target.do("step", 10000)
            collector.signal(signal.SIGCONT)
        n += 10000
        time.sleep(0.2)
        runs.append(check(collector.stop(), lossy=True, lost_before=told))
        told += sum(line["count"] for line in runs[-1].of_type("lost"))
    seqs = lost_in(runs)
    assert len(seqs) >= 4
    assert all(a[2] < b[1] for a, b in zip(seqs, seqs[1:])), seqs
    seen = list(itertools.chain(*map(numbers, runs)))
    assert len(seen) == len(set(seen))
    assert len(seen) + told == n
    reasons = [{line["reason"] for line in run.of_type("lost")} for run in runs]
    assert reasons == [{"no_reader"}, {"lane_full"}] * 2
    for options in ([], ["--backlog"]):
        collector = stage.attached("--pid", target.inner, "--fail-on-loss", *options)
        check(collector.stop(), lost_before=told)  # others have told them


def test_killed_collector_repeats_one_batch_at_most(stage):
    """SIGKILL at any point: what its successor shows twice is the batch in hand, and no more."""
    target = stage.target(PYAUDITD_RING="64m")
    rng = random.Random(3)
    target.do("flood", 30000)
    key_lines = []
    batch = 4096
    for i in range(8):
        collector = stage.attached("--pid", target.inner, "--backlog")
        time.sleep(rng.uniform(0, 0.12))
        if i < 7:
            collector.kill()
        else:
            target.do("calm")
            collector.stop()
        # The kernel ends a write of many pages between two of them when the writer is killed.
        assert i < 7 or collector.raw().endswith(b"\n")
        key_lines.append(collector.so_far())
    following = 0
    for run in key_lines:
        for place, line in enumerate(line for line in run.lines if "lane" in line):
            first, last = line.get("seq", line.get("seq_from")), line.get("seq", line.get("seq_to"))
            assert first <= following, "events %d to %d are missing" % (following, first - 1)
            assert place == 0 or first == following, "only the first batch may be known already"
            assert first >= following - batch, "%d events are repeated" % (following - first)
            following = last + 1
    assert not any(run.of_type("lost") for run in key_lines)


def test_second_collector_is_told_whose_it_is(stage):
    target = stage.target()
    first = stage.attached("--pid", target.inner, "-e", "custom:driven.step", "--stack", "2")
    target.do("step", 10)
    for _ in range(3):
        second = stage.collector("--pid", target.inner, "-e", "all", "--backlog")
        run = second.finish(status=1, quiet=False)
        [said] = second.stderr.splitlines()
        assert said == "auditd-collect: pid %d: another collector reads it (pid %d)" % (
            target.inner, first.inner)
        assert not run.lines
        target.do("step", 10)
        target.do("deep", 3)
    run = check(first.stop())
    assert numbers(run) == list(range(40)) and len(run.events()) == 40
    third = stage.attached("--pid", target.inner)
    assert third.stop().keys == run.keys


def test_a_child_that_was_silent_is_the_next_collectors(stage):
    """Its segment begins with what its parent's collector wanted, who has left meanwhile."""
    target = stage.target()
    first = stage.attached("--pid", target.inner, "-e", "custom:driven.step")
    target.do("step", 3)
    first.wait_for("driven.step", 3)
    pid = target.do("wait")
    check(first.stop())
    target.do("wake")
    wait_until(lambda: '"pid":%s,' % pid in stage.run(harness.COLLECTOR, "list", "--format", "json").decode(), "it has a segment")
    second = stage.attached("--pid", pid)
    target.do("wake")
    second.wait_for("driven.child")
    assert [line["event"] for line in check(second.stop()).events()] == ["driven.waited.1", "driven.child"]


@needs_world
def test_second_collector_of_all_reads_the_others(stage):
    taken, free = stage.target(), stage.target()
    first = stage.attached("--pid", taken.inner)
    second = stage.attached("--all")
    for target in (taken, free):
        target.do("step", 10)
    second.wait_for("driven.step", 10)
    run = check(second.stop(quiet=False))
    assert [run.start(key)["pid"] for key in run.keys] == [free.inner]
    [said] = second.stderr.splitlines()
    assert "pid %d: another collector reads it (pid %d); not read" % (
        taken.inner, first.inner) in said
    assert numbers(check(first.stop())) == list(range(10))


# What one has not taken


@pytest.mark.parametrize("calls", [[], ["--calls=step"]])
def test_the_events_after_so_many_are_the_next_ones(stage, calls):
    target = stage.target(**({"PYAUDITD_CALLS": "step"} if calls else {}))
    for _ in range(150):
        target.do("step")
    sizes = (7, 100, 1, 3, 2)
    runs = [stage.collector("--pid", target.inner, "--backlog", "-n", n, *calls).finish()
            for n in sizes]
    runs.append(stage.attached("--pid", target.inner, "--backlog", *calls).stop())
    told = [[line["seq"] for line in run.lines if line["type"] in ("audit", "call", "return")]
            for run in runs]
    assert [len(seqs) for seqs in told[:-1]] == list(sizes)
    seqs = list(itertools.chain(*told))
    assert seqs == list(range(len(seqs))) and len(seqs) >= (450 if calls else 150)
    assert not any(run.of_type("lost") for run in runs)


@pytest.mark.parametrize("n", [6000, 100])
def test_what_comes_after_so_many_of_one_that_ends_is_left(stage, n):
    target = stage.target()
    collector = stage.attached("--pid", target.inner, "-n", n)
    target.do("step", 10000)
    target.kill()
    first = collector.finish(quiet=False)
    rest = stage.collector("--post-mortem", "all").finish(quiet=False)
    assert numbers(first) + numbers(rest) == list(range(10000))


def test_nothing_is_left_out_between_two_that_stay_so_long(stage):
    target = stage.target()
    target.do("flood", 20000)
    runs = [stage.collector("--pid", target.inner, "--backlog", "--duration", "0.1").finish()
            for _ in range(20)]
    n = int(target.do("stop_flood"))
    runs.append(stage.attached("--pid", target.inner, "--backlog").stop())
    assert list(itertools.chain(*map(numbers, runs))) == list(range(n))


def test_what_was_overwritten_before_we_came_is_no_failure(stage):
    target = stage.target(PYAUDITD_MODE="overwrite", PYAUDITD_RING="256k")
    target.do("step", 20000)
    run = stage.attached("--pid", target.inner, "--backlog", "--fail-on-loss", "--summary").stop(quiet=False)
    [lost] = run.of_type("lost")
    assert lost["reason"] == "overwritten" and lost["count"] > 10000
    assert b"lost: overwritten (before we came)" in run.stderr


def test_what_another_one_reads_is_not_waited_for_by_a_dump(stage):
    taken, free = stage.target(), stage.target()
    taken.do("step", 3)
    free.do("step", 5)
    stage.attached("--pid", taken.inner, "--backlog")
    dump = stage.collector("--pid", free.inner, "--dump").finish()
    assert numbers(dump) == list(range(5))
    dump = stage.collector("--name", "*driven.py*", "--dump").finish(seconds=5, quiet=False)
    assert numbers(dump) == list(range(5))
    assert b"pid %d: another collector reads it" % taken.inner in dump.stderr
