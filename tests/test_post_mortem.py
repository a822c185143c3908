# SPDX-License-Identifier: MIT
"""What a program left that was killed; a dump of one that runs; how long one waits for a collector."""
import os
import signal
import subprocess
import time

import pytest

import harness
from world import (SITE, check, needs_world, numbers, process_state, stage,  # noqa: F401
                   wait_until)

pytestmark = needs_world


def post_mortem(stage, *arguments, status=0):  # noqa: F811
    """Its run, and its lines on stderr."""
    collector = stage.collector("--post-mortem", *arguments)
    run = collector.finish(status, quiet=False)
    return run, [line.replace("auditd-collect: ", "", 1) for line in collector.said]


def test_program_that_was_killed(stage):  # noqa: F811
    target = stage.target()
    target.do("step", 1000)
    name = target.segment
    target.kill()
    run, said = post_mortem(stage, target.said_pid)
    assert numbers(check(run)) == list(range(1000))
    [key] = run.keys
    assert run.exit(key)["exit"] in ("killed", "unknown") and run.start(key)["pid"] == target.said_pid
    assert len(said) == 1 and name in said[0] and "removed" in said[0]
    assert not stage.world.segments()


@pytest.mark.parametrize("read", [True, False])
def test_what_was_lost_before_is_no_loss_of_its(stage, read):  # noqa: F811
    target = stage.target(PYAUDITD_RING="256k")
    target.do("step", 20000)
    if read:
        stage.attached("--pid", target.inner).stop()
    target.kill()
    run, said = post_mortem(stage, target.said_pid, "--fail-on-loss")
    lost = sum(line["count"] for line in run.of_type("lost"))
    assert (lost == 0) == read and len(said) == 1
    assert " %d were lost;" % lost in said[0]


@pytest.mark.parametrize("less, what", [(0, "removed"), (1, "kept")])
def test_as_many_as_it_has_is_all_of_it(stage, less, what):  # noqa: F811
    target = stage.target()
    target.do("step", 100)
    there = stage.collector("--pid", target.inner, "--dump").finish()
    n = len(there.of_type("audit"))
    assert n >= 100
    target.kill()
    run, said = post_mortem(stage, target.said_pid, "-n", n - less)
    assert len(run.of_type("audit")) == n - less and what in said[0]
    assert bool(stage.world.segments()) == bool(less)


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGSEGV)", "os.abort()"])
def test_every_violent_end(stage, end):  # noqa: F811
    program = stage.program(stage.python.path, "-c", "import os, signal, sys\n"
                            "for i in range(500): sys.audit('driven.step', i)\n" + end,
                            env=harness.environment(stage.tmp, PYAUDITD="1",
                                                    PYTHONPATH=os.path.join(harness.BUILD, "python/site")),
                            stdout=subprocess.DEVNULL)
    program.popen.wait()
    [name] = stage.world.segments()
    run, said = post_mortem(stage, name)
    assert numbers(check(run)) == list(range(500)) and len(said) == 1
    assert not stage.world.segments()


def test_all_of_them_and_nobody_who_runs(stage):  # noqa: F811
    dead, alive = [stage.target() for _ in range(3)], stage.target()
    for target in [*dead, alive]:
        target.do("step", 10)
    for target in dead:
        target.kill()
    run, said = post_mortem(stage, "--all")
    assert {run.start(key)["pid"] for key in run.keys} == {target.said_pid for target in dead}
    assert len(run.events("driven.step")) == 30 and len(said) == 3
    assert stage.world.segments() == [alive.segment]
    collector = stage.attached("--pid", alive.inner, "--backlog")
    assert numbers(collector.stop()) == list(range(10))
    _, said = post_mortem(stage, "all")
    assert said == ["no dead program has left anything"]


def test_filters_and_several_at_once(stage):  # noqa: F811
    dead = [stage.target() for _ in range(2)]
    for target in dead:
        target.do("audit", "open", "/etc/passwd")
        target.do("step", 3)
        target.kill()
    run, _ = post_mortem(stage, dead[0].said_pid, "--post-mortem", dead[1].said_pid,
                         "-P", "/etc/passwd")
    assert [event["event"] for event in run.events()].count("open") == 2
    assert not run.events("driven.step") and not stage.world.segments()


def test_whom_it_does_not_find(stage):  # noqa: F811
    target = stage.target()
    target.do("step", 1)
    _, said = post_mortem(stage, target.inner, status=5)
    assert len(said) == 1 and "--pid %d" % target.inner in said[0]
    assert stage.world.segments() == [target.segment]
    _, said = post_mortem(stage, 4000000, status=5)
    assert len(said) == 1 and "has left anything" in said[0]
    for bad in "sideways", "0", "/etc/passwd", "../pyauditd.0.1.00000001":
        _, said = post_mortem(stage, bad, status=2)
        assert len(said) == 1 and bad in said[0]
    target.kill()
    collector = stage.collector("--pid", target.said_pid)
    collector.finish(5, quiet=False)
    assert "--post-mortem %d" % target.said_pid in collector.stderr and len(collector.said) == 1


def test_what_was_never_set_up_is_said(stage):  # noqa: F811
    name = "pyauditd.0.4000000.00000001"
    with open(os.open(os.path.join(stage.world.shm, name), os.O_CREAT, 0o600)):
        pass
    _, said = post_mortem(stage, name, status=5)
    assert len(said) == 1 and "nothing is in it" in said[0]


def test_what_did_not_get_through_is_kept(stage):  # noqa: F811
    target = stage.target()
    target.do("step", 20000)
    target.kill()
    collector = stage.collector("--post-mortem", target.said_pid, "--format", "json", "-o", "/dev/full",
                                out=None)
    assert collector.wait() == 1
    assert "kept" in collector.stderr and len(stage.world.segments()) == 1
    run, _ = post_mortem(stage, target.said_pid)
    assert numbers(check(run, lossy=True))[:10] == list(range(10))


@needs_world
def test_what_cannot_be_opened_is_said(stage):  # noqa: F811
    target = stage.target()
    target.do("step", 10)
    target.kill()
    stage.run("mount", "-o", "remount,ro", "/dev/shm")
    for what in "all", target.said_pid:
        _, said = post_mortem(stage, what, status=1)
        [line] = said
        assert "Read-only file system; not read" in line and target.segment in line
    stage.run("mount", "-o", "remount,rw", "/dev/shm")
    run, _ = post_mortem(stage, "all")
    assert numbers(run) == list(range(10))


def test_what_only_programs_that_run_can_do_is_refused(tmp_path):
    for option in "--events=open", "--stack=2", "--reveal=open.path", "--calls=x":
        done = harness.run_collector(["--post-mortem", "all", option], tmp_path)
        assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"--post-mortem" in done.stderr


def test_what_was_read_before_is_not_read_again(stage):  # noqa: F811
    target = stage.target()
    collector = stage.attached("--pid", target.inner, "-e", "custom:driven.step")
    target.do("step", 100)
    collector.wait_for("driven.step", 100)
    collector.stop()
    target.do("step", 7)
    target.kill()
    run, said = post_mortem(stage, target.said_pid)
    assert numbers(run) == list(range(100, 107))
    n = len(run.events())
    assert len(said) == 1 and ": %d events that it left were read, 0 were lost" % n in said[0]


def test_calls_are_there_too(stage):  # noqa: F811
    target = stage.target(PYAUDITD_CALLS="__main__.step", PYAUDITD_C_CALLS="0")
    target.do("step", 3)
    target.kill()
    run, _ = post_mortem(stage, target.said_pid)
    assert run.of_type("call", func="step") and run.of_type("return", func="step")


# ---- the flight recorder, and a dump of it ----

def dump(stage, target):  # noqa: F811
    return stage.collector("--pid", target.inner, "--dump").finish(quiet=True)


@pytest.mark.parametrize("mode", ["drop", "overwrite"])
def test_dump_takes_nothing_away(stage, mode):  # noqa: F811
    target = stage.target(PYAUDITD_MODE=mode)
    target.do("step", 100)
    first, second = dump(stage, target), dump(stage, target)
    assert numbers(first) == numbers(second) == list(range(100))
    target.do("step", 5)
    collector = stage.attached("--pid", target.inner, "--backlog")
    target.do("step", 5)
    run = check(collector.stop())
    assert numbers(run) == list(range(110))


def test_dump_of_a_flight_recorder_has_the_newest_and_says_how_many_are_gone(stage):  # noqa: F811
    target = stage.target(PYAUDITD_MODE="overwrite", PYAUDITD_RING="256k")
    target.do("step", 50000)
    for _ in range(2):
        run = dump(stage, target)
        seen = numbers(run)
        assert seen == list(range(50000))[-len(seen):] and len(seen) > 3000
        [lost] = run.of_type("lost")
        assert lost["reason"] == "overwritten" and lost["seq_to"] + 1 == run.events()[0]["seq"]
    target.do("step", 10)
    target.kill()
    run, _ = post_mortem(stage, target.said_pid)
    seen = numbers(run)
    assert seen == list(range(50010))[-len(seen):]
    assert sum(lost["count"] for lost in run.of_type("lost")) + len(run.events()) >= 50010


SLOW = """|/usr/bin/python3 -c 'import os, time
while True:
    bytes = os.read(0, 65536)
    if not bytes:
        break
    os.write(1, bytes)
    time.sleep(0.02)' >%s"""


def test_dump_of_a_program_that_does_not_pause_ends(stage):  # noqa: F811
    target = stage.target(PYAUDITD_MODE="overwrite", PYAUDITD_RING="256k")
    target.do("flood")
    out = stage.tmp / "slow.jsonl"
    stage.run(harness.COLLECTOR, "-q", "--pid", target.inner, "--dump", "-o", SLOW % out)
    last = int(target.do("stop_flood"))
    run = harness.Run(0, b"", b"", out.read_bytes())
    seen = numbers(run)
    assert 1000 < len(seen) <= 4096 and seen[-1] < last, (len(seen), seen[-1], last)
    check(run, lossy=True)


def test_dump_is_for_those_that_run(tmp_path):
    done = harness.run_collector(["--dump", "--", "true"], tmp_path)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    done = harness.run_collector(["--dump", "--post-mortem", "all"], tmp_path)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1


# ---- block mode ----

def test_one_wait_for_a_collector_that_stands_still(stage):  # noqa: F811
    """Not one for each event; and when it moves again, it is waited for again."""
    target = stage.target(PYAUDITD_MODE="block", PYAUDITD_RING="256k", PYAUDITD_BLOCK_MS="700")
    collector = stage.attached("--pid", target.inner)
    target.do("step", 10)
    collector.wait_for("driven.step", 10)
    collector.freeze()
    start = time.monotonic()
    target.do("step", 20000)
    first = time.monotonic() - start
    start = time.monotonic()
    target.do("step", 20000)
    again = time.monotonic() - start
    collector.signal(signal.SIGCONT)
    assert 0.6 < first < 2.5 and again < 0.6, (first, again)
    collector.wait_for('"type":"lost"')
    target.do("step", 5000)
    run = check(collector.stop(), lossy=True)
    assert numbers(run)[-5000:] == list(range(40010, 45010)), "it is whole again"
    assert {lost["reason"] for lost in run.of_type("lost")} == {"lane_full"}


def test_nobody_is_waited_for_where_nobody_reads(stage):  # noqa: F811
    target = stage.target(PYAUDITD_MODE="block", PYAUDITD_RING="256k", PYAUDITD_BLOCK_MS="60000")
    start = time.monotonic()
    target.do("step", 20000)
    assert time.monotonic() - start < 5
    run = check(stage.attached("--pid", target.inner, "--backlog").stop(), lossy=True)
    assert {lost["reason"] for lost in run.of_type("lost")} == {"no_reader"}


@pytest.mark.parametrize("value, said", [("sideways", "not a number"), ("-1", "from 0 to"),
                                         ("600001", "from 0 to")])
def test_bad_block_ms(stage, value, said):  # noqa: F811
    done = subprocess.run([stage.python.path, "-c", "print(3)"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True,
                          env=harness.environment(
                              stage.tmp, PYAUDITD="1", PYAUDITD_BLOCK_MS=value, PYAUDITD_DEBUG="1",
                              PYTHONPATH=os.path.join(harness.BUILD, "python/site")))
    assert done.stdout == "3\n" and said in done.stderr and done.stderr.count("\n") == 1


@needs_world
def test_the_wait_is_as_long_as_was_asked_for_on_a_machine_that_sleeps_long(stage):  # noqa: F811
    target = stage.target(PYAUDITD_MODE="block", PYAUDITD_RING="256k", PYAUDITD_BLOCK_MS="200")
    collector = stage.attached("--pid", target.inner)
    target.do("step", 10)
    collector.wait_for("driven.step", 10)
    collector.freeze()
    with open("/proc/%d/timerslack_ns" % target.pid, "w") as file:
        file.write("5000000")  # each sleep takes 5 ms longer
    start = time.monotonic()
    target.do("step", 20000)
    took = time.monotonic() - start
    collector.signal(signal.SIGCONT)
    assert 0.2 < took < 2, took
    check(collector.stop(), lossy=True)


def test_the_collector_that_starts_a_program_is_waited_for_before_it_has_come(stage):  # noqa: F811
    code = "import sys\nfor i in range(20000): sys.audit('driven.step', i)"
    collector = stage.collector(
        "-e", "custom:driven.step", "--", "sh", "-c",
        'kill -STOP $PPID; exec "$0" -c "$1"', stage.python.path, code,
        env=harness.environment(stage.tmp, PYAUDITD_HOME=os.path.dirname(SITE), PYAUDITD_MODE="block",
                                PYAUDITD_RING="256k", PYAUDITD_BLOCK_MS="10000"))
    wait_until(lambda: process_state(collector.pid) == "T", "it stands still")
    wait_until(lambda: stage.world.segments(), "the program has begun")
    time.sleep(0.5)
    collector.signal(signal.SIGCONT)
    run = check(collector.finish())
    assert numbers(run) == list(range(20000))
