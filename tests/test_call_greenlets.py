# SPDX-License-Identifier: MIT
"""Greenlets: a return belongs to a call of its own greenlet. The oracle is the program's own
account (tests/targets/greenlets.py): each call's time lies between what the function measures and
what its caller does."""
import collections

import pytest

import calls
import fetched
import harness

pytest_generate_tests = calls.parametrize
NAMES = ("first", "second", "outermost")
STEPS = "3000" if calls.LONG else "400"


def environment(case):
    return {"PYTHONPATH": str(fetched.package(case.python, "greenlet")), "PYAUDITD_MODE": "block"}


@pytest.fixture(scope="module")
def traced(case, shared_tmp):
    """One run of the program for each way of asking."""
    runs = {}

    def ask(*options, **more):
        key = repr((options, more))
        if key not in runs:
            runs[key] = calls.trace(case, shared_tmp, "greenlets.py", str(case.python.minor), STEPS,
                                    options=options, env=environment(case), **more)
        return runs[key]
    return ask


@calls.on((8, 10, 11, 12, 13))
def test_each_return_is_of_its_own_call(case, traced):
    check(traced())


@calls.on((9, 13))
def test_a_change_inside_a_c_call_that_is_not_seen_is_found_out(case, traced):
    check(traced("--no-c-calls"))


@calls.on((9, 13))
def test_a_change_in_functions_that_are_left_out_is_found_out(case, traced):
    check(traced(calls="--calls=" + ",".join("__main__." + name for name in NAMES)), gaps=True)


@calls.on((8, 10, 11, 13))
@pytest.mark.parametrize("root", ["function", "generator"])
@pytest.mark.parametrize("level", ["record", "stats"])
def test_what_is_open_when_greenlets_come_is_the_threads_own(case, tmp_path, root, level):
    names = {"waits": ("waits",), root: ("a", "b")}
    run = calls.trace(case, tmp_path, "greenlets_first.py", root, env=environment(case), options=[
        "--no-c-calls", "--calls-level", level],
        calls="--calls=" + ",".join("__main__." + name for name in [*names, "last"]))
    own = [line for line in run.of_type("call") if line["func"] in ("waits", "last")]
    assert len(own) == 3 * (level == "record")
    assert not any("greenlet" in line for line in own)
    for name, parts in names.items():
        inside = sum(run.said[part] for part in parts)
        if level == "stats":
            [line] = [line for line in run.of_type("func") if line["func"] == name]
            assert line["primitive"] == line["calls"] >= len(parts)  # a generator may be closed
            took = line["cum_ns"]
        else:
            took = sum(line["dur_ns"] for line in run.of_type("return") if line["func"] == name)
        assert inside * 0.999 - 2000 <= took <= inside * 1.001 + 10000000, (name, inside, took)


def test_memory_that_is_used_again_is_of_another_greenlet(case, tmp_path):
    run = calls.trace(case, tmp_path, "greenlets_reuse.py", calls="--calls=__main__.seen",
                      options=["--no-c-calls"], env=environment(case))
    seen = [line.get("greenlet", 0) for line in run.lines if line["type"] == "call"]
    assert seen.pop() == seen[0] == 0
    assert run.said + 1 == len(seen) == len(set(seen))


def check(run, gaps=False):
    lines = calls.by_thread(run.lines)
    for tid, account in run.said.items():
        greenlets = compare(lines[int(tid)], account["calls"], account["order"])
        if not gaps:  # else the number of one that has ended may come again
            assert len(set.union(*greenlets.values())) == len(greenlets)
            assert greenlets[0] == {0}  # the thread's own stack is the first that is seen
    for of_one in calls.by_greenlet(run.lines).values():
        calls.Thread(of_one, gaps)


def compare(lines, measured, order):
    """The lines of one thread, and its account: the same calls of the same functions, in the same
    order, on the same greenlets."""
    seen = [line for line in lines if line["func"] in NAMES]
    greenlets = collections.defaultdict(set)
    assert len(seen) == len(order)
    for line, (what, number) in zip(seen, order):
        name, greenlet, inside, outside = measured[number]
        assert (line["type"], line["func"]) == (what, name), (line, number)
        greenlets[greenlet].add(line.get("greenlet", 0))
        if what == "return":
            # The clocks differ by a few millionths, and each time is rounded.
            assert inside * 0.999 - 2000 <= line["dur_ns"] <= outside * 1.001 + 2000, \
                (line, inside, outside)
    assert len(greenlets) > 20 and all(len(numbers) == 1 for numbers in greenlets.values())
    return greenlets


@calls.on((9, 12, 14))
@pytest.mark.parametrize("c_calls", [(), ("--no-c-calls",)], ids=["all", "python"])
def test_sums_are_of_calls_on_one_greenlet(case, traced, c_calls):
    """Level stats: a call is primitive when its own greenlet has no other of the function."""
    run = traced("--calls-level", "stats", *c_calls)
    sums = {line["func"]: line for line in run.of_type("func") if line["module"] == "__main__"}
    totals = collections.Counter()
    for account in run.said.values():
        totals.update(totals_of(**account))
    for name in NAMES:
        line = sums[name]
        assert line["calls"] == totals["calls", name]
        assert line["primitive"] == totals["primitive", name]
        assert totals["inside", name] * 0.999 <= line["cum_ns"] <= totals["outside", name] * 1.001
        assert line["own_ns"] <= totals["own", name] * 1.001


def totals_of(calls, order):
    """Sums of an account, by what they are and the function: `own` is as much as it may have had
    for itself."""
    totals, open_calls = collections.Counter(), collections.defaultdict(list)
    for what, number in order:
        name, greenlet, inside, outside = calls[number]
        stack = open_calls[greenlet]
        if what == "return":
            stack.pop()
            continue
        totals["calls", name] += 1
        totals["own", name] += outside
        if stack:
            totals["own", stack[-1]] -= inside
        if name not in stack:
            totals["primitive", name] += 1
            totals["inside", name] += inside
            totals["outside", name] += outside
        stack.append(name)
    return totals


WAITING = 4000


@calls.on((10, 13))
@pytest.mark.parametrize("level", ["record", "stats", "count"])
def test_thousands_may_wait_inside_their_calls(case, tmp_path, level):
    run = calls.trace(case, tmp_path, "greenlets_waiting.py", str(WAITING), calls="--calls=__main__",
                      options=["--no-c-calls", "--calls-level", level], env=environment(case))
    assert run.said == WAITING
    lines = [line for line in run.lines if line.get("func") in ("wait", "work")]
    if level != "record":
        assert [line["calls"] for line in lines] == [WAITING] * 2
        return
    assert len(lines) == 4 * WAITING
    greenlets = calls.by_greenlet(lines)
    assert len(greenlets) == WAITING
    for of_one in greenlets.values():
        assert [(line["type"], line["func"]) for line in of_one] == [
            ("call", "work"), ("call", "wait"), ("return", "wait"), ("return", "work")]
        assert of_one[2]["dur_ns"] <= of_one[3]["dur_ns"] + 1


@calls.on((8, 13), ("profile", "monitoring"))
def test_what_was_open_before_is_its_own_greenlets(case, tmp_path):
    run = calls.trace(case, tmp_path, "greenlets_open.py", env=environment(case), options=[
        "--calls-level", "stats", "--calls-file", harness.target("greenlets_open.py")])
    found = {line["func"]: line for line in run.of_type("func") if line["kind"] == "py"}
    took = {name: seconds * 1e9 for name, seconds in run.said.items()}
    assert found["ends"]["cum_ns"] <= took["ends"] and found["ends"]["own_ns"] < 5e6
    for name in ["hub"] + ["loop%d" % i for i in range(12)]:
        # As far as the last look, at most 2^30 ticks of a nanosecond ago.
        assert took["all"] - took["ends"] - 1.2e9 < found[name]["cum_ns"], (name, found[name])


@calls.on((11, 13), ("profile", "monitoring"))
def test_call_whose_end_is_not_told_has_times_to_the_next_look_at_most(case, tmp_path):
    run = calls.trace(case, tmp_path, "greenlets_unheard.py", env=environment(case), options=[
        "--calls-level", "stats", "--no-c-calls", "--calls-file", harness.target("greenlets_unheard.py")])
    found = {line["func"]: line for line in run.of_type("func")}
    assert found["waits"]["own_ns"] < 1.2e9
    assert found["loops"]["own_ns"] + found["step"]["own_ns"] > run.said * 1e9 - 1.2e9
    assert found["loops"]["own_ns"] > 3e8
