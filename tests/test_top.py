# SPDX-License-Identifier: MIT
"""auditd-collect top: its figures are the true ones whatever the rings lose, it disturbs nobody, and
it can be used on a real terminal."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

import harness
from test_verbs import CONTROL
from world import PATIENCE, SITE, needs_world, numbers, stage, wait_until  # noqa: F401

N, M, K = 30000, 2000, 12345


def top(tmp, *arguments, status=0, env=None, **more):
    """Run it; stdout and stderr as text."""
    done = subprocess.run([harness.COLLECTOR, "top", *map(str, arguments)], cwd=tmp,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env=env or harness.environment(tmp, MALLOC_PERTURB_="165"), **more)
    assert done.returncode == status, done
    return done.stdout.decode(), done.stderr.decode()


def looks(text):
    """JSON, object by object; others' garbage in /dev/shm is told among them."""
    return [json.loads(line, object_pairs_hook=harness.without_twins)
            for line in text.splitlines() if not line.startswith("auditd-collect: /pyauditd.")]


def by(rows, field):
    return {row[field]: row for row in rows}


# ---- exact ----

def test_totals_are_the_true_ones_however_much_is_lost(python, tmp_path):
    """The ring has room for 4,096 slots, and everything is recorded into it."""
    env = harness.environment(tmp_path, PYAUDITD_RING="256k")
    _, err = top(tmp_path, "-b", "-d", "0.2", "--format", "json", "-e", "all", "--calls",
                 "--calls-level", "stats", "--", python.path, harness.target("counted.py"), N, M, K,
                 env=env, input=b"")
    last = looks(err)[-1]
    events = by(last["events"], "event")
    assert (events["counted.open"]["total"], events["counted.import"]["total"]) == (N, M)
    if not harness.free_threaded(python):
        [function] = [row for row in last["functions"] if row["func"] == "counted"]
        assert function["calls"] == K and function["cum_ns"] >= function["own_ns"] > 0
    [process] = last["processes"]
    assert process["state"] == "ended"
    lost = by(last["losses"], "reason")
    assert lost["no_reader"]["total"] > N // 2
    assert last["sum_events"]["total"] == sum(row["total"] for row in last["events"])
    assert process["recorded"]["total"] + process["lost"]["total"] + \
        process["no_reader"]["total"] <= last["sum_events"]["total"] + \
        harness.free_threaded(python)  # a notice, that calls are not traced, is recorded there, too
    assert process["high_water_slots"] == process["ring_slots"] == 4096


@needs_world
def test_beside_a_collector_and_other_tops(stage):  # noqa: F811
    """All see the same, and the collector misses nothing."""
    target = stage.target()
    collector = stage.attached("--pid", target.inner)
    outs = [os.path.join(str(stage.tmp), "top.%d" % i) for i in range(2)]
    tops = [stage.collector("top", "-b", "-d", "0.1", "--format", "json", "--pid", target.inner,
                            out=None, stdout=open(out, "wb")) for out in outs]
    wait_until(lambda: all(os.path.getsize(out) > 0 for out in outs), "both look")
    for _ in range(10):
        target.do("step", 100)
    time.sleep(0.25)
    for one in tops:
        one.signal(signal.SIGTERM)
        assert one.wait() == 0
    assert numbers(collector.stop()) == list(range(1000))
    for out in outs:
        with open(out) as file:
            seen = looks(file.read())
        assert by(seen[-1]["events"], "event")["driven.step"]["total"] == 1000
        assert max(look["sum_events"]["rate"] for look in seen) > 100
        assert all(not look["losses"] for look in seen)


@needs_world
def test_family_is_found_and_the_dead_stay_for_a_while(stage):  # noqa: F811
    target = stage.target()
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", "--pid", target.inner,
                                 out=None, stdout=file)
        wait_until(lambda: os.path.getsize(out) > 0, "it looks")
        child = int(target.do("spawn"))
        target.do("step", 7)
        target.end()
        assert looker.wait() == 0
    with open(out) as file:
        last = looks(file.read())[-1]
    processes = by(last["processes"], "pid")
    assert len(processes) == 2 and last["alive"] == 0 and last["ended"] == 2, processes
    assert {row["state"] for row in processes.values()} == {"ended"}
    assert [row["total"] for row in last["events"] if row["event"] == "driven.child"] == [3]
    assert child in [int(row["key"].split(":")[1]) for row in processes.values()]
    assert not stage.world.segments(), "the hooks remove them, as without us"


def test_command_leaves_no_segment_and_its_status_is_ours(tmp_path):
    before = os.listdir("/dev/shm")
    out, err = top(tmp_path, "-b", "--line", "-d", "0.1", "--", "/usr/bin/python3", "-c",
                   "print(3); raise SystemExit(4)", status=4)
    assert out == "3\n" and err.splitlines()[0].split() == [
        "procs", "ev/s", "calls/s", "rec/s", "lost/s", "bytes/s"]
    assert os.listdir("/dev/shm") == before


def test_one_that_is_gone_at_once_is_known_by_what_it_said(tmp_path):
    for _ in range(10):
        _, err = top(tmp_path, "-b", "--format", "json", "--", "/usr/bin/python3", "-c", "pass")
        [process] = looks(err)[-1]["processes"]
        assert process["argv"][1:] == ["-c", "pass"] and process["ppid"] > 0


# ---- the events themselves ----

TOUCH = """
import os, socket, subprocess, sys
for i in range(300): open(os.devnull).close()
for i in range(200): open("/etc/hosts").close()
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
port = listener.getsockname()[1]
for i in range(7): socket.create_connection(("127.0.0.1", port)).close()
subprocess.call(["true", "secret"])
sys.audit("mark.last", "\x1b[31m")
print(port)
"""


def test_what_events_touch_and_the_last_of_them(python, tmp_path):
    out, err = top(tmp_path, "-b", "-d", "0.2", "--format", "json", "--view", "all", "-e", "+import",
                   "--", python.path, "-c", TOUCH)
    last = looks(err)[-1]
    targets = {(row["kind"], row["target"]): row["total"] for row in last["targets"]}
    assert targets["path", os.devnull] >= 300 and targets["path", "/etc/hosts"] == 200
    # bind() and connect(): of the same address
    assert targets["address", "127.0.0.1:" + out.strip()] == 7 + 7  # and getaddrinfo()
    assert targets["command", "true"] >= 1 and targets["module", "socket"] >= 1
    assert not any("secret" in target for _, target in targets)
    assert all(row["error"] == 0 for row in last["targets"])
    assert (last["read"], last["read_by_others"], last["losses"]) == (0, 0, [])
    assert last["sum_calls"] == {"total": 0, "rate": 0}, "no call was asked for"
    lines = [row["line"] for row in last["tail"]]
    assert "mark.last" in [line.split()[2] for line in lines] and not CONTROL.search("".join(lines))
    assert [line[:15] for line in lines] == sorted((line[:15] for line in lines), reverse=True)
    assert "u001B[31m" in by(last["events"], "event")["mark.last"]["last"]


def test_targets_are_bounded_and_say_how_far_they_are_off(tmp_path):
    """Ten thousand names, one of them often: it is there, and its count is within its error."""
    program = ("for i in range(30000): open('/dev/null' if i % 3 == 0 else '/proc/self/stat').close()"
               " if i % 3 < 2 else os.access('x', 0) or sys.audit('open', '/tmp/%d' % i, 'r', 0)")
    _, err = top(tmp_path, "-b", "-d", "0.2", "--format", "json", "--view", "targets", "--",
                 "/usr/bin/python3", "-c", "import os, sys\n" + program,
                 env=harness.environment(tmp_path, PYAUDITD_MODE="block"))
    last = looks(err)[-1]
    rows = by(last["targets"], "target")
    assert len(rows) <= 1024 and max(row["error"] for row in rows.values()) <= 30100 / 896
    for name in ("/dev/null", "/proc/self/stat"):
        assert 10000 <= rows[name]["total"] <= 10010 + rows[name]["error"]
    assert all(1 <= row["total"] - row["error"] for row in rows.values())


@needs_world
def test_it_gives_way_to_a_collector(stage):  # noqa: F811
    """Who only looks reads where nobody does, and leaves as soon as somebody wants to."""
    target = stage.target()
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", "--view", "tail",
                                 "--pid", target.inner, out=None, stdout=file)
        target.do("audit", "before.it", 1)
        wait_until(lambda: "before.it" in open(out).read(), "it reads")
        start = time.monotonic()
        collector = stage.attached("--pid", target.inner)
        assert time.monotonic() - start < 3
        target.do("step", 1000)
        wait_until(lambda: looks(open(out).read().rpartition("\n")[0])[-1]["read_by_others"] == 1,
                   "it says so")
        assert numbers(collector.stop()) == list(range(1000))
        target.do("audit", "after.it", 1)
        wait_until(lambda: "after.it" in open(out).read(), "it reads again")
        everybody = stage.collector("--all")
        everybody.wait_attached()
        target.do("step", 3)
        assert numbers(everybody.stop()) == [1000, 1001, 1002]
        looker.signal(signal.SIGTERM)
        assert looker.wait() == 0
    target.end()
    assert not stage.world.segments()


@needs_world
def test_what_ends_while_it_is_read_is_removed(stage):  # noqa: F811
    target = stage.target()
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", "--view", "tail",
                                 "--pid", target.inner, out=None, stdout=file)
        wait_until(lambda: '"read":1' in open(out).read(), "it reads")
        target.do("step", 5)
        target.end()
        assert looker.wait() == 0
    assert open(out).read().splitlines()[-1].count("driven.step") == 5
    assert not stage.world.segments()


# ---- beside somebody who reads ----

class Looker:
    """A top that prints JSON into a file."""

    def __init__(self, stage, pid, *options):
        self.out = os.path.join(str(stage.tmp), "top.%d" % len(stage.programs))
        self.program = stage.collector(
            "top", "-b", "-d", "0.1", "--format", "json", "--view", "targets", "--view", "tail",
            "--pid", pid, *options, out=None, stdout=open(self.out, "wb"))
        wait_until(lambda: os.path.getsize(self.out) > 0, "it looks")

    def last(self):
        with open(self.out) as file:
            return looks(file.read().rpartition("\n")[0])[-1]

    def counts(self):
        """Of the files of driven.opens()."""
        return {row["target"]: row["total"] for row in self.last()["targets"]
                if row["target"].startswith("/driven/")}

    def shows(self, condition, what):
        wait_until(lambda: condition(self.last()), what)
        return self.last()

    def settles(self):
        """Two looks without a new record."""
        def same():
            with open(self.out) as file:
                seen = [look["records_seen"] for look in looks(file.read().rpartition("\n")[0])]
            return seen[-3:].count(seen[-1]) == 3
        time.sleep(0.2)
        wait_until(same, "nothing new is seen")
        return self.last()


def opened(run):
    """The numbers of driven.opens() in the stream of a collector."""
    return [line["args"]["flags"] for line in run.events("open")
            if line["args"]["path"].startswith("/driven/")]


@needs_world
@pytest.mark.parametrize("mode", ["drop", "block", "overwrite"])
def test_beside_a_collector_it_only_looks(stage, mode):  # noqa: F811
    """It sees what the collector has released, too: of a quiet program everything."""
    target = stage.target(PYAUDITD_MODE=mode)
    target.do("opens", 100, 10)
    collector = stage.attached("--pid", target.inner)
    looker = Looker(stage, target.inner)
    looker.shows(lambda look: look["read_by_others"] == 1, "it looks on")
    here = sum(looker.counts().values())
    for i in range(20):
        target.do("opens", 30, 10, 30 * i)
        time.sleep(0.03)
    last = looker.settles()
    assert (last["read"], last["share_seen"]) == (0, 1)
    assert sum(looker.counts().values()) == here + 600
    assert here in (0, 100) and set(looker.counts().values()) == {here // 10 + 60}
    assert "599" in last["tail"][0]["line"]
    with open("/proc/%d/maps" % looker.program.pid) as file:
        maps = [line.split()[1] for line in file if "/pyauditd." in line]
    assert maps and set(maps) == {"r--s"}, "nothing can be written"
    with open("/proc/locks") as file:
        assert " %d " % looker.program.pid not in file.read()
    assert opened(collector.stop()) == list(range(600))


@needs_world
def test_busy_program_is_seen_by_all_who_look(stage):  # noqa: F811
    """A collector and two tops: the collector has all, each top what it says it has."""
    n, names = 120000, 40
    target = stage.target(PYAUDITD_MODE="block")
    collector = stage.attached("--pid", target.inner)
    lookers = [Looker(stage, target.inner) for _ in range(2)]
    for looker in lookers:
        looker.shows(lambda look: look["read_by_others"] == 1, "it looks on")
    target.do("opens", n, names)
    for looker in lookers:
        last, counts = looker.settles(), looker.counts()
        assert sum(counts.values()) > 4096 and max(counts.values()) <= n // names
        assert set(counts) <= {"/driven/%d" % i for i in range(names)}
        assert abs(last["share_seen"] - sum(counts.values()) / n) < 0.01
        assert last["share_seen"] < 1 or set(counts.values()) == {n // names}
    run = collector.stop()
    assert opened(run) == list(range(n)) and not run.of_type("lost")


@needs_world
def test_what_it_missed_is_told(stage):  # noqa: F811
    """It stands still while the collector reads the ring several times over."""
    n = 50000
    target = stage.target(PYAUDITD_MODE="block", PYAUDITD_RING="256k")
    collector = stage.attached("--pid", target.inner)
    looker = Looker(stage, target.inner)
    looker.shows(lambda look: look["read_by_others"] == 1, "it looks on")
    looker.program.freeze()
    target.do("opens", n, 10)
    looker.program.signal(signal.SIGCONT)
    last = looker.settles()
    seen = sum(looker.counts().values())
    assert 1000 < seen <= 4096 and abs(last["share_seen"] - seen / n) < 0.001
    assert str(n - 1) in last["tail"][0]["line"], "it has the last of them"
    assert opened(collector.stop()) == list(range(n))


@needs_world
def test_nothing_is_counted_twice_when_it_becomes_the_reader(stage):  # noqa: F811
    """The collector is killed, and leaves unread what was looked at already."""
    target = stage.target()
    collector = stage.attached("--pid", target.inner)
    looker = Looker(stage, target.inner)
    looker.shows(lambda look: look["read_by_others"] == 1, "it looks on")
    target.do("opens", 200, 10)
    collector.wait_for('"/driven/', 200)
    collector.freeze()
    target.do("opens", 500, 10, 200)
    looker.shows(lambda look: sum(looker.counts().values()) == 700, "it sees them")
    os.kill(collector.pid, signal.SIGKILL)
    looker.shows(lambda look: look["read"] == 1, "it reads")
    target.do("opens", 100, 10, 700)
    looker.shows(lambda look: sum(looker.counts().values()) >= 800, "it reads on")
    last = looker.settles()
    assert set(looker.counts().values()) == {80} and last["share_seen"] == 1


@needs_world
def test_of_two_tops_one_reads_and_the_other_looks_on(stage):  # noqa: F811
    target = stage.target()
    first = Looker(stage, target.inner)
    first.shows(lambda look: look["read"] == 1, "it reads")
    second = Looker(stage, target.inner)
    for i in range(40):  # longer than it takes to try again
        target.do("opens", 10, 10, 10 * i)
        time.sleep(0.1)
    for looker in (first, second):
        looker.settles()
        assert set(looker.counts().values()) == {40}
    assert (first.last()["read"], second.last()["read"]) == (1, 0), "no taking turns"
    assert first.last()["share_seen"] == second.last()["share_seen"] == 1
    first.program.signal(signal.SIGTERM)
    assert first.program.wait() == 0
    second.shows(lambda look: look["read"] == 1, "it reads on")
    target.do("opens", 100, 10, 400)
    second.shows(lambda look: set(second.counts().values()) == {50}, "it has them once")


@needs_world
def test_many_processes_with_a_collector_hold_up_no_look(stage):  # noqa: F811
    """Each is asked for now and then whether its collector has gone."""
    n = 300
    stage.new_world(size="1g")
    parent = stage.program(
        stage.python.path, "-c", "import os, sys, time\n"
        "for i in range(%d):\n if os.fork() == 0: break\n"
        "sys.audit('ready'); print(flush=True); time.sleep(100)" % (n - 1),
        env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE), stdout=subprocess.PIPE)
    for _ in range(n):
        assert parent.popen.stdout.readline() == b"\n"
    stage.collector("--all").wait_for('"type":"process"', n)
    out = os.path.join(str(stage.tmp), "top")
    stage.collector("top", "-b", "-n", "18", "-d", "0.2", "--format", "json", "--view", "targets",
                    "--all", out=None, stdout=open(out, "wb")).wait()
    seen = looks(open(out).read())
    assert seen[-1]["read_by_others"] == n and seen[-1]["share_seen"] == 1
    assert max(look["interval"] for look in seen) < 2


CHURN = """
import os, signal, sys
def family():
    pids = []
    for i in range(30):
        pids.append(os.fork())
        if pids[-1] == 0:
            sys.audit("churn.child")
            signal.pause()
    return pids
pids = family()
for line in sys.stdin:
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    pids = family() if line == "again\\n" else []
"""


@needs_world
def test_processes_that_come_and_go_leave_no_memory_taken(stage):  # noqa: F811
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        # The C library clears what it takes anew, as it does with what it had taken before.
        looker = stage.collector("top", "-b", "-d", "0.2", "--format", "json", "--view", "events",
                                 out=None, stdout=file,
                                 env=harness.environment(stage.tmp, MALLOC_PERTURB_="165"))
        parent = stage.program(stage.python.path, "-c", CHURN, stdin=subprocess.PIPE,
                               env=harness.environment(stage.tmp, PYAUDITD="1", PYTHONPATH=SITE))

        def memory():
            with open("/proc/%d/statm" % looker.pid) as file:
                return int(file.read().split()[1]) * 4096 >> 20

        def children():
            last = looks(open(out).read().rpartition("\n")[0] or '{"events":[]}')[-1]
            return by(last["events"], "event").get("churn.child", {"total": 0})["total"]

        wait_until(lambda: children() == 30, "they are seen")
        before = memory()
        parent.popen.stdin.write(b"again\n")
        parent.popen.stdin.flush()
        wait_until(lambda: children() == 60, "new ones are seen")
        wait_until(lambda: children() == 30, "the old ones have gone")
        parent.popen.stdin.write(b"again\n")
        parent.popen.stdin.flush()
        wait_until(lambda: children() == 60, "new ones are seen")
        assert memory() < before + 20, (before, memory())
        parent.popen.stdin.write(b"end\n")


# ---- for scripts ----

TITLES = {
    "processes": "PID USER PYTHON COVERAGE THR EV/s CALL/s FILE/s NET/s PROC/s IMP/s REST/s LOST "
                 "RING% AGE COMMAND",
    "events": "EVENT CATEGORY LEVEL /s TOTAL SHARE% LAST",
    "functions": "CALL/s CALLS OWN s CUM s OWN us/call FUNCTION FILE:LINE",
    "losses": "LOST /s TOTAL",
    "rings": "PID LANES RING RING% MOST% LOST/s LOST NO READER COMMAND",
    "targets": "/s TOTAL ERROR KIND TARGET",
    "tail": "TIME PID/TID EVENT DETAILS AT",
}


@needs_world
def test_text_has_the_views_that_were_asked_for(stage):  # noqa: F811
    target = stage.target()
    target.do("step", 1234)

    def text(*options):
        looker = stage.collector("top", "-b", "-n", "1", "--format", "text", "--pid", target.inner,
                                 *options, out=None, stdout=subprocess.PIPE)
        return looker.popen.communicate(timeout=20)[0].decode()

    for view, titles in TITLES.items():
        blocks = text("--view", view).rstrip("\n").split("\n\n")
        assert " ".join(blocks[1].splitlines()[0].split()) == titles
        assert len(blocks) == 3 if view == "losses" else 2
    lines = text("--view", "events", "--sort", "total", "--rows", "1").splitlines()
    assert lines[-1].split()[:5] == ["driven.step", "custom", "record", "0", "1234"]
    [command] = text("--view", "processes").splitlines()[3:]
    assert re.search(r" python[\d.]* \S*driven\.py$", command), "where the interpreter lies is left out"
    names = [line.split()[0] for line in
             text("--view", "events", "--sort", "event", "--invert").splitlines()[3:]]
    assert names == sorted(names, reverse=True) and len(names) > 3
    everything = text("--view", "all")
    assert [everything.count(" ".join(t.split()[-1:])) > 0 for t in TITLES.values()] == [True] * 7


def test_objects_are_sorted_as_it_was_asked_for(tmp_path):
    command = ["--", "/usr/bin/python3", harness.target("counted.py"), "500", "20", "30"]

    def events(*options):
        _, err = top(tmp_path, "-b", "-d", "0.1", "--format", "json", "--view", "events",
                     *options, *command, input=b"")
        return [(row["event"], row["total"]) for row in looks(err)[-1]["events"]]

    everything = sorted(events())
    assert len(everything) > 3
    assert events("--sort", "event") == everything
    assert events("--sort", "event", "--invert") == everything[::-1]
    assert events("--sort", "total", "--rows", "1") == [max(everything, key=lambda row: row[1])]
    assert events("--sort", "total", "--invert")[-1] == max(everything, key=lambda row: row[1])


@pytest.mark.parametrize("arguments, status, said", [
    (["--sort", "nosuch"], 2, "pid, user, python"),
    (["--view", "nosuch"], 2, "processes, events, functions"),
    (["--pid", "1", "--all"], 2, "only one of"),
    (["--delay", "0"], 2, "0.05"), (["-n", "0"], 2, "above 0"), (["--nosuch"], 2, "--help"),
    (["--line", "--format", "json"], 2, "--line prints text"),
    (["--calls"], 2, "-- COMMAND"),
    (["--calls-level", "record", "--calls", "--", "true"], 2, "stats or count"),
    (["--pid", "4194304"], 5, "no such process"),
    (["--", "/nosuch"], 127, "/nosuch")])
def test_bad_input_is_one_line(arguments, status, said, tmp_path):
    out, err = top(tmp_path, "-b", *arguments, status=status)
    assert not out and err.count("\n") == 1 and said.lower() in err.lower(), err
    assert err.startswith("auditd-collect: top: ")


@needs_world
def test_nothing_traced_is_said_and_waited_for(stage):  # noqa: F811
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", out=None, stdout=file)
        wait_until(lambda: "nothing is traced yet" in looker.stderr, "it is said")
        target = stage.target()
        target.do("step", 5)
        wait_until(lambda: open(out).read().count("driven.step") > 0, "it is seen")
        looker.signal(signal.SIGINT)
        assert looker.wait() == 0
    assert looker.stderr.count("\n") == 1


def test_process_without_the_hook(tmp_path):
    with subprocess.Popen(["sleep", "100"]) as sleep:
        try:
            _, err = top(tmp_path, "--pid", sleep.pid, status=5)
        finally:
            sleep.kill()
    assert "does not have the hook" in err and err.count("\n") == 1


@needs_world
def test_names_of_strangers_are_harmless(stage):  # noqa: F811
    target = stage.target(arguments=["\x1b[31mred\x1b]0;title\x07", "\u202eturned"])
    target.do("audit", "\x1b[2Jcleared")
    looker = stage.collector("top", "-b", "-n", "1", "--format", "text", "--view", "all",
                             "--pid", target.inner, out=None, stdout=subprocess.PIPE)
    text = looker.popen.communicate(timeout=20)[0].decode()
    assert "cleared" in text and "red" in text and not CONTROL.search(text)
    assert "\u202e" not in text


@needs_world
def test_those_that_there_is_no_room_for_are_told_and_come_later(stage):  # noqa: F811
    targets = [stage.target() for _ in range(14)]
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", out=None, stdout=file,
                                 before=["prlimit", "--nofile=40:40"])
        wait_until(lambda: '"alive":10' in open(out).read(), "some are shown")
        assert looker.stderr.startswith("auditd-collect: top: 10 processes are shown and others are "
                                        "not: the limit of open files")
        for target in targets:
            target.do("step", 1)
        for target in targets[:12]:
            target.end()
        # Those that have ended are seen for ten seconds.
        wait_until(lambda: '"alive":2' in open(out).read().splitlines()[-2], "the others are")
        looker.signal(signal.SIGTERM)
        assert looker.wait() == 0
    assert looker.stderr.count("\n") == 1


# ---- on a terminal ----

def numbers_in_proc():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def is_top_of(pid, segment):
    """A process that reads it, other than the program itself."""
    try:
        with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/comm" % pid) as comm:
            return comm.read().startswith("auditd-collect") and segment in maps.read()
    except OSError:
        return False


class Terminal:
    """tmux: keys go in, a picture comes out."""

    def __init__(self, tmp, command, width=120, height=30, **env):
        self.tmux = ["tmux", "-S", os.path.join(str(tmp), "tmux"), "-f", "/dev/null"]
        words = " ".join("'%s'" % word for word in command)
        words = " ".join(["env", *("%s=%s" % pair for pair in env.items()), words])
        env = harness.environment(tmp)
        subprocess.run([*self.tmux, "new-session", "-d", "-x", str(width), "-y", str(height),
                        "echo before; %s; echo status $?; exec cat" % words],
                       check=True, env=env, cwd=tmp)

    def keys(self, *keys):
        subprocess.run([*self.tmux, "send-keys", *keys], check=True)

    def picture(self, *options):
        return subprocess.run([*self.tmux, "capture-pane", "-p", *options], check=True,
                              stdout=subprocess.PIPE).stdout.decode()

    def shows(self, text):
        end = time.monotonic() + PATIENCE
        while True:
            picture = self.picture()
            if text in picture:
                return picture
            assert time.monotonic() < end, "no %r in\n%s" % (text, picture)
            time.sleep(0.02)

    def resize(self, width, height):
        subprocess.run([*self.tmux, "resize-window", "-x", str(width), "-y", str(height)],
                       check=True)

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], check=False)


@pytest.fixture
def terminal(tmp_path):
    made = []

    def make(*command, **more):
        made.append(Terminal(tmp_path, [harness.COLLECTOR, "top", *command], **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


PROGRAM = ["--", "/usr/bin/python3", harness.target("counted.py"), "500", "20", "30"]


def test_keys_do_what_the_help_says(terminal, tmp_path):
    screen = terminal("--calls", *PROGRAM, width=220)
    screen.shows("[1 processes]")
    screen.shows("counted.py 500 20 30")
    screen.keys("2")
    picture = screen.shows("counted.open")
    assert picture.splitlines()[3].split()[0] == "EVENT" and "500" in picture
    screen.keys("f", "import", "Enter")
    picture = screen.shows("filter import")
    assert "counted.open" not in picture and "counted.import" in picture
    screen.keys("Escape")
    screen.shows("counted.open")
    screen.keys("3")
    screen.shows("FUNCTION")
    screen.keys("f", "__main__", "Enter")
    assert "__main__.counted" in screen.shows("filter __main__")
    screen.keys(">")
    screen.shows("by cum")
    screen.keys("I")
    screen.shows("by cum inverted")
    screen.keys("/", "counted", "Enter")
    assert "not found" not in screen.picture()
    screen.keys("/", "no such thing", "Enter")
    screen.shows("not found: no such thing")
    screen.keys("F1")
    screen.shows("go into this process")
    screen.keys("x", "1", "Enter")
    screen.shows("  pid ")
    screen.keys("BSpace")
    screen.shows("[1 processes]")
    screen.keys("Space")
    screen.shows("PAUSED")
    screen.keys("Space", "r")
    screen.shows("totals count from now on")
    screen.keys("2", "w")
    screen.shows("written: auditd-top-")
    [name] = [name for name in os.listdir(tmp_path) if name.startswith("auditd-top-")]
    with open(os.path.join(str(tmp_path), name)) as file:
        [look] = looks(file.read())
    assert by(look["events"], "event")["counted.open"]["total"] == 0 or look["events"]
    screen.keys("-")
    screen.shows("a look every 0.5 s")
    screen.keys("+")
    screen.shows("a look every 1 s")
    screen.keys("u", "no-such-user", "Enter")
    screen.shows("no such user")
    screen.keys("u", "root", "Enter")
    screen.shows("user root")
    screen.keys("t", "Tab", "Tab", "Tab")
    screen.shows("[5 rings]")
    screen.keys("6")
    screen.shows("[6 targets]")
    screen.keys("Tab")
    screen.shows("[7 tail]")
    screen.keys("q")
    picture = screen.shows("status 0")
    assert "done" in picture and "before" in picture and "EVENT" not in picture


@pytest.mark.parametrize("width, height, env", [
    (80, 24, {}), (200, 50, {"TERM": "vt100"}), (80, 24, {"LANG": "C", "LC_ALL": "C"}), (20, 5, {})])
def test_any_size_and_locale(terminal, width, height, env):
    screen = terminal(*PROGRAM, width=width, height=height, **env)
    screen.shows("process")
    screen.resize(100, 30)
    screen.shows("COMMAND")
    screen.resize(40, 10)
    screen.keys("2")
    screen.shows("EVENT")
    screen.keys("q")
    screen.shows("status 0")


def test_what_was_chosen_is_seen_in_80_columns(terminal):
    screen = terminal(*PROGRAM, width=80, height=24)
    screen.shows(" python3 ")
    screen.keys("2", "f", "import", "Enter")
    screen.shows("[2 events]")
    screen.keys("u", "root", "Enter", "Space")
    picture = screen.shows("PAUSED")
    assert "user root" in picture and "filter import" in picture and "by rate" in picture
    first = picture.splitlines()[0]
    assert all(unit in first for unit in ("events/s", "bytes/s")) or \
        all(unit in first for unit in ("ev/s", "B/s")), first


@pytest.mark.parametrize("no_color, coloured", [("1", False), ("", True)])
def test_colours_where_they_are_wanted(terminal, no_color, coloured):
    screen = terminal(*PROGRAM, NO_COLOR=no_color, TERM="xterm-256color")
    screen.shows(" python3 ")
    picture = screen.picture("-e")
    assert ("\x1b[32m" in picture) == coloured and "\x1b[7m" in picture


def test_on_a_terminal_it_leaves_after_so_many_looks(terminal):
    screen = terminal("-n", "2", "-d", "0.2", "--name", "no/such/program")
    screen.shows("nothing is traced yet; try: auditd-collect top -- python3 app.py")
    assert "[1 processes]" not in screen.shows("status 0")


@needs_world
def test_terminal_is_restored_while_rings_are_mapped(stage):  # noqa: F811
    """There is another handler of SIGBUS then."""
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--view", "tail", "-d", "0.1"])
    try:
        target.do("step", 3)
        screen.shows("driven.step")
        [looker] = [pid for pid in numbers_in_proc() if is_top_of(pid, target.segment)]
        os.kill(looker, signal.SIGBUS)
        picture = screen.shows("status")
        assert "before" in picture and "[7 tail]" not in picture
    finally:
        screen.close()


@pytest.mark.parametrize("number", [
    signal.SIGSEGV, signal.SIGTERM, signal.SIGHUP, signal.SIGABRT, signal.SIGQUIT, signal.SIGALRM,
    signal.SIGUSR1, signal.SIGBUS, signal.SIGSYS])
def test_terminal_is_restored_when_it_is_ended(terminal, number, tmp_path):
    screen = terminal("--name", str(tmp_path))
    screen.shows("[1 processes]")
    server = subprocess.run([*screen.tmux, "display", "-p", "#{pane_pid}"], check=True,
                            stdout=subprocess.PIPE).stdout.decode().strip()
    with open("/proc/%s/task/%s/children" % (server, server)) as file:
        os.kill(int(file.read().split()[0]), number)
    picture = screen.shows("status")
    assert "before" in picture and "[1 processes]" not in picture


@needs_world
def test_terminal_is_restored_while_segments_are_mapped(stage):  # noqa: F811
    """Who reads has a handler of his own for faults in them."""
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--view", "tail", "-d", "0.2"])
    try:
        target.do("step", 3)
        screen.shows("driven.step")
        server = subprocess.run([*screen.tmux, "display", "-p", "#{pane_pid}"], check=True,
                                stdout=subprocess.PIPE).stdout.decode().strip()
        with open("/proc/%s/task/%s/children" % (server, server)) as file:
            [nsenter] = file.read().split()
        with open("/proc/%s/task/%s/children" % (nsenter, nsenter)) as file:
            os.kill(int(file.read()), signal.SIGBUS)
        picture = screen.shows("status")
        assert "before" in picture and "driven.step" not in picture
    finally:
        screen.close()


def test_one_look_is_written_as_often_as_one_likes(terminal, tmp_path):
    screen = terminal("--name", str(tmp_path))
    screen.shows("[1 processes]")
    screen.keys("Space")
    screen.shows("PAUSED")
    for n in range(1, 4):
        screen.keys(str(n), "w")
        screen.shows("[%d " % n)
        screen.shows("written: auditd-top-")
        assert "not written" not in screen.picture()
        wait_until(lambda: len([name for name in os.listdir(tmp_path)
                                if name.startswith("auditd-top-")]) == n, "it is there")


@needs_world
def test_messages_stay_off_the_picture(stage):  # noqa: F811
    """Whoever can make a file in /dev/shm can make us say something."""
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--name", "nobody"])
    try:
        before = screen.shows("COMMAND").splitlines()
        for i in range(5):
            with open(os.path.join(stage.world.shm, "pyauditd.0.1.deadbee%d" % i), "wb") as file:
                file.write(b"x" * 9000)
        after = screen.shows("deadbee4 does not have mode 0600").splitlines()
        assert after[-1].startswith("/pyauditd.0.1.deadbee4 does not have mode 0600: not read")
        assert after[2:-1] == before[2:-1]
        screen.keys("q")
        screen.shows("status 0")
    finally:
        screen.close()


def test_it_leaves_the_screen_after_so_many_looks(terminal, tmp_path):
    screen = terminal("--name", str(tmp_path), "-n", "5", "-d", "0.2")
    screen.shows("[1 processes]")
    assert "before" in screen.shows("status 0")


def test_dumb_terminal_is_printed_to(terminal):
    screen = terminal("-n", "2", "-d", "0.1", *PROGRAM, TERM="dumb")
    screen.keys("Enter", "C-d")
    picture = screen.shows("COMMAND")
    assert "cannot move its cursor" in picture


@needs_world
def test_level_of_an_event_is_changed_in_the_running_program(stage, terminal):  # noqa: F811
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--view", "events", "-d", "0.2"])
    try:
        target.do("step", 3)
        screen.shows("driven.step")
        screen.keys("/", "driven.step", "Enter", "m")  # recorded -> off
        screen.shows("driven.step: off, in 1 processes")
        target.do("step", 10)  # the first takes it up
        picture = screen.shows("driven.step")
        wait_until(lambda: " off " in screen.picture(), "it is off")
        screen.keys("m")
        screen.shows("driven.step: count")
        target.do("step", 20)
        wait_until(lambda: " count " in screen.picture(), "it is counted")
        screen.keys("q")
        screen.shows("status 0")
    finally:
        screen.close()
    target.do("step", 1)
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        stage.collector("top", "-b", "-n", "1", "--format", "json", "--pid", target.inner, out=None,
                        stdout=file).wait()
    [row] = [row for row in looks(open(out).read())[0]["events"] if row["event"] == "driven.step"]
    assert row["level"] == "record", "what the program has itself, when nobody asks"
    assert 3 + 20 <= row["total"] <= 3 + 1 + 20 + 1 + 1, picture


@needs_world
def test_the_chosen_row_stays_chosen_when_others_go_above_it(stage):  # noqa: F811
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--view", "events", "--sort", "total",
                                  "-d", "0.1"])

    def chosen():
        """The rows in reverse, below the titles."""
        return [line for line in screen.picture("-e").split("\n")[4:-2] if "\x1b[7m" in line]
    try:
        target.do("audit", "first.one")
        screen.shows("first.one")
        target.do("step", 2000)
        wait_until(lambda: screen.picture().split("\n")[4].startswith("driven.step"), "it is above")
        screen.keys("j", "k", "/", "step", "Enter")
        target.do("opens", 5000, 10)
        wait_until(lambda: screen.picture().split("\n")[4].startswith("open"), "that is above")
        wait_until(lambda: [row for row in chosen() if "driven.step" in row], "it has gone down")
        screen.keys("Home")
        wait_until(lambda: not chosen() or "driven.step" not in chosen()[0], "the first one")
        target.do("step", 9000)
        wait_until(lambda: screen.picture().split("\n")[4].startswith("driven.step"), "it is above")
        assert not [row for row in chosen() if row.startswith("\x1b[7mopen")]
    finally:
        screen.close()


@needs_world
@pytest.mark.parametrize("name, changes", [("*", True), ("driven.[ab]", True), ("x,all", False),
                                           ("x=off,all", False)])
def test_names_of_strangers_change_no_other_event(stage, name, changes):  # noqa: F811
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--view", "events", "-d", "0.2"])

    def level(event):
        [row] = [row for row in screen.shows(event).splitlines() if row.startswith(event + " ")]
        return row.split()[2]

    try:
        for event in (name, "driven.a", "open"):
            target.do("audit", event, 1)
        screen.shows("driven.a")
        screen.keys("/", name, "Enter", "m")
        screen.shows(name + ": off, in 1 processes" if changes else "not changed: a name with")
        for event in (name, "driven.a", "open"):
            target.do("audit", event, 1)
        wait_until(lambda: level(name) == ("off" if changes else "record"), "it is off")
        assert (level("driven.a"), level("open")) == ("record", "both")
        screen.keys("q")
        screen.shows("status 0")
    finally:
        screen.close()


@needs_world
def test_inside_a_process_nothing_is_of_another_one(stage):  # noqa: F811
    one, other = stage.target(arguments=["the-one"]), stage.target(arguments=["the-other"])
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "-d", "0.2"], width=220)
    try:
        screen.shows("the-one")
        screen.shows("the-other")
        screen.keys("/", "the-one", "Enter", "Enter")
        screen.shows("  pid %d" % one.said_pid)
        screen.keys("6")
        screen.shows("[6 targets]")
        one.do("opens", 5, 5, 0)
        other.do("opens", 5, 5, 0)
        other.do("audit", "driven.both", "of-the-other")
        one.do("audit", "driven.both", "of-the-one")
        other.do("audit", "driven.both", "of-the-other")
        picture = screen.shows("/driven/4")
        assert re.search("^ *[0-9.]+ +1 +0 +path +/driven/4", picture, re.MULTILINE), picture
        screen.keys("7")
        picture = screen.shows("of-the-one")
        assert "of-the-other" not in picture and picture.count("/driven/") == 5
        screen.keys("2")
        picture = screen.shows("driven.both")
        assert "of-the-other" not in picture
        screen.keys("BSpace", "7")
        picture = screen.shows("of-the-other")
        assert picture.count("/driven/") == 10
        screen.keys("6")
        assert re.search("^ *[0-9.]+ +2 +0 +path +/driven/4", screen.shows("/driven/4"),
                         re.MULTILINE)
    finally:
        screen.close()


@needs_world
def test_selected_row_stays_the_selected_one(stage):  # noqa: F811
    """An event that was switched off has no rate, and another place: the next key still means it."""
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--view", "events", "-d", "0.2"])
    try:
        def first():
            target.do("audit", "driven.other", 1)
            return screen.picture().splitlines()[4]

        target.do("flood", 2000)
        wait_until(lambda: "driven.step" in first(), "it has the highest rate")
        screen.keys("/", "driven.step", "Enter", "m")
        screen.shows("driven.step: off")
        wait_until(lambda: "driven.step" not in first(), "it has none")
        screen.keys("m")
        screen.shows("driven.step: count")
        wait_until(lambda: "driven.step" in first(), "it has the highest again")
        screen.keys("m")
        screen.shows("driven.step: record")
        target.do("stop_flood")
    finally:
        screen.close()


@needs_world
def test_level_can_be_changed_for_as_long_as_one_likes(stage):  # noqa: F811
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p",
                                  harness.COLLECTOR, "top", "--view", "events", "-d", "0.2"])
    try:
        target.do("step", 3)
        screen.shows("driven.step")
        screen.keys("/", "driven.step", "Enter")
        for i in range(70):  # whether or not the program has taken it up
            screen.keys("m")
            screen.shows("driven.step: " + ("off", "count", "record")[i % 3])
        target.do("step")
        wait_until(lambda: re.search("driven.step +custom +off", screen.picture()), "it is off")
    finally:
        screen.close()


@needs_world
@pytest.mark.parametrize("view", ["tail", "targets", "events"])
def test_what_is_seen_while_it_pauses_is_what_is_written(stage, view):  # noqa: F811
    """Events go on to be read meanwhile: they replace whatever the picture was made of."""
    target = stage.target()
    screen = Terminal(stage.tmp, ["nsenter", "-t", str(stage.world.init), "-m", "-p", "--wd=" + str(stage.tmp),
                                  harness.COLLECTOR, "top", "--view", view, "-d", "0.2"],
                      MALLOC_PERTURB_="165")
    try:
        target.do("opens", 2, 2)
        screen.shows("/driven/1")
        screen.keys("Space")
        screen.shows("PAUSED")
        target.do("opens", 30000, 30000, 2)
        time.sleep(0.5)  # it is read
        screen.keys("w")
        screen.shows("written: auditd-top-")
        [name] = [name for name in os.listdir(stage.tmp) if name.startswith("auditd-top-")]
        with open(os.path.join(str(stage.tmp), name)) as file:
            [look] = looks(file.read())
    finally:
        screen.close()
    seen = {"tail": [row["line"] for row in look.get("tail", ())],
            "targets": [row["target"] for row in look.get("targets", ())],
            "events": [row.get("last", "") for row in look.get("events", ())]}[view]
    driven = [text for text in seen if "/driven/" in text]
    assert len(driven) == {"tail": 2, "targets": 2, "events": 1}[view], seen
    assert all(re.search("/driven/[01]( |$)", text) for text in driven)


# ---- what it costs ----

@needs_world
def test_it_opens_nothing_for_writing_and_takes_no_lock(stage):  # noqa: F811
    target = stage.target()
    looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", "--pid", target.inner,
                             out=None, stdout=subprocess.DEVNULL)
    wait_until(lambda: len(os.listdir("/proc/%d/fd" % looker.pid)) > 5, "it looks")
    with open("/proc/%d/maps" % looker.pid) as file:
        assert "/pyauditd." not in file.read()
    with open("/proc/locks") as file:
        assert " %d " % looker.pid not in file.read()
    collector = stage.attached("--pid", target.inner)
    target.do("step", 3)
    assert numbers(collector.stop()) == [0, 1, 2]
    looker.signal(signal.SIGTERM)
    looker.wait()
