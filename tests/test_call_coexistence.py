# SPDX-License-Identifier: MIT
"""Beside other tools: they see what they see without us, and what we do not see is said."""
import collections
import json
import os
import subprocess

import pytest

import calls
import harness

pytest_generate_tests = calls.parametrize
Alone = {}


@pytest.fixture(scope="module")
def alone(case, shared_tmp):
    if case.python not in Alone:
        done = subprocess.run([case.python.path, harness.target("calls_coexist.py")], check=True,
                              env=harness.environment(shared_tmp), stdout=subprocess.PIPE,
                              timeout=60)
        Alone[case.python] = json.loads(done.stdout)
    return Alone[case.python]


@pytest.fixture(scope="module")
def together(case, tmp_path_factory):
    return calls.trace(case, tmp_path_factory.mktemp("together"), "calls_coexist.py")


def test_other_tools_see_what_they_see_without_us(alone, together):
    assert together.said["results"].keys() == alone["results"].keys()
    for name, result in alone["results"].items():
        assert together.said["results"][name] == result, name


def has_our_place(case, tool):
    """Does the tool use what there is one of?"""
    if case.backend == "profile":
        return tool in ("SetProfile", "AllThreads") or tool == "CProfile" and \
            case.python.minor < 12
    return case.backend == "monitoring" and tool == "BothIds"


def test_what_we_do_not_see_is_said(case, alone, together):
    seen = collections.Counter(line["func"] for line in together.of_type("call", kind="py"))
    unseen = set()
    for name in alone["results"]:
        tool, _, order = name.partition("_")
        for part in ("b", "c") if order == "before" else ("a", "b", "c"):
            function = "%s_%s" % (name, part)
            n = seen[function]
            if (order, part) == ("before", "c"):
                assert n == 0, function
            elif part == "b" and has_our_place(case, tool):
                assert n in (0, alone["n"]), function
                unseen.add(function) if n == 0 else None
            else:
                assert n == alone["n"], function
    notices = collections.Counter(line["what"] for line in together.of_type("notice"))
    n_said = sum(notices[what] for what in ("occupied", "evicted", "calls"))
    assert n_said >= len(unseen), (notices, unseen)
    assert not notices or unseen, notices


@calls.on(minors=(8, 11, 12, 13, 15))
@pytest.mark.parametrize("kind", ["own", "shared"])
@pytest.mark.parametrize("first", ["calls", "interpreters"])
def test_interpreters_that_are_not_seen_are_said(case, tmp_path, kind, first):
    words, options, env = [kind], ["-e", "@file"], {"PYAUDITD_RING": "64m"}
    if first == "calls":
        options += ["--calls", "--calls-backend", case.backend]
    else:
        words.append(case.backend)
        env["PYTHONPATH"] = os.path.join(harness.BUILD, "python")
    run = harness.collect([case.python.path, harness.target("interpreters.py"), *words], tmp_path,
                          options, env)
    said = [line["detail"] for line in run.of_type("notice", what="calls")]
    if run.stdout.decode().strip() == "none":
        assert case.python.minor < 12 and not said
    else:
        assert len(said) == 1 and "sub-interpreters" in said[0]


@pytest.mark.parametrize("options", [[], ["--no-c-calls"], ["--calls-file", "/nowhere"]])
def test_the_module_profile_works(case, tmp_path, options):
    (tmp_path / "mine.py").write_text("def f(): pass\nf()\nprint('{}')\n")
    done = subprocess.run(
        [harness.COLLECTOR, "-q", "--calls", "--calls-backend", case.backend, *options, "-o",
         str(tmp_path / "out"), "--", case.python.path, "-m", "profile", str(tmp_path / "mine.py")],
        env=harness.environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and b"(f)" in done.stdout, done


@calls.on(minors=(8, 11, 13, 15))
def test_no_time_bridges_what_was_not_seen(case, tmp_path):
    run = calls.trace(case, tmp_path, "calls_evicted.py", calls="--calls=f,tick")
    evicted = case.backend == "profile"  # nobody takes what is of sys.monitoring, or an evaluator
    assert [line["what"] for line in run.of_type("notice")] == ["evicted", "returned"] * evicted
    times = [line["dur_ns"] for line in run.of_type("return", func="f") if "dur_ns" in line]
    assert times and max(times) < 200000000, times
    assert run.of_type("call", func="tick")[-1]["depth"] == 1


@calls.on(minors=(8, 11, 12, 13, 15))
def test_an_audit_hook_may_let_go_of_the_gil(case, tmp_path):
    run = calls.trace(case, tmp_path, "calls_slow_hook.py", options=["--calls-level", "count"])
    [line] = run.of_type("func", func="work")
    assert line["calls"] == 400


def n_calls_and_notices(case, tmp_path, how):
    run = calls.trace(case, tmp_path, "calls_untold.py", how)
    seen = collections.Counter(line["func"] for line in run.of_type("call", kind="py"))
    return seen, [line["what"] for line in run.of_type("notice")], run.said["tools"]


@calls.on(minors=(12, 15), backends=("monitoring",))
@pytest.mark.parametrize("how", ["events", "free", "id"])
def test_who_takes_our_place_untold_is_noticed(case, tmp_path, how):
    seen, notices, tools = n_calls_and_notices(case, tmp_path, how)
    assert (seen["before"], seen["after"]) == (10, 10), seen
    assert seen["meanwhile"] <= 10, seen
    assert notices == ["evicted", "returned"]
    assert tools == ["another" if how == "id" else None, None]


@calls.on(minors=(9, 12, 15), backends=("eval",))
def test_who_takes_the_evaluators_place_is_noticed(case, tmp_path):
    seen, notices, _ = n_calls_and_notices(case, tmp_path, "evaluator")
    assert [seen[name] for name in ("before", "meanwhile", "after", "again")] == [10, 0, 0, 10], seen
    assert notices == ["evicted", "returned"]


@calls.on((8, 11, 13), backends=("profile",))
def test_what_was_kept_from_us_is_not_said_not_to_fit(case, tmp_path):
    done = harness.run_collector(["--calls=nobody", "--calls-backend", "profile", "-o",
                                  tmp_path / "out", "--", case.python.path, "-c",
                                  "import sys; sys.setprofile(print)\nsys.exit()"], tmp_path)
    [line] = done.stderr.decode().splitlines()
    assert "evicted" in line


@pytest.fixture(scope="module")
def evaluator(shared_tmp):
    """The library of a tool with an evaluator that hands on to the one that it found."""
    library = os.path.join(str(shared_tmp), "evaluator.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, harness.target("evaluator.c")],
                   check=True)
    return library


@calls.on(minors=(9, 12), backends=("eval",))
@pytest.mark.parametrize("then", ["nothing", "deep", "level", "start"])
def test_an_evaluator_over_ours_stays_there(case, evaluator, tmp_path, then):
    run = harness.collect([case.python.path, harness.target("calls_over.py"), evaluator, then],
                          tmp_path, lossy=then == "deep")
    said = json.loads(run.stdout)
    assert said["frames"] >= 10
    seen = collections.Counter(line["func"] for line in run.of_type("call"))
    for func in run.of_type("func"):
        seen[func["func"]] += func["calls"]
    assert [seen[name] for name in ("handed_on", "stopped", "after", "ours_again")] == \
        [10, 0, 10, 10], seen
    assert [line["what"] for line in run.of_type("notice")] == \
        ["evicted"] * (1 + (then == "start")) + ["returned"]
    if then == "deep":
        [lost] = [line for line in run.of_type("lost") if line["reason"] == "too_deep"]
        assert lost["count"] + seen["recurse"] == said["deep"] + 1, lost


@calls.on(minors=(8, 11, 12, 13, 15))
@pytest.mark.parametrize("who", ["nested", "thread"])
def test_who_stops_us_while_we_start(case, tmp_path, who):
    """From an audit hook that is called then, or while it lets go of the GIL."""
    done = subprocess.run(
        [case.python.path, harness.target("calls_meanwhile.py"), case.backend, who], timeout=60,
        env=harness.environment(tmp_path, PYTHONPATH=os.path.join(harness.BUILD, "python")),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr, done
    assert json.loads(done.stdout) == {"running": True, "calls": "record"}


@calls.on((8, 11), ("profile",))
def test_a_function_that_is_given_back_moves_no_other_threads_times(case, tmp_path):
    run = calls.trace(case, tmp_path, "calls_toggled.py", options=["--calls-level", "stats"])
    [loops] = [line for line in run.of_type("func") if line["func"] == "loops"]
    assert loops["calls"] == loops["primitive"] == 1
    assert abs(loops["cum_ns"] / 1e9 - run.said) < 0.02 and loops["own_ns"] < loops["cum_ns"]
    # cProfile is a tool of sys.monitoring from 3.12 on, and takes no thread's profile function.
    assert bool(run.of_type("notice", what="returned")) == (case.python.minor < 12)


IN_ANOTHER = """import json, sys
try:
    import _interpreters as module
except ImportError:
    import _xxsubinterpreters as module
version = sys.version_info
other = module.create("legacy") if version >= (3, 13) else \
    module.create(isolated=False) if version >= (3, 12) else module.create()
def work(): pass
def tools(): return [sys.monitoring.get_tool(i) for i in (3, 4)] if version >= (3, 12) else [None] * 2
work()
module.run_string(other, "import pyauditd; pyauditd.stop()")
work()
stopped = tools()
module.run_string(other, "import pyauditd; pyauditd.start(calls=True)")
for _ in range(3): work()
print(json.dumps([stopped, tools()]))
"""


@calls.on(minors=(8, 11, 12, 13, 15))
def test_start_and_stop_in_another_interpreter_are_those_of_the_main_one(case, tmp_path):
    run = harness.collect([case.python.path, "-c", IN_ANOTHER], tmp_path, [
        "-e", "open", "--calls", "--calls-backend", case.backend],
        {"PYTHONPATH": os.path.join(harness.BUILD, "python")})
    stopped, started = json.loads(run.stdout)
    can = not harness.free_threaded(case.python)  # there is no hook in there without a GIL
    assert stopped.count("pyauditd") == (not can)
    assert started.count("pyauditd") == (case.backend == "monitoring")
    assert sum(line["func"] == "work" for line in run.of_type("call")) == (4 if can else 5)
    assert not [line for line in run.of_type("notice") if line["what"] == "evicted"]
