# SPDX-License-Identifier: MIT
"""A user who may have no more threads (RLIMIT_NPROC, which root has none of): his programs go on as
they would untraced, and his collector does without."""
import signal
import subprocess

import pytest

import harness
from test_bad_input import (NOBODY, PUBLIC_PYTHON, as_nobody, needs_public_python,  # noqa: F401
                            public)
from world import check, needs_world, stage  # noqa: F401

pytestmark = [needs_world, needs_public_python]
STEPS = 200
PROGRAM = """
import os, subprocess, sys, threading, time
gate, threads, refused = threading.Event(), [], 0
for n in range(%d):
    t = threading.Thread(target=gate.wait)
    try:
        t.start()
        threads.append(t)
    except RuntimeError as error:
        assert "can't start new thread" in str(error), error
        refused += 1
    sys.audit("threads.step", n)
try:
    subprocess.run(["true"])
except BlockingIOError:
    refused += 1
gate.set()
for t in threads:
    t.join()
print(len(threads), refused, flush=True)
sys.stdin.read()
""" % STEPS


def limited(n):
    return ["prlimit", "--nproc=%d:%d" % (n, n)]


@pytest.mark.parametrize("limit", [12, 40])
def test_program_goes_on_and_all_is_told(stage, public, limit):  # noqa: F811
    command = [*limited(limit), PUBLIC_PYTHON, "-c", PROGRAM]
    alone = subprocess.run([*NOBODY, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           timeout=60)
    collector = stage.collector("--all", "--backlog")
    traced = as_nobody(stage, public, *command)
    told = traced.popen.stdout.readline()
    # One more or less, by who else has this number.
    started, refused = map(int, told.split())
    assert refused > 0 and abs(started - int(alone.stdout.split()[0])) <= 2, (told, alone)
    traced.popen.stdin.close()
    assert traced.wait() == 0 and not traced.popen.stderr.read()
    run = check(collector.stop())
    assert [line["args"]["_0"] for line in run.events("threads.step")] == list(range(STEPS))


def test_collector_reads_on(stage, public):  # noqa: F811
    program = as_nobody(stage, public, PUBLIC_PYTHON, public + "/targets/driven.py")
    assert program.popen.stdout.readline()
    collector = as_nobody(stage, public, *limited(1), public + "/bin/auditd-collect", "--all")
    start = collector.popen.stdout.readline()
    program.popen.stdin.write(b"step 500\n")
    program.popen.stdin.close()
    assert program.popen.stdout.readline()
    assert program.wait() == 0
    while b'"action":"exit"' not in start:
        line = collector.popen.stdout.readline()
        assert line, collector.popen.stderr.read()
        start += line
    collector.signal(signal.SIGTERM)
    start += collector.popen.stdout.read()
    assert collector.wait() == 0 and not collector.popen.stderr.read()
    run = harness.Run(0, b"", b"", start)
    assert len(run.events("driven.step")) == 500 and not run.of_type("lost")


def test_a_command_that_cannot_be_started_is_said(stage, public):  # noqa: F811
    collector = as_nobody(stage, public, *limited(1), public + "/bin/auditd-collect", "--", "true")
    assert collector.wait() == 125
    [line] = collector.popen.stderr.read().decode().splitlines()
    assert line.startswith("auditd-collect: ") and "Resource temporarily unavailable" in line
