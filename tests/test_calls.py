# SPDX-License-Identifier: MIT
"""Calls and returns against oracles that we did not write: cProfile, and a recorder by
sys.setprofile, of the same program without us; and where those are blind, arithmetic.

Each back end on each interpreter. What takes longer runs in tests/long/calls.
"""
import collections
import json
import re
import subprocess

import pytest

import calls
import harness

PROGRAM = harness.target("calls_program.py")
N_RAW = 2000  # threads by _thread, one after the other
CASES = calls.cases()
ROOM = {"PYAUDITD_RING": "64m"}


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        minors = getattr(metafunc.function, "minors", None)
        chosen = [c for c in CASES if not minors or calls.LONG or c.python.minor in minors]
        metafunc.parametrize("case", chosen, ids=map(calls.name_of, chosen), scope="module")


def on(*minors):
    """The rest of the interpreters is for tests/long/calls."""
    def mark(function):
        function.minors = minors
        return function
    return mark


def counted(said, column):
    """By name and line, of which several lambdas may have the same."""
    counts = collections.Counter()
    for row in said.counts:
        counts[tuple(row[0])] += row[column]
    return counts


def own(file):
    return file == PROGRAM or file.startswith("<made")


class Said:
    """The oracles' words, one run per interpreter."""
    runs = {}

    def __init__(self, python, folder):
        path = folder / ("said-" + python.name)
        subprocess.run([python.path, PROGRAM, "said", path], check=True, timeout=60,
                       env=harness.environment(folder))
        with open(path) as f:
            self.__dict__.update(json.load(f))

    @classmethod
    def by(cls, python, folder):
        if python not in cls.runs:
            cls.runs[python] = cls(python, folder)
        return cls.runs[python]


@pytest.fixture(scope="module")
def said(case, shared_tmp):
    return Said.by(case.python, shared_tmp)


def trace(case, tmp, program, *words, options=(), **more):
    """A target with --calls; the Run, its `said` what the target printed."""
    run = harness.collect([case.python.path, harness.target(program), *words], tmp,
                          ["-e", "custom:none", "--calls", "--calls-backend", case.backend,
                           *options], {**ROOM, **more.pop("env", {})}, **more)
    lines = run.stdout.splitlines()
    run.said = json.loads(lines[-1]) if lines else None
    return run


def of_backend(case, rows):
    """The oracle's rows as far as this back end can see them."""
    return [row for row in rows if case.backend != "eval" or not row[0].startswith("c_")]


# ---- level record ----

@pytest.fixture(scope="module")
def recorded(case, tmp_path_factory):
    run = trace(case, tmp_path_factory.mktemp("recorded"), "calls_program.py", "traced",
                "body", "threads", "limit", "raw=%d" % (N_RAW if calls.LONG else 200))
    threads = calls.by_thread(run.lines)
    main = threads.pop(run.start(run.keys[0])["pid"])
    run.parts = calls.parts(main, ("body", "body_with_threads", "limit", "raw_threads"), PROGRAM)
    run.minor = case.python.minor
    run.others = [calls.rows(lines, own) for lines in threads.values()]
    return run


def test_every_event_is_the_recorders_in_its_order(case, recorded, said):
    calls.compare(of_backend(case, said.main), calls.rows(recorded.parts["body"], own), "body")


def test_calls_per_function_are_cprofiles(recorded, said):
    seen = collections.Counter(
        (line["func"], line["line"]) for line in recorded.parts["body"]
        if line["type"] == "call" and line["kind"] != "c" and own(line["file"]))
    assert seen == counted(said, 1)


def raw(rows):
    return rows[0][2:3] == ["raw_work"]


def test_every_thread_is_the_recorders(case, recorded, said):
    def in_order(threads):
        return sorted((of_backend(case, t) for t in threads), key=lambda t: (len(t), json.dumps(
            [row[:3] for row in t])))
    seen = [t for t in recorded.others if t and not raw(t)]
    seen.append(calls.rows(recorded.parts["body_with_threads"], own))
    for a, b in zip(in_order(said.threads), in_order(seen)):
        calls.compare(a, b, "a thread that begins with %s" % a[0])
    assert len(said.threads) == len(seen)


def test_threads_that_nobody_announces_are_seen_from_their_first_call(case, recorded):
    whole = of_backend(case, [
        ["call", "py", "raw_work", None], ["call", "py", "raw_step", None],
        ["return", "py", "raw_step", "return"], ["c_call", "_thread.lock.release"],
        ["c_return", "_thread.lock.release"], ["return", "py", "raw_work", "return"]])
    seen = collections.Counter(json.dumps([row[:3] + [None] if row[0] == "call" else row
                                           for row in t]) for t in recorded.others if raw(t))
    # The lock's release lets main go on, and at last stop: the last one may be cut there.
    assert sum(seen.values()) == (N_RAW if calls.LONG else 200)
    assert seen[json.dumps(whole)] >= sum(seen.values()) - 1, seen


def test_recursion_to_the_limit_is_as_deep_as_without_us(recorded, said):
    before, entered = recorded.said["limit"]
    # On 3.11 and 3.12, what comes from C takes more of the limit under any tool: as cProfile's,
    # where it began some calls deeper.
    assert entered == before or recorded.minor in (11, 12) and abs(entered - said.limit) <= 5
    lines = recorded.parts["limit"]
    seen = [line for line in lines if line["type"] == "call" and line["func"].startswith("dives")]
    assert len(seen) == entered
    calls.Thread(lines)


# ---- levels count and stats ----

def functions(run, wanted=own):
    """What func lines sum up since the start, by kind and name."""
    found = collections.defaultdict(collections.Counter)
    for line in run.of_type("func"):
        if line["kind"] == "c":
            key = "c", calls.full_name(line)
        elif wanted(line["file"]):
            key = "py", line["func"], line["line"]
        else:
            continue
        found[key].update({field: line[field] for field in (
            "calls", "primitive", "own_ns", "cum_ns")})
    return found


def of_kind(found, kind, field):
    return {key[1:]: line[field] for key, line in found.items() if key[0] == kind}


PARTS = {"raw_threads", "raw_work", "raw_step", "times", "spins", "naps", "main", "<module>"}


def check_counts(found, said, field="calls"):
    seen = {key: n for key, n in of_kind(found, "py", field).items() if key[0] not in PARTS}
    assert seen == {key: n for key, n in counted(said, 1 if field == "calls" else 2).items()
                    if key[0] not in PARTS}


@pytest.fixture(scope="module")
def summed(case, tmp_path_factory):
    run = trace(case, tmp_path_factory.mktemp("stats"), "calls_program.py", "traced", "body",
                "times", "raw=%d" % N_RAW, options=["--calls-level", "stats"])
    run.functions = functions(run)
    return run


def test_sums_are_cprofiles(summed, said):
    assert not summed.of_type("call") and not summed.of_type("return")
    check_counts(summed.functions, said)
    check_counts(summed.functions, said, "primitive")


def test_sums_have_every_thread(summed):
    found = of_kind(summed.functions, "py", "calls")
    seen = {key[0]: n for key, n in found.items() if key[0].startswith("raw")}
    assert seen == {"raw_threads": 1, "raw_work": N_RAW, "raw_step": N_RAW}


def test_times_are_what_the_program_measured(case, summed):
    measured = {name: ns for name, ns in summed.said["times"].items()}
    found = {key[1]: line for key, line in summed.functions.items() if key[0] == "py"}
    slack = 5e6
    assert abs(found["spins"]["own_ns"] - measured["spins"]) < slack
    assert found["spins"]["cum_ns"] - found["spins"]["own_ns"] < 1e5
    # Of calls within themselves the time counts once.
    assert found["naps"]["calls"] == 5 and found["naps"]["primitive"] == 1
    assert 15e6 <= found["naps"]["cum_ns"] <= measured["naps"] + slack
    assert found["times"]["cum_ns"] >= found["naps"]["cum_ns"] + found["spins"]["cum_ns"]
    assert found["times"]["own_ns"] < slack
    if case.backend == "eval":
        assert abs(found["naps"]["own_ns"] - found["naps"]["cum_ns"]) < 1e5
    else:
        sleep = summed.functions["c", "time.sleep"]
        assert sleep["calls"] == 5 and sleep["own_ns"] == sleep["cum_ns"] >= 15e6
        assert found["naps"]["own_ns"] < slack
    for line in summed.functions.values():
        assert line["cum_ns"] >= line["own_ns"] >= 0 and line["calls"] >= line["primitive"], line


def test_counts_are_cprofiles(case, said, tmp_path):
    run = trace(case, tmp_path, "calls_program.py", "traced", "body", options=[
        "--calls-level", "count", "--calls-file", PROGRAM + ",<made*"])
    assert not run.of_type("call") and not run.of_type("return")
    found = functions(run)
    check_counts(found, said)
    # C functions have the fate of their callers, so these are our own's: the recorder's.
    expected = collections.Counter(row[1] for row in of_backend(case, said.main)
                                   if row[0] == "c_call")
    seen = {key[0]: n for key, n in of_kind(found, "c", "calls").items()}
    extra = set(seen) - set(expected)
    assert all(re.match(r"pyauditd\._hook\.|builtins\.(print|len)$|_thread", n) for n in extra), extra
    assert {n: seen.get(n) for n in expected} == expected


# ---- how programs end ----

def test_what_a_program_did_is_there_however_it_ends(case, tmp_path):
    """The program and its fork children: each ends in another way, after so many calls."""
    run = trace(case, tmp_path, "calls_ends.py", status=5)
    ends = {run.start(key)["pid"]: key for key in run.keys}
    assert len(ends) == len(run.said["children"]) + 1
    for pid, how, n in run.said["children"] + [[run.said["pid"], "exit", run.said["n"]]]:
        lines = [line for line in run.lines if line["key"] == ends[pid]]
        for thread in calls.by_thread(lines).values():
            calls.Thread(thread)
        seen = collections.Counter(line["func"] for line in lines if line["type"] == "call")
        assert seen["leaf"] == n and seen["work"] == 1, (how, n, seen)
        back = collections.Counter(line["func"] for line in lines if line["type"] == "return")
        assert back["leaf"] == n, (how, n, back)
        assert back["work"] == (how != "in the middle"), (how, back)
