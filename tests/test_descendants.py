# SPDX-License-Identifier: MIT
"""Who descends from a command or a --pid: Pythons without the hook are told, once, and none that has it;
and what is only starting when its parent ends is waited for."""
import subprocess
import time

import pytest

import harness
from world import SITE, numbers, stage, wait_until  # noqa: F401


def test_who_was_asked_for_twice_has_his_children_told_once(stage):
    program = stage.program(
        stage.python.path, "-c", "import subprocess, sys, time; sys.audit('driven.step', 0); time.sleep(1)\n"
        "subprocess.run([sys.executable, '-I', '-c', 'import time; time.sleep(2)'])",
        env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE))
    wait_until(lambda: stage.world.segments(program.inner), "it is traced")
    run = stage.attached("--pid", "%d,%d" % (program.inner, program.inner)).finish()
    assert [p["coverage"] for p in run.of_type("process", action="start")] == ["site", "none"]


@pytest.mark.parametrize("works", [0.05, 0.5, 2.5])
def test_exec_of_a_python_that_does_not_look_is_told(stage, works):
    program = ("import os, sys, time; sys.audit('driven.step', 0); time.sleep(%f)\n"
               "os.execv(sys.executable, [sys.executable, '-I', '-c', 'import time; time.sleep(3)'])" % works)
    run = stage.collector("--", stage.python.path, "-c", program).finish()
    assert [p["coverage"] for p in run.of_type("process", action="start")] == ["site", "none"]
    [end] = run.of_type("process", action="exit")
    assert end["exit"] == "exec"


def test_exec_of_a_python_that_looks_is_not_told_to_be_without(stage):
    program = ("import os, sys, time; sys.audit('driven.step', 0); time.sleep(0.5)\n"
               "if len(sys.argv) < 3: os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], 'again'])")
    run = stage.collector("--", stage.python.path, "-c", program, "x").finish()
    assert [p["coverage"] for p in run.of_type("process", action="start")] == ["site", "site"]


LATE = "import sys, time; time.sleep(0.3); sys.audit('driven.step', 0)"


@pytest.mark.parametrize("waits", ["", "sleep 0.05"])
def test_python_that_a_command_leaves_behind_while_it_starts_is_read(stage, waits):
    run = stage.collector("--", "sh", "-c", '"$1" -c "$2" & ' + waits, "sh", stage.python.path,
                          LATE).finish()
    assert numbers(run) == [0]


def test_python_that_a_pid_leaves_behind_while_it_starts_is_read(stage):
    program = stage.program(
        stage.python.path, "-c", "import os, subprocess, sys, time; sys.audit('here'); time.sleep(1)\n"
        "subprocess.Popen(['sh', '-c', 'sleep 0.3; exec \"$0\" -c \"$1\"', sys.executable, %r])\n"
        "time.sleep(0.2); os._exit(0)" % LATE,
        env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE))
    wait_until(lambda: stage.world.segments(program.inner), "it is traced")
    assert numbers(stage.attached("--pid", program.inner).finish()) == [0]


def test_child_of_two_that_were_asked_for_is_told_once(stage):
    inner = ("import subprocess, sys, time; sys.audit('here'); time.sleep(1)\n"
             "subprocess.run([sys.executable, '-I', '-c', 'import time; time.sleep(2)'])")
    program = stage.program(
        stage.python.path, "-c", "import subprocess, sys; sys.audit('here')\n"
        "subprocess.run([sys.executable, '-c', %r])" % inner,
        env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE))
    wait_until(lambda: len(stage.world.segments()) == 2, "both are traced")
    pids = ",".join(name.split(".")[2] for name in stage.world.segments())
    run = stage.attached("--pid", pids).finish()
    starts = [p["coverage"] for p in run.of_type("process", action="start")]
    assert sorted(starts) == ["none", "site", "site"]


def test_exec_begins_the_grace_anew(stage):
    """Of the same executable: first one that does not look, then one that takes its time to start."""
    python = stage.tmp / "env/bin/python"
    subprocess.run([stage.python.path, "-m", "venv", "--without-pip", stage.tmp / "env"], check=True)
    [packages] = (stage.tmp / "env").glob("lib/python3.*/site-packages")
    (packages / "slow.pth").write_text("import time; time.sleep(0.5)\n")
    run = stage.collector("--", python, "-I", "-S", "-c", "import os, sys, time; time.sleep(0.06)\n"
                          "os.execv(sys.executable, [sys.executable, '-c', %r])" % LATE).finish()
    assert [p["coverage"] for p in run.of_type("process", action="start")] == ["site"]


def test_untraced_child_of_one_that_has_ended_is_told(stage):
    run = stage.collector("--", "sh", "-c", 'sh -c \'"$1" -I -c "$2" & sleep 0.07\' sh "$1" "$2"; sleep 2', "sh",
                          stage.python.path, "import time; time.sleep(1.5)").finish()
    assert [p["coverage"] for p in run.of_type("process", action="start")] == ["none"]


def test_programs_without_end_that_a_command_leaves_behind_keep_nobody(stage):
    start = time.monotonic()
    young = "(i=0; while [ $i -lt 60 ]; do sleep 0.15; i=$((i + 1)); done) > /dev/null 2>&1 & "
    collector = stage.collector("--", "sh", "-c", young + "sleep 0.05; " + young + "sleep 0.05; " + young + "exit 3")
    assert collector.wait() == 3
    assert 1.5 < time.monotonic() - start < 6
