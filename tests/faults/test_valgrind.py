# SPDX-License-Identifier: MIT
"""memcheck finds nothing: not in the units that read what a program wrote, not in a whole run of
the collector. PYAUDITD_TEST_LONG=1: in every unit."""
import glob
import os
import shutil
import signal
import subprocess
import time

import pytest

import harness
from world import numbers, stage  # noqa: F401

VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--track-fds=no"]
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
UNITS = ["drain", "values", "symbols", "defs", "segment", "tracee_calls", "levels", "options"]
# These run against the clock, or fork until somebody waits for them.
SLOW = {"test_lane", "test_calibrate"}

pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None and not os.environ.get("CI"),
                       reason="no valgrind: tools/bootstrap ci installs it"),
    pytest.mark.skipif("san" in harness.BUILD, reason="sanitizers and valgrind exclude each other")]


def units():
    names = sorted(os.path.basename(path)[:-2] for path in
                   glob.glob(os.path.join(harness.ROOT, "tests", "test_*.c")))
    return [name for name in names if LONG and name not in SLOW or name[5:] in UNITS]


@pytest.mark.parametrize("unit", units())
def test_unit_is_clean(unit):
    program = os.path.join(harness.BUILD, "tests", unit)
    subprocess.run(["make", "-s", "-C", harness.ROOT, os.path.relpath(program, harness.ROOT)],
                   check=True)
    done = subprocess.run([*VALGRIND, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "CK_FORK": "no", "CK_DEFAULT_TIMEOUT": "0"})
    assert done.returncode == 0 and b"ERROR SUMMARY" not in done.stderr, \
        done.stdout[-1000:] + done.stderr[-4000:]
    assert b"100%" in done.stdout


@pytest.mark.parametrize("options", [["--format", "json"], ["--format", "text", "--summary"]])
def test_whole_run_is_clean(stage, options):  # noqa: F811
    """Programs that come, raise and call, fork, and are killed, beside one that writes nonsense."""
    log, out = stage.tmp / "valgrind", stage.tmp / "stream"
    collector = stage.program(*VALGRIND, "--log-file=%s" % log, harness.COLLECTOR, "--all", "-o", out,
                              "--stats-interval", "0.5", *options,
                              env=harness.environment(stage.tmp), stderr=subprocess.PIPE)
    first = stage.target(PYAUDITD_CALLS="1")
    wait = time.monotonic() + 30
    while not (out.exists() and b"driven.py" in out.read_bytes()):
        assert time.monotonic() < wait, "it has not begun"
        time.sleep(0.05)
    first.do("step", 300)
    first.do("fork", 5)
    second = stage.target()
    hostile = stage.program(stage.python.path, harness.target("hostile.py"), "all", 3,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=os.path.join(
                                harness.ROOT, "build", "python", "site")))
    hostile.popen.stdout.readline()
    second.do("step", 300)
    hostile.popen.stdin.write(b"\n")
    hostile.popen.stdin.flush()
    time.sleep(1)
    second.kill()
    first.do("step", 300)
    time.sleep(0.5)
    collector.signal(signal.SIGTERM)
    status = collector.wait(60)
    # "--3-- " begins a word about a system call that this valgrind does not know.
    said = [line for line in log.read_text().splitlines() if line.startswith("==")]
    assert status == 0 and not said, (status, said)
    assert out.read_bytes().count(b"driven.step") >= 600
