# SPDX-License-Identifier: MIT
"""Both sides are killed at random points. What was recorded is read to the last whole record; a
collector that comes after a killed one repeats at most one batch, and skips nothing unsaid."""
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import time

import pytest

import harness
from world import check, needs_world, stage, wait_until  # noqa: F401

LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
KILLS = 1000 if LONG else 20
# Events of one process that may be told twice: those that are read and written in one round; and
# where lines wait for their order, what an eighth of the ring holds, and a round.
BATCH = 4096 + (1 << 20) // 64 // 8 + 64
SITE = os.path.join(harness.BUILD, "python", "site")

pytestmark = needs_world

FLOOD = """
import os, signal, sys, threading, time
def f(i):
    sys.audit("kill.event", i)
print("go", flush=True)
i = 0
while True:
    f(i)
    i += 1
    if i % 1000 == 0:
        os.write(1, b"%d\\n" % i)
        if "PAUSE" in os.environ:
            time.sleep(float(os.environ["PAUSE"]))
"""

ENDS = {
    "kill": "",
    "segv": "threading.Timer(%f, lambda: os.kill(os.getpid(), signal.SIGSEGV)).start()\n",
    "abort": "threading.Timer(%f, os.abort).start()\n",
    "exit": "threading.Timer(%f, lambda: os._exit(3)).start()\n",
}


def flooding(stage, end, seconds, **env):  # noqa: F811
    code = FLOOD.replace("i = 0\n", (ENDS[end] % seconds if "%" in ENDS[end] else "") + "i = 0\n", 1)
    return stage.program(stage.python.path, "-c", code, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL,
                         env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE, **env))


@pytest.mark.parametrize("mode", ["drop", "overwrite"])
@pytest.mark.parametrize("calls", ["", "__main__.f"])
def test_program_that_ends_violently_is_read_to_its_last_record(stage, mode, calls):  # noqa: F811
    chance = random.Random(7)
    for number in range(KILLS // 4 or 1):
        end = list(ENDS)[number % 4]
        seconds = chance.uniform(0.0, 0.05)
        program = flooding(stage, end, seconds, PYAUDITD_MODE=mode, PYAUDITD_RING="256k",
                           PYAUDITD_CALLS=calls)
        assert program.popen.stdout.readline() == b"go\n"
        if end == "kill":
            time.sleep(seconds)
            program.signal(signal.SIGKILL)
        told = program.popen.stdout.read().split()
        program.popen.wait()
        collector = stage.collector("--post-mortem", "all")
        run = check(collector.finish(quiet=False), lossy=True)
        assert len(collector.said) == 1, collector.stderr
        seen = [event["args"]["_0"] for event in run.events("kill.event")]
        assert seen == sorted(set(seen)), "in order, none twice"
        if mode == "overwrite" and not seen:
            assert not told, "it was ended before it had done anything"
        elif mode == "overwrite":
            assert seen == list(range(seen[0], seen[-1] + 1))
            assert not told or seen[-1] >= int(told[-1]) - 1, "the newest, to the last that it told"
        else:
            assert seen == list(range(len(seen))), "the oldest, from the first on"
        [key] = run.keys
        stats = run.stats(key)
        assert stats["attempted"] == stats["counted"] + stats["recorded"] + stats["lost_hook"]
        assert stats["attempted"] >= (int(told[-1]) if told else 0)
        assert not stage.world.segments()


def lines_of(collector):
    """Its whole lines; the file is removed."""
    raw = collector.raw()
    collector.cleanup()
    with contextlib.suppress(FileNotFoundError):  # killed before it had one
        os.unlink(collector.out)
    return [json.loads(line) for line in raw[:raw.rfind(b"\n") + 1].splitlines()]


class Told:
    """Of one process, over collectors that came one after the other: each number is told, as an event
    or as lost, and those that are told twice are the last of one and the first of the next."""

    def __init__(self):
        self.following, self.most_repeated = 0, 0
        self.count = collections.Counter()

    def add(self, lines):
        again = 0
        for line in lines:
            if line["type"] == "audit":
                first = last = line["seq"]
                again += first < self.following
                self.count["audit"] += 1
            elif line["type"] == "lost" and "seq_from" in line:
                first, last = line["seq_from"], line["seq_to"]
                self.count[line["reason"]] += line["count"]
            else:
                continue
            assert first <= self.following, "seq %d..%d is missing" % (self.following, first - 1)
            self.following = max(self.following, last + 1)
        self.most_repeated = max(self.most_repeated, again)


@pytest.mark.parametrize("n, pause", [(1, 0.02), (4, 0.2), (4, 0.01)])
def test_collector_that_is_killed_again_and_again(stage, n, pause):  # noqa: F811
    """The programs wait for the next one. Lines of several wait for their order: where the rings have
    room, they are told by the next collector; else it says how many are lost."""
    chance = random.Random(11)
    programs = [flooding(stage, "kill", 0, PYAUDITD_MODE="drop", PYAUDITD_RING="1m", PAUSE=str(pause))
                for _ in range(n)]
    for program in programs:
        assert program.popen.stdout.readline() == b"go\n"
        os.set_blocking(program.popen.stdout.fileno(), False)
    told = {}
    pids = [word for program in programs for word in ("--pid", program.inner)]
    for number in range(KILLS):
        collector = stage.collector(*pids, "--backlog", "-e", "custom:kill.event")
        if number + 1 == KILLS:
            collector.wait_for("kill.event", 1)
            for program in programs:
                program.signal(signal.SIGKILL)
            collector.wait()
        else:
            time.sleep(chance.uniform(0.0, 0.15))
            collector.kill()
        for program in programs:
            program.popen.stdout.read()
        by_key = collections.defaultdict(list)
        for line in lines_of(collector):
            by_key[line.get("key")].append(line)
        for key, lines in by_key.items():
            told.setdefault(key, Told()).add(lines)
    assert len([one for one in told.values() if one.count["audit"] > 200]) == n
    total = sum((one.count for one in told.values()), collections.Counter())
    assert not total["damaged"]
    if (n, pause) == (4, 0.2):
        assert set(total) == {"audit"}, "nothing is lost where the rings have room"
    repeated = max(one.most_repeated for one in told.values())
    assert repeated <= BATCH, "more than one batch: %d" % repeated
    print("%d kills, %d programs, %s, repeated at most %d" % (KILLS, n, dict(total), repeated))


CHILDREN = """
import os, subprocess, sys
code = "import os, sys\\nfor i in range(40): sys.audit('kill.event', i)\\nos.kill(os.getpid(), 9)"
while True:
    child = subprocess.Popen([sys.executable, "-c", code])
    child.wait()
    print(child.pid, flush=True)
"""


def test_programs_that_ended_are_kept_until_their_lines_are_written(stage):  # noqa: F811
    """Short ones, killed one after the other, so each is there for a reader; and collectors that are
    killed meanwhile."""
    chance = random.Random(13)
    program = stage.program(stage.python.path, "-c", CHILDREN, stdout=subprocess.PIPE,
                            env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE,
                                                    PYAUDITD_EVENTS="custom:kill.event"))
    stage.target()  # so that lines have to wait for their order
    seen = collections.defaultdict(set)
    for number in range(KILLS):
        # One that lives when we come would begin with what comes then.
        collector = stage.collector("--all", "--backlog", "-e", "custom:kill.event")
        collector.wait_for('"process"', 1)
        if number + 1 == KILLS:
            program.signal(signal.SIGKILL)
            time.sleep(1)
            collector.stop(quiet=False)
        else:
            time.sleep(chance.uniform(0.0, 0.2))
            collector.kill()
        for line in lines_of(collector):
            if line["type"] == "audit" and line["event"] == "kill.event":
                seen[line["pid"]].add(line["args"]["_0"])
    ended = [int(pid) for pid in program.popen.stdout.read().split()]
    assert len(ended) > KILLS // 2
    assert {pid: len(seen[pid]) for pid in ended if len(seen[pid]) != 40} == {}
    print("%d programs ended" % len(ended))


@pytest.mark.parametrize("options", [["--all"], ["--post-mortem", "all"]])
def test_what_was_killed_before_it_was_traced_is_removed(stage, options):  # noqa: F811
    """When it is so old that nobody can still be at it, and nobody maps it."""
    target = stage.target()
    nobody = ["pyauditd.0.999999.0000000%d" % n for n in range(2)]
    for name, n in zip(nobody, [0, 8192]):
        with open(os.path.join(stage.world.shm, name), "wb") as f:
            os.fchmod(f.fileno(), 0o600)
            f.truncate(n)
    made = time.monotonic()
    collector = stage.collector(*options)
    if options == ["--all"]:
        collector.wait_attached()
    else:
        collector.finish(quiet=False)
        assert len(stage.world.segments()) == 3, "they may be newborn"
        time.sleep(10.2)
        collector = stage.collector(*options)
    wait_until(lambda: len(stage.world.segments()) == 1, "they are removed")
    assert time.monotonic() - made > 9.9
    if options == ["--all"]:
        collector.stop(quiet=False)
    else:
        collector.finish(quiet=False)
    assert sum("ended before it was traced" in line for line in collector.said) == 2
    assert stage.world.segments() == [target.segment]
