# SPDX-License-Identifier: MIT
"""What is said on stderr of a run that goes as it was asked to, and nothing with -q."""
import pytest

import harness
from world import needs_world, stage, wait_until  # noqa: F401

PROGRAM = ["--", "/usr/bin/python3", "-c", "print(3)"]


def said(tmp, *arguments, status=0):
    done = harness.run_collector([*arguments], tmp)
    assert done.returncode == status, done
    lines = done.stderr.decode().splitlines()
    assert all(line.startswith("auditd-collect: ") for line in lines), lines
    assert not harness.run_collector(["-q", *arguments], tmp).stderr or status
    return [line[len("auditd-collect: "):] for line in lines]


@pytest.mark.parametrize("events, named", [
    ("opne*", ["opne*"]), ("open,+sokcet.*,-nosuch.?", ["sokcet.*", "nosuch.?"]),
    ("*.connect,custom:mine.*,@custom,@net,all", [])])
def test_glob_that_fits_no_event(events, named, tmp_path):
    lines = said(tmp_path, "-e", events, "-o", "/dev/null", *PROGRAM)
    assert [line.split()[1] for line in lines] == named
    assert all("no event of CPython" in line for line in lines)


def test_pattern_of_calls_without_its_sign(tmp_path):
    cannot, meant = said(tmp_path, "--calls", "json.*", "-o", "/dev/null", *PROGRAM, status=127)
    assert "cannot run json.*" in cannot and "--calls=json.*" in meant
    assert len(said(tmp_path, "--calls=json.*", "no_such_command", "--", status=127)) == 1


@needs_world
@pytest.mark.parametrize("whom", [["--name", "no such program"], ["--all"]])
def test_nobody_is_there_for_a_while(whom, stage):  # noqa: F811
    collector = stage.collector(*whom)
    wait_until(lambda: collector.stderr, "it is said")
    collector.stop(quiet=False)
    assert collector.stderr.count("\n") == 1 and "waiting" in collector.stderr
    assert whom[-1] in collector.stderr or whom == ["--all"]


@needs_world
def test_functions_of_earlier_sessions_are_not_told(stage):  # noqa: F811
    """Who asks for no calls gets none; who comes back gets those that are called then."""
    target = stage.target()

    def functions(*options):
        collector = stage.attached("--pid", target.inner, *options)
        target.do("step", 10)
        target.do("step", 10)
        told = {line["func"] for line in collector.stop().of_type("func")}
        target.do("step", 1)  # the program takes up that nobody wants calls any more
        return told

    first = functions("--calls", "--calls-level", "stats")
    assert "step" in first
    assert not functions()
    assert "step" in functions("--calls=*step", "--calls-level", "stats")
