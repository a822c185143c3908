# SPDX-License-Identifier: MIT
"""Calls and returns against oracles that we did not write: cProfile, and a recorder by
sys.setprofile, of the same program without us; and where those are blind, arithmetic.

Each back end on each interpreter. What takes longer runs in tests/long/calls.
"""
import collections
import json
import subprocess

import pytest

import calls
import harness

pytest_generate_tests = calls.parametrize
PROGRAM = harness.target("calls_program.py")


def n_raw(case, long=calls.LONG):
    """Threads by _thread, one after the other. Up to 3.11, CPython does not tell of new ones."""
    return 2000 if long or case.python.minor < 12 else 200


def added(rows, column=1):
    """By name and line, of which several lambdas may have the same."""
    counts = collections.Counter()
    for row in rows:
        counts[tuple(row[0])] += row[column]
    return counts


def calls_said(case, said, ends=True):
    """Calls per function, as such a tool sees them: ends tells whether it asks for exceptions."""
    as_begins = case.python.minor >= 14 and (case.backend == "eval" or
                                             case.backend == "monitoring" and not ends)
    return comparable(case, added(said.begins if as_begins else said.counts))


def comparable(case, counts):
    if case.python.minor != 13 or case.backend != "eval":
        return counts
    return {key: n for key, n in counts.items() if not key[0].endswith("__init__")}


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


def not_comparable(case):
    """Names of functions that this back end sees elsewhere, or not, by what CPython does.

    From 3.12 on a frame is cleared before its evaluator returns, so what dies with its locals
    runs inside of it. On 3.13, specialised code enters __init__ without the evaluator.
    """
    if case.backend != "eval":
        return set()
    return {name for name, minors in {"__del__": (12, 13, 14, 15), "died": (12, 13, 14, 15),
                                      "__init__": (13,)}.items() if case.python.minor in minors}


def of_backend(case, rows):
    """Rows as far as this back end can be expected to say the same."""
    if case.backend != "eval":
        return rows
    rows = calls.without([row for row in rows if not row[0].startswith("c_")],
                         not_comparable(case))
    # Unless a tool asks for exceptions, a generator that has nothing to do is closed unrun.
    # Where coroutines yield None, nothing is closed.
    closed = case.python.minor >= 14 and rows[0][2] != "body_with_threads"
    return calls.without_closing(rows) if closed else rows


# ---- level record ----

@pytest.fixture(scope="module")
def recorded(case, tmp_path_factory):
    run = calls.trace(case, tmp_path_factory.mktemp("recorded"), "calls_program.py", "traced",
                "body", "threads", "raw=100", "waiting",
                "audits", "limit",
                lossy=True)
    # An evaluator takes C stack, of which 3.12 has little: there it steps aside in time.
    assert {line["reason"] for line in run.of_type("lost")} <= (
        {"too_deep"} if (case.backend, case.python.minor) == ("eval", 12) else set())
    threads = calls.by_thread(run.lines)
    main = threads.pop(run.start(run.keys[0])["pid"])
    run.parts = calls.parts(main, ("body", "body_with_threads", "limit", "audits"), PROGRAM)
    run.threads = threads
    return run


def test_every_event_is_the_recorders_in_its_order(case, recorded, said):
    seen = calls.rows(recorded.parts["body"], own)
    calls.compare(of_backend(case, said.main), of_backend(case, seen), "body")


def test_calls_per_function_are_cprofiles(case, recorded, said):
    seen = collections.Counter(
        (line["func"], line["line"]) for line in recorded.parts["body"]
        if line["type"] == "call" and line["kind"] != "c" and own(line["file"]))
    assert comparable(case, seen) == calls_said(case, said)


def calling(recorded, function):
    """The other threads in which it is called."""
    return [lines for lines in recorded.threads.values()
            if any(line["type"] == "call" and line["func"] == function for line in lines)]


def test_every_thread_is_the_recorders(case, recorded, said):
    def in_order(threads):
        return sorted((of_backend(case, t) for t in threads), key=lambda t: (len(t), json.dumps(
            [row[:3] for row in t])))
    apart = calling(recorded, "raw_work") + calling(recorded, "after_waiting")
    seen = [calls.rows(lines, own) for lines in recorded.threads.values() if lines not in apart]
    seen = [rows for rows in seen if rows]
    seen.append(calls.rows(recorded.parts["body_with_threads"], own))
    assert len(said.threads) == len(seen)
    for a, b in zip(in_order(said.threads), in_order(seen)):
        calls.compare(a, b, "a thread that begins with %s" % a[0])


def test_threads_that_nobody_announces_are_seen_from_their_first_call(case, recorded):
    whole = of_backend(case, [
        ["call", "py", "raw_work"], ["call", "py", "raw_step"],
        ["return", "py", "raw_step", "return"], ["c_call", "_thread.lock.release"],
        ["c_return", "_thread.lock.release"], ["return", "py", "raw_work", "return"]])
    seen = collections.Counter()
    for lines in calling(recorded, "raw_work"):
        seen[json.dumps([row[:3] if row[0] == "call" else row
                         for row in calls.rows(lines, own)])] += 1
    # The lock's release lets main go on, and at last stop: the last one may be cut there.
    assert sum(seen.values()) == 100 and seen[json.dumps(whole)] >= 99, seen


def test_threads_from_before_are_seen_from_then_on(recorded):
    found = calling(recorded, "after_waiting")
    assert len(found) == 4
    for lines in found:
        rows = calls.rows(lines, own)
        assert rows[0][2] == rows[-1][2] == "after_waiting", rows
        assert len(rows) == 2 + 2 * 67 and {row[2] for row in rows[1:-1]} == {"fib"}, rows


def test_audit_events_stand_where_they_happen(case, recorded):
    main = recorded.start(recorded.keys[0])["pid"]
    lines = [line for line in recorded.lines if line.get("tid") == main and "seq" in line]
    begin, end = (lines.index(recorded.parts["audits"][i]) for i in (0, -1))
    seen = [(line["type"], line.get("func") or line["at"]["func"]) for line in lines[begin:end + 1]]
    one = [("call", "audit"), ("audit", "audits"), ("return", "audit"), ("return", "audits")]
    assert seen == [("call", "audits")] * 4 + 4 * [
        row for row in one if case.backend != "eval" or row[1] != "audit"]


def test_recursion_to_the_limit_is_as_deep_as_without_us(case, recorded, said):
    before, entered = recorded.said["limit"]
    # On 3.11 and 3.12, what comes from C takes more of the limit under any tool: as much as
    # under cProfile, which began some calls deeper. And the evaluator takes none of it on 3.11.
    assert entered == before or case.python.minor in (11, 12) and \
        min(abs(entered - said.limit), abs(entered - before)) <= 5
    lines = recorded.parts["limit"]
    n = sum(line["type"] == "call" and line["func"].startswith("dives") for line in lines)
    # The evaluator is asked for a frame, too, that there is no room for: each of the dives' last.
    lost = sum(line["count"] for line in recorded.of_type("lost"))
    assert n == entered or case.backend == "eval" and entered < n <= entered + 2 or lost
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
        found[key].update({field: line.get(field, 0) for field in (
            "calls", "primitive", "own_ns", "cum_ns")})
    return found


def of_kind(found, kind, field):
    """Of what was called; not of what was open before."""
    return {key[1:]: line[field] for key, line in found.items() if key[0] == kind and line["calls"]}


PARTS = {"raw_threads", "raw_work", "raw_step", "times", "spins", "naps", "main", "<module>"}


def without_parts(counts):
    return {key: n for key, n in counts.items() if key[0] not in PARTS}


@pytest.fixture(scope="module")
def summed(case, tmp_path_factory):
    run = calls.trace(case, tmp_path_factory.mktemp("stats"), "calls_program.py", "traced", "body",
                "times", "raw=%d" % n_raw(case), options=["--calls-level", "stats"])
    run.functions = functions(run)
    return run


def test_sums_are_cprofiles(case, summed, said):
    assert not summed.of_type("call") and not summed.of_type("return")
    seen = comparable(case, without_parts(of_kind(summed.functions, "py", "calls")))
    expected = without_parts(calls_said(case, said))
    assert seen == expected
    same = {key for key, n in added(said.counts).items() if expected.get(key) == n}
    seen = of_kind(summed.functions, "py", "primitive")
    assert {key: seen[key] for key in same} == \
        {key: n for key, n in added(said.counts, 2).items() if key in same}


def test_sums_have_every_thread(case, summed):
    found = of_kind(summed.functions, "py", "calls")
    seen = {key[0]: n for key, n in found.items() if key[0].startswith("raw")}
    n = n_raw(case)
    assert seen == {"raw_threads": 1, "raw_work": n, "raw_step": n}


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


def of_open_calls(case, tmp_path, *words, files=harness.target("calls_open.py")):
    """The sums, by function, and how many ns each word took."""
    run = calls.trace(case, tmp_path, "calls_open.py", *words, options=[
        "--calls-level", "stats", "--calls-file", files])
    assert not any(line["calls"] == 0 and line["module"].startswith("pyauditd")
                   for line in run.of_type("func"))
    sums = {key[1]: line for key, line in functions(
        run, wanted=lambda file: file == harness.target("calls_open.py")).items()}
    return sums, {name: seconds * 1e9 for name, seconds in run.said.items()}


@calls.on(minors=(8, 11, 13, 14))
def test_what_does_not_return_has_its_time_so_far(case, tmp_path):
    found, took = of_open_calls(case, tmp_path, "returns=0.6", "stays=1.5")
    late = 2**30 + 50e6  # ticks of a nanosecond, or less
    for name in took:
        assert found[name]["calls"] == 4 and found[name]["primitive"] == 1, found[name]
    assert abs(found["returns"]["cum_ns"] - took["returns"]) < 5e6
    assert found["returns"]["own_ns"] < 1e6
    assert abs(found["loops"]["cum_ns"] - took["returns"]) < 5e6
    parts = [found[name]["own_ns"] for name in ("loops", "steps", "time.perf_counter") if name in found]
    assert abs(sum(parts) - took["returns"]) < 5e6
    assert took["stays"] - late < found["stays"]["cum_ns"] < took["stays"]
    inside = sum(line["own_ns"] for name, line in found.items() if name != "<module>")
    assert sum(took.values()) - late < inside < sum(took.values())


@calls.on(minors=(8, 11, 13, 14))
def test_what_was_open_before_has_its_time_since_and_no_call(case, tmp_path):
    seconds = 0.3 if case.backend != "eval" else 1.3  # so that what is open would be added up
    found, took = of_open_calls(case, tmp_path, "before=%s" % seconds, files="/")
    assert found["loops"]["calls"] == 1 and found["loops"]["cum_ns"] > (seconds - 0.001) * 1e9
    if case.backend == "eval":
        assert "before" not in found
        return
    assert found["before"]["calls"] == found["before"]["primitive"] == 0
    assert 0 < found["before"]["own_ns"] < found["before"]["cum_ns"] - found["loops"]["cum_ns"] + 1000
    assert found["before"]["cum_ns"] < took["before"]
    assert found["before"]["cum_ns"] <= found["<module>"]["cum_ns"]


@calls.on(minors=(11, 13), backends=("profile", "monitoring"))
def test_of_very_deep_calls_the_innermost_have_their_times(case, tmp_path):
    found, took = of_open_calls(case, tmp_path, "before_deep=1.5")
    for name in ("even", "odd"):
        assert found[name]["calls"] == 0 and found[name]["cum_ns"] > 1.4e9, found[name]


def test_counts_are_cprofiles(case, said, tmp_path):
    run = calls.trace(case, tmp_path, "calls_program.py", "traced", "body", options=[
        "--calls-level", "count", "--calls-file", PROGRAM + ",<made*"])
    assert not run.of_type("call") and not run.of_type("return")
    found = functions(run)
    assert comparable(case, without_parts(of_kind(found, "py", "calls"))) == \
        without_parts(calls_said(case, said, ends=False))
    # C functions have the fate of their callers, so these are our own's: the recorder's.
    expected = collections.Counter(row[1] for row in of_backend(case, said.main)
                                   if row[0] == "c_call")
    seen = {key[0]: n for key, n in of_kind(found, "c", "calls").items()}
    extra = set(seen) - set(expected)
    assert extra <= {"builtins.str.partition"}, "main() calls nothing else"
    assert {n: seen.get(n) for n in expected} == expected


METHODS = """
class Odd(list):
    pass

def main():
    items, odd = [], Odd([1])
    for i in range(3):
        list.append(items, i)
        object().__sizeof__()
        for arguments in (), (5, i):
            try:
                list.append(*arguments)
            except TypeError:
                pass
            try:
                list.append(i, i) if arguments else object.__sizeof__()
            except TypeError:
                pass
    odd.sort(key=lambda x: [list.append(items, x), odd.copy(), dict.get({}, x)])

main()
"""


@calls.on(backends=("monitoring",))
def test_what_is_no_call_of_a_method_ends_none(case, tmp_path):
    """Without a filter: with one, each function is looked up twice."""
    run = harness.collect([case.python.path, "-c", METHODS], tmp_path, [
        "-e", "custom:none", "--calls"])
    [lines] = calls.parts(run.lines, {"main"}, "<string>").values()
    thread = calls.Thread([line for line in lines if line["type"] in ("call", "return")])
    assert not thread.open
    found = collections.Counter(line["func"] for line in lines if calls.is_c(line))
    assert found == {"list.append": 8, "list.sort": 2, "list.copy": 2, "dict.get": 2,
                     "object.__sizeof__": 6}, found


# ---- how programs end ----

@calls.on(minors=(8, 11, 13, 15))
def test_what_a_program_did_is_there_however_it_ends(case, tmp_path):
    """The program and its fork children: each ends in another way, after so many calls."""
    run = calls.trace(case, tmp_path, "calls_ends.py", status=5)
    ends = {run.start(key)["pid"]: key for key in run.keys}
    assert len(ends) == len(run.said["children"]) + 1
    for pid, how, n in run.said["children"] + [[run.said["pid"], "exit", run.said["n"]]]:
        lines = [line for line in run.lines if line["key"] == ends[pid]]
        for thread in calls.by_thread(calls.behind_mark(lines)).values():
            calls.Thread(thread)
        seen = collections.Counter(line["func"] for line in lines if line["type"] == "call")
        assert seen["leaf"] == n and seen["work"] == 1, (how, n, seen)
        back = collections.Counter(line["func"] for line in lines if line["type"] == "return")
        assert back["leaf"] == n, (how, n, back)
        assert back["work"] == (how != "in the middle"), (how, back)


@calls.on(backends=("eval",), minors=(9, 11, 13, 15))
def test_a_child_forked_beside_a_deep_thread_is_seen(case, tmp_path):
    run = harness.collect([case.python.path, "-W", "ignore", harness.target("calls_fork_deep.py")],
                          tmp_path, ["--calls=__main__", "--calls-backend", "eval"], lossy=True)
    assert len(run.of_type("call", func="work")) == 1000


@calls.on(backends=("profile", "monitoring"), minors=(10, 13, 14, 15))
def test_a_type_in_the_place_of_a_dead_one_has_its_own_name(case, tmp_path):
    run = harness.collect([case.python.path, harness.target("calls_types.py")], tmp_path,
                          ["-e", "all=count", "--calls=__main__", "--calls-backend", case.backend])
    called = [line["module"] + "." + line["func"] for line in run.of_type("call", kind="c")
              if line["func"].endswith(".__new__")]
    assert called == run.stdout.decode().split()


@calls.on((8, 11, 13, 15), ("profile", "monitoring"))
def test_functions_in_c_have_the_names_of_who_defines_them(case, tmp_path):
    run = harness.collect([case.python.path, harness.target("calls_names.py")], tmp_path,
                          ["-e", "all=count", "--calls=__main__.main", "--calls-backend", case.backend])
    inner = ["new", "sha3_224", "sha3_512", "__new__"]  # making an object
    called = [line["module"] + "." + line["func"] for line in run.of_type("call", kind="c")
              if line["func"].split(".")[-1] not in inner]
    assert called == 2 * run.stdout.decode().split()


@calls.on((11, 13), ("profile", "monitoring"))
def test_an_exception_as_a_function_begins_moves_no_other_call(case, tmp_path):
    """From a signal handler: CPython may tell of the end of a call of which it did not tell."""
    run = calls.trace(case, tmp_path, "calls_signals.py", calls="--calls=__main__",
                      options=["--no-c-calls"], env={"PYAUDITD_RING": "128m", "PYAUDITD_MODE": "block"})
    depth = collections.defaultdict(set)
    for line in run.of_type("call"):
        depth[line["func"]].add(line["depth"])
    base = min(depth["main"])
    assert {name: depth[name] for name in ("main", "outer", "inner", "middle", "leaf")} == {
        "main": {base}, "outer": {base + 1}, "inner": {base + 2}, "middle": {base + 3},
        "leaf": {base + 4}}
    unknown = [line for line in run.of_type("return") if "dur_ns" not in line]
    assert {line["how"] for line in unknown} <= {"unwind"}
    assert not {"main", "outer"} & {line["func"] for line in unknown}


BOUND = """import types
a, numbers = [], [3, 1, 2]
length, append = types.MethodType(len, numbers), types.MethodType(list.append, a)
order = types.MethodType(sorted, [3, 1])
def key(x):
    order()
    return x
def leaf():
    pass
def main():
    for i in range(5):
        length()
        append(i)
    length(*())
    sorted(range(9), key=key)
    leaf()
main()
"""


@calls.on(minors=range(12, 16), backends=["monitoring"])
@pytest.mark.parametrize("level", ["record", "stats", "count"])
def test_methods_that_are_bound_to_functions_in_c(case, tmp_path, level):
    """Up to 3.13 CPython tells of another object when they are called than when they return."""
    run = harness.collect([case.python.path, "-c", BOUND], tmp_path, [
        "-e", "custom:none", "--calls=__main__", "--calls-backend", case.backend,
        "--calls-level", level])
    names = "len", "append", "sorted", "leaf"
    if level == "record":
        seen = {name: [line["type"] for line in run.lines if line["type"] in ("call", "return")
                       and line["func"].rpartition(".")[2] == name] for name in names}
        assert all(types.count("call") == types.count("return") for types in seen.values()), seen
        assert all("dur_ns" in line for line in run.of_type("return") if line["func"] != "<module>")
        counts = {name: types.count("call") for name, types in seen.items()}
        assert {line["depth"] for line in run.of_type("call") if line["func"] == "leaf"} == {3}
    else:
        counts = {line["func"].rpartition(".")[2]: line["calls"] for line in run.of_type("func")}
    # Of length(*()) nothing is told.
    assert {name: counts.get(name) for name in names} == \
        {"len": 5, "append": 5, "sorted": 10, "leaf": 1}


GAP = """import threading, time, pyauditd
g1, g2 = threading.Lock(), threading.Lock(); g1.acquire(); g2.acquire()
def inner(g): g.acquire()
def work(): inner(g1); inner(g2)
t = threading.Thread(target=work); t.start()
time.sleep(0.1); pyauditd.stop()
g1.release(); time.sleep(0.3)
pyauditd.start(); time.sleep(0.1)
g2.release(); t.join()
"""


@calls.on(minors=(8, 11, 13, 15))
def test_no_time_bridges_a_stop(case, tmp_path):
    """One call of the function ends and another begins meanwhile, in another thread."""
    run = harness.collect([case.python.path, "-c", GAP], tmp_path, [
        "-e", "custom:none", "--calls=inner", "--no-c-calls", "--calls-backend", case.backend],
        {"PYTHONPATH": harness.BUILD + "/python"})
    assert len(run.of_type("call")) == 1
    assert not any("dur_ns" in line for line in run.of_type("return"))
