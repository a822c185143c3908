# SPDX-License-Identifier: MIT
"""CPython without a GIL: threads that run at once, each with a lane of its own.

What harness.collect() checks holds in each of these runs; that the GIL stays off, the targets see
to. The other files of tests run on 3.13t too, as far as they run on every interpreter.
"""
import collections
import json
import os
import subprocess

import pytest

import calls
import harness
import test_fidelity

N = 8
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))


def pytest_generate_tests(metafunc):
    found = [python for python in harness.interpreters() if harness.free_threaded(python)]
    if "free" in metafunc.fixturenames:
        metafunc.parametrize("free", found or [None], ids=[p.name for p in found] or ["none"],
                             scope="module")


@pytest.fixture(autouse=True)
def there(free):
    if free is None:
        pytest.skip("no free-threaded CPython on this machine")


def trace(python, tmp, *what, options=("-e", "custom:free.*"), env=None, **more):
    return harness.collect([python.path, harness.target("free_threaded.py"), *what], tmp, options,
                           {"PYAUDITD_RING": "64m", **(env or {})}, **more)


def test_each_thread_is_told_as_the_oracle_saw_it(free, tmp_path):
    run = trace(free, tmp_path, "same", options=["-e", "all", "--no-redact"])
    [key] = run.keys
    lines = run.events(key=key)
    test_fidelity.compare(lines, harness.oracle_log(tmp_path, run.start(key)["pid"]))
    lanes = collections.defaultdict(set)
    for line in run.events("free.event"):
        lanes[line["args"]["_0"]].add((line["lane"], line["tid"]))
        assert (line["at"]["func"], line["at"]["file"]) == \
            ("mixture", harness.target("free_threaded.py")), line
    assert all(len(one) == 1 for one in lanes.values()), lanes
    assert len(set.union(*lanes.values())) == len(lanes) == N, "a lane for each thread"


def test_arguments_that_change_under_the_hook(free, tmp_path):
    run = trace(free, tmp_path, "changing", lossy=True)
    shown = 0
    for line in run.events("free.changing"):
        items, pairs, other = (line["args"][name] for name in ("_0", "_1", "_2"))
        if "_type" not in items:
            assert items == [["item", str(n)] for n in range(len(items))][:len(items)] or all(
                item[0] == "item" and 0 <= int(item[1]) < 200 for item in items), line
            shown += 1
        if "_type" not in pairs:
            pairs = pairs.get("_dict", pairs)
            assert all(value == {"value": [key]} for key, value in pairs), line
        assert other["_type"].endswith("Changing"), line
    assert shown > 3000


def test_functions_that_die_are_not_taken_for_their_successors(free, tmp_path):
    run = trace(free, tmp_path, "dying")
    lines = run.events("free.dying")
    assert len(lines) == 2000 + N * 100
    for line in lines:
        assert line["at"]["func"] == line["args"]["_0"], line
        assert line["at"]["line"] == int(line["args"]["_0"].split("_")[2]) % 7 + 2, line


def test_lanes_of_threads_that_ended_are_taken_again(free, tmp_path):
    rounds = 500 if LONG else 150
    run = trace(free, tmp_path, "short_lived", str(rounds))
    lines = run.events("free.short")
    assert len(lines) == 6 * rounds
    assert len({line["lane"] for line in lines}) <= 12
    assert max(line["lane"] for line in lines) <= 12


def test_lanes_are_taken_again_when_nobody_reads(free, tmp_path):
    code = ("import sys, struct, os, threading, pyauditd\n"
            "for n in range(400):\n"
            "    t = threading.Thread(target=sys.audit, args=('free.alone', n))\n"
            "    t.start()\n"
            "    t.join()\n"
            "print(pyauditd.status()['recorded'], pyauditd.status()['lost'])\n"
            "maps = [line for line in open('/proc/self/maps') if 'pyauditd.' in line]\n"
            "print(len(maps))\n")
    env = harness.environment(tmp_path, PYAUDITD="1", PYAUDITD_EVENTS="custom:free.*",
                              PYTHONPATH=os.path.join(harness.BUILD, "python", "site"))
    done = harness.subprocess.run([free.path, "-c", code], env=env, text=True, timeout=60,
                                  stdout=-1, stderr=-1)
    assert done.stdout.splitlines()[0] == "400 {}", done
    assert int(done.stdout.splitlines()[1]) <= 4, done


def test_flood_of_eight_threads_adds_up(free, tmp_path):
    run = trace(free, tmp_path, "flood", env={"PYAUDITD_RING": "1m"}, lossy=True)
    [key] = run.keys
    seen = collections.Counter(line["args"]["_0"] for line in run.events("free.flood"))
    last = dict.fromkeys(range(N), -1)
    for line in run.events("free.flood"):
        thread, n = line["args"]["_0"], line["args"]["_1"]
        assert n > last[thread], line
        last[thread] = n
    lost = sum(line["count"] for line in run.of_type("lost", key=key))
    assert sum(seen.values()) + lost == N * 20000
    assert run.stats(key)["attempted"] >= N * 20000


def test_start_and_stop_while_threads_run(free, tmp_path):
    trace(free, tmp_path, "on_and_off", env={"PYAUDITD_RING": "4m"}, lossy=True)


def test_forks_in_all_threads_at_once(free, tmp_path):
    run = trace(free, tmp_path, "forks")
    main = run.keys[0]
    assert len(run.keys) == 1 + N * 6
    for key in run.keys[1:]:
        lines = run.events(key=key)
        assert [line["event"] for line in lines] == ["free.child"] * 10, lines
        assert len({(line["args"]["_0"], line["args"]["_1"]) for line in lines}) == 1
        assert {line["args"]["_3"] for line in lines} == {run.start(key)["pid"]}
        assert [line["args"]["_2"] for line in lines] == [*range(5)] * 2
        assert len({line["tid"] for line in lines}) == 2
        assert run.start(key)["parent"] == main
    assert len(run.events("free.parent", key=main)) == N * 6


def test_lane_without_a_descriptor_and_without_a_name(free, tmp_path):
    run = trace(free, tmp_path, "waits")
    assert run.stdout == b"{}\n"
    assert sorted(line["args"]["_0"] for line in run.events("free.nameless")) == [*range(N)]


# ---- calls ----

def test_calls_of_each_thread_are_the_recorders(free, tmp_path):
    run = trace(free, tmp_path, "calls", options=["-e", "custom:none", "--calls"])
    [key] = run.keys
    said = collections.defaultdict(list)
    with open("%s.%d" % (tmp_path / "oracle", run.start(key)["pid"])) as file:
        for tid, row in json.load(file):
            said[tid].append(row)
    seen = calls.by_thread(run.lines)
    assert len(said) == N and set(said) <= set(seen)
    for tid, rows in said.items():
        calls.compare(rows, calls.rows(seen[tid], own=lambda file: file.endswith("calls_program.py")),
                      "thread %d" % tid)
        assert len(rows) > 1000
    assert len({line["lane"] for tid in said for line in seen[tid]}) == N


def test_the_module_profile_works_beside_threads_that_run(free, tmp_path):
    run = trace(free, tmp_path, "profiled", options=["-e", "custom:none", "--calls=outer",
                                                     "--calls-level", "count"])
    [line] = run.of_type("func", func="outer")
    assert line["calls"] == 500 and not run.stderr


def test_who_takes_our_place_in_another_thread_is_told(free, tmp_path):
    run = trace(free, tmp_path, "taken", options=["-e", "custom:none", "--calls=*inner",
                                                  "--calls-level", "count"])
    said = collections.Counter(line["what"] for line in run.of_type("notice"))
    assert run.stdout == b"0\n", "it was not there again"
    assert said["evicted"] == said["returned"] == 3, said


def test_what_one_of_many_lanes_holds_is_read_to_its_end(free, tmp_path):
    """By one that comes when the program is gone: each lane has its share of what is read in a round."""
    env = harness.environment(tmp_path, PYAUDITD="1", PYAUDITD_KEEP="1", PYAUDITD_CALLS="outer,inner",
                              PYAUDITD_EVENTS="custom:none",
                              PYTHONPATH=os.path.join(harness.BUILD, "python", "site"))
    with subprocess.Popen([free.path, harness.target("free_threaded.py"), "at_its_end"], env=env) as program:
        assert program.wait(60) == 0
    out = tmp_path / "out"
    done = harness.run_collector(["--post-mortem", str(program.pid), "-o", out], tmp_path)
    assert b" 0 were lost" in done.stderr, done
    seen = collections.Counter(line["func"] for line in map(json.loads, out.read_bytes().splitlines())
                               if line["type"] == "return")
    assert seen["inner"] == N + 60000 and seen["len"] == N + 60000


@pytest.mark.parametrize("level", ["count", "stats"])
@pytest.mark.parametrize("n_threads, n_calls, rounds", [
    (N, 5000, 1),
    (300, 1000, 1),  # more than there are lanes, and tables
    (N, 20, 100),  # tables change hands
])
def test_sums_of_all_threads_are_exact(free, tmp_path, level, n_threads, n_calls, rounds):
    run = trace(free, tmp_path, "sums", str(n_threads), str(n_calls), str(rounds), options=[
        "-e", "custom:none", "--calls=outer,inner", "--calls-level", level])
    sums = {line["func"]: line for line in run.of_type("func")}
    n_outer, n_inner = 2 * n_threads * rounds, n_threads * rounds * n_calls
    assert {name: sums[name]["calls"] for name in ("outer", "inner", "len")} == {
        "outer": n_outer, "inner": n_inner, "len": n_inner}
    assert not run.of_type("lost")
    if level == "stats":
        outer, inner = sums["outer"], sums["inner"]
        assert outer["cum_ns"] >= outer["own_ns"] + inner["cum_ns"] - 10 * n_inner
        assert inner["cum_ns"] >= inner["own_ns"] > 0


def test_calls_of_functions_that_die_are_not_their_successors(free, tmp_path):
    run = trace(free, tmp_path, "dying", options=["-e", "custom:free.*", "--calls=*.f_*,f_*"])
    inside = {}
    told = 0
    for line in run.lines:
        if line["type"] == "call" and line["kind"] == "py":
            inside[line["tid"]] = line["func"]
        elif line.get("event") == "free.dying":
            assert inside[line["tid"]] == line["args"]["_0"], line
            told += 1
    assert told == 2000 + N * 100



FLOODS = """
import sys, threading
def flood():
    for i in range(200000): sys.audit("free.event", i)
sys.audit("free.event", -1); print("ready", flush=True); sys.stdin.readline()
threads = [threading.Thread(target=flood) for _ in range(3)]
for one in threads: one.start()
for one in threads: one.join()
"""


def test_what_new_threads_overwrite_while_we_read_is_no_loss_of_before(free, tmp_path):
    target = subprocess.Popen(
        [free.path, "-c", FLOODS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=harness.environment(tmp_path, PYAUDITD="1", PYAUDITD_MODE="overwrite", PYAUDITD_RING="256k",
                                PYTHONPATH=os.path.join(harness.BUILD, "python", "site")))
    assert target.stdout.readline() == b"ready\n"
    out = tmp_path / "out"
    collector = subprocess.Popen([harness.COLLECTOR, "--pid", str(target.pid), "-e", "custom:free.*",
                                  "--fail-on-loss", "-c", "-o", out], stderr=subprocess.PIPE)
    while b'"start"' not in (out.read_bytes() if out.exists() else b""):
        assert collector.poll() is None
    target.communicate(b"\n", timeout=60)
    said = collector.communicate(timeout=60)[1].decode()
    assert collector.returncode == 3 and "lost: overwritten\n" in said, said
    assert "before we came" not in said


def test_what_runs_within_a_change_of_its_globals(free, tmp_path):
    """`x = None` holds the lock of the dict while the old value's __del__ runs: we read it all the same."""
    program = tmp_path / "replaced.py"
    program.write_text("import sys\n"
                       "class Replaced:\n"
                       "    def __del__(self): late()\n"
                       "def late(): sys.audit('free.late', globals())\n"
                       "replaced = Replaced()\n"
                       "replaced = None\n")
    run = harness.collect([free.path, str(program)], tmp_path,
                          ["-e", "custom:free.*", "--calls=__main__.*", "--no-c-calls"])
    calls_of = [(line["func"], line["module"]) for line in run.of_type("call")]
    assert calls_of == [(name, "__main__") for name in ("<module>", "Replaced", "Replaced.__del__", "late")]
    [event] = run.events("free.late")
    assert event["args"]["_0"]["__name__"] == "__main__"
