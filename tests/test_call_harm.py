# SPDX-License-Identifier: MIT
"""What tracing of calls must not do to a program, however it is used; and what it must not
confuse: code that dies, tracing that comes and goes, stacks as deep as they get."""
import collections
import json
import os
import subprocess

import calls
import harness

pytest_generate_tests = calls.parametrize


def untraced(case, tmp, program, *words, env=None):
    done = subprocess.run([case.python.path, harness.target(program), *words], cwd=tmp,
                          env=harness.environment(tmp, **(env or {})), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert not done.stderr, done.stderr.decode()
    assert done.returncode == 0, done
    return done.stdout


@calls.on(minors=(9, 11, 13, 15))
def test_code_is_named_rightly_where_other_code_died(case, tmp_path):
    n = 10000 if calls.LONG else 500
    run = calls.trace(case, tmp_path, "calls_reuse.py", str(n), calls="--calls=reused_*")
    assert run.said["addresses"] < n, "no address was used again: this shows nothing"
    seen = [(line["type"], line["func"]) for line in run.lines
            if line.get("func", "").startswith("made_")]
    assert seen == [(kind, "made_%d" % i) for i in range(n) for kind in ("call", "return")]
    for line in run.of_type("call", kind="py"):
        if line["func"] != "<module>":
            i = int(line["func"][5:])
            assert (line["module"], line["file"]) == ("reused_%d" % i, "<string>"), line
            assert line["line"] == i % 50 + 1, line


@calls.on(minors=(8, 11, 13, 15))
def test_tracing_may_come_and_go_while_threads_run(case, tmp_path):
    n = 5000 if calls.LONG else 300
    run = calls.trace(case, tmp_path, "calls_churn.py", str(n))
    seen = collections.Counter((line["type"], line["func"]) for line in run.lines
                               if line["type"] in ("call", "return"))
    assert seen["call", "inside"] == seen["return", "inside"] == n
    assert not seen["call", "outside"] and not seen["return", "outside"]
    assert seen["call", "tick"], "the threads were not seen at all"


@calls.on(minors=(8, 11, 12, 15))
def test_stack_may_be_as_deep_as_without_us(case, tmp_path):
    expected = json.loads(untraced(case, tmp_path, "calls_deep.py"))
    run = calls.trace(case, tmp_path, "calls_deep.py", options=["--calls-level", "count"],
                      lossy=True)
    assert run.said == expected
    [line] = run.of_type("func", func="dives")
    entered = sum(expected.values()) + len(expected)
    lost = run.of_type("lost")
    if case.backend == "eval" and lost:
        assert {line["reason"] for line in lost} == {"too_deep"} and line["calls"] < entered
    else:
        assert line["calls"] == entered and not lost


@calls.on(minors=(8, 10, 12, 14))
def test_many_calls_leave_nothing_behind(case, tmp_path):
    out = untraced(case, tmp_path, "calls_harmless.py", case.backend,
                   env={"PYTHONPATH": os.path.join(harness.BUILD, "python")})
    assert out == b"as before\n"


BUSY = """import sys, time
print(flush=True)
end = time.time() + 1
while time.time() < end:
    pass
"""


def attach(case, tmp, code):
    """A program that has printed a line is attached to. What it printed afterwards, and the Run."""
    out = os.path.join(str(tmp), "attached.jsonl")
    site = os.path.join(harness.BUILD, "python", "site")
    program = subprocess.Popen([case.python.path, "-c", code], stdout=subprocess.PIPE, cwd=tmp,
                               stderr=subprocess.STDOUT, env=harness.environment(
                                   tmp, PYAUDITD="1", PYTHONPATH=site))
    program.stdout.readline()
    done = harness.run_collector(["--pid", program.pid, "--calls", "--no-c-calls", "--calls-backend",
                                  case.backend, "-o", out], tmp)
    said = program.communicate()[0].decode()
    assert (done.returncode, program.wait()) == (0, 0), (done, said)
    with open(out, "rb") as file:
        return said, harness.Run(0, b"", b"", file.read())


@calls.on(minors=(8, 11, 13), backends=("profile", "monitoring"))
def test_a_program_that_does_nothing_between_the_attach_and_its_end(case, tmp_path):
    """The settings come up when the interpreter has no modules any more."""
    said, _ = attach(case, tmp_path, BUSY)
    assert said == ""


SUB = """import sys, time
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
print(flush=True)
other = interpreters.create()
for _ in range(10):
    interpreters.run_string(other, "import sys; sys.audit('sub')")
    end = time.time() + 0.1
    while time.time() < end:
        pass
import profile
profile.run("len([])")
sys.audit("main")
def seen(): pass
for _ in range(10): seen()
"""


@calls.on(minors=(8, 11, 13), backends=("profile", "monitoring"))
def test_an_attach_that_a_sub_interpreter_notices_first(case, tmp_path):
    said, run = attach(case, tmp_path, SUB)
    assert "function calls in" in said and "Error" not in said
    assert len(run.of_type("call", func="seen")) == len(run.of_type("return", func="seen")) == 10


REPLACED = """import sys
real = sys.setprofile
def setprofile(function): real(function)
sys.setprofile = setprofile
import pyauditd
pyauditd.start(calls="__main__", backend=sys.argv[1])
def main():
    for _ in range(3): sys.setprofile(None)
main()
"""


@calls.on(minors=(8, 12, 13, 14), backends=("profile", "monitoring"))
def test_a_setprofile_that_is_the_programs_own(case, tmp_path):
    run = harness.collect([case.python.path, "-c", REPLACED, case.backend], tmp_path,
                          env={"PYTHONPATH": os.path.join(harness.BUILD, "python")})
    assert run.of_type("call", func="main")
