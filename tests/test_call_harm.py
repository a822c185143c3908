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
