# SPDX-License-Identifier: MIT
"""Both sides are killed at random points. What was recorded is read to the last whole record; a
collector that comes after a killed one repeats at most one batch, and skips nothing unsaid."""
import collections
import json
import os
import random
import signal
import subprocess
import time

import pytest

import harness
from world import check, needs_world, stage  # noqa: F401

LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
KILLS = 1000 if LONG else 20
BATCH = 4096 + 64  # events of one process that are read, and written, before room is given back
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
        if "SLOWLY" in os.environ:
            time.sleep(0.02)
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
        if mode == "overwrite":
            assert seen == list(range(seen[0], seen[-1] + 1))
            assert not told or seen[-1] >= int(told[-1]) - 1, "the newest, to the last that it told"
        else:
            assert seen == list(range(len(seen))), "the oldest, from the first on"
        [key] = run.keys
        stats = run.stats(key)
        assert stats["attempted"] == stats["counted"] + stats["recorded"] + stats["lost_hook"]
        assert stats["attempted"] >= (int(told[-1]) if told else 0)
        assert not stage.world.segments()


def test_collector_that_is_killed_again_and_again(stage):  # noqa: F811
    """The program waits for the next one; each event is told, and those that are told twice are the
    last of one collector and the first of the next."""
    chance = random.Random(11)
    program = flooding(stage, "kill", 0, PYAUDITD_MODE="drop", PYAUDITD_RING="1m", SLOWLY="1")
    assert program.popen.stdout.readline() == b"go\n"
    os.set_blocking(program.popen.stdout.fileno(), False)
    parts = []
    for number in range(KILLS):
        collector = stage.collector("--pid", program.inner, *(["--backlog"]), "-e", "custom:kill.event")
        if number + 1 == KILLS:
            collector.wait_for("kill.event", 1)
            program.signal(signal.SIGKILL)
            collector.wait()
        else:
            time.sleep(chance.uniform(0.0, 0.15))
            collector.kill()
        program.popen.stdout.read()
        raw = collector.raw()
        parts.append([json.loads(line) for line in raw[:raw.rfind(b"\n") + 1].splitlines()])
        collector.cleanup()
        if collector.out:
            os.unlink(collector.out)
    told = collections.Counter()
    following, repeated = 0, []
    for part in parts:
        again = 0
        for line in part:
            if line["type"] == "audit":
                first = last = line["seq"]
                again += first < following
            elif line["type"] == "lost" and "seq_from" in line:
                first, last = line["seq_from"], line["seq_to"]
            else:
                continue
            assert first <= following, "seq %d..%d is missing" % (following, first - 1)
            following = max(following, last + 1)
            told[line["type"]] += 1
        repeated.append(again)
    assert told["audit"] > 1000
    assert max(repeated) <= BATCH, "more than one batch: %d" % max(repeated)
    print("%d kills, %s, repeated at most %d" % (KILLS, dict(told), max(repeated)))
