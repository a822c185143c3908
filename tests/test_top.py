# SPDX-License-Identifier: MIT
"""auditd-collect top: its figures are the true ones whatever the rings lose, and it disturbs nobody.
Most is read from its batch output; the terminal has test_top_screen.py."""
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import harness
from test_verbs import CONTROL
from world import SITE, needs_world, numbers, stage, wait_until  # noqa: F401

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
    [function] = [row for row in last["functions"] if row["func"] == "counted"]
    assert function["calls"] == K and function["cum_ns"] >= function["own_ns"] > 0
    [process] = last["processes"]
    assert process["state"] == "ended"
    lost = by(last["losses"], "reason")
    assert lost["no_reader"]["total"] > N // 2
    assert last["sum_events"]["total"] == sum(row["total"] for row in last["events"])
    assert process["recorded"]["total"] + process["lost"]["total"] + \
        process["no_reader"]["total"] <= last["sum_events"]["total"]
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
        wait_until(lambda: looks(open(out).read().rpartition("\n")[0])[-1]["read_by_others"] == 0,
                   "it reads once more")
        # What was before it came is not its, though it had to ask for it.
        looker.freeze()
        target.do("step", 1000)
        everybody = stage.collector("--all")
        time.sleep(0.3)
        looker.signal(signal.SIGCONT)
        everybody.wait_attached()
        target.do("step", 3)
        assert numbers(everybody.stop()) == [2003, 2004, 2005]
        looker.signal(signal.SIGTERM)
        assert looker.wait() == 0
    target.end()
    assert not stage.world.segments()


@needs_world
def test_one_that_stands_still_is_a_reader_like_any_other(stage):  # noqa: F811
    """It was asked to leave, and does not: that is said, and not waited for."""
    target = stage.target()
    with open(os.path.join(str(stage.tmp), "top"), "wb") as file:
        looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", "--view", "tail",
                                 out=None, stdout=file)
        target.do("audit", "before.it", 1)
        wait_until(lambda: "before.it" in open(file.name).read(), "it reads")
        looker.freeze()
        dump = stage.collector("--all", "--dump")
        assert not dump.finish(seconds=6, quiet=False).lines and "; not read\n" in dump.stderr
        collector = stage.collector("--all")
        wait_until(lambda: "; not read before that one leaves\n" in collector.stderr, "it says so")
        looker.signal(signal.SIGCONT)
        collector.wait_attached()
        target.do("step", 3)
        assert numbers(collector.stop(quiet=False)) == [0, 1, 2]
        looker.signal(signal.SIGTERM)
        assert looker.wait() == 0


@needs_world
@pytest.mark.parametrize("killed", [False, True])
def test_what_ends_while_it_is_read_is_removed_but_for_a_crash(stage, killed):  # noqa: F811
    """Which is for who writes it down."""
    target = stage.target()
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        looker = stage.collector("top", "-b", "-d", "0.1", "--format", "json", "--view", "tail",
                                 "--pid", target.inner, out=None, stdout=file)
        wait_until(lambda: '"read":1' in open(out).read(), "it reads")
        target.do("step", 5)
        if killed:
            target.kill()
        else:
            target.end()
        assert looker.wait() == 0
    assert open(out).read().splitlines()[-1].count("driven.step") == 5
    assert len(stage.world.segments()) == killed


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
        assert len(blocks) == (3 if view == "losses" else 2), view
    lines = text("--view", "events", "--sort", "total", "--rows", "1").splitlines()
    assert lines[-1].split()[:5] == ["driven.step", "custom", "record", "0", "1234"]
    [command] = text("--view", "processes").splitlines()[3:]
    assert re.search(r" python[\d.]*t? \S*driven\.py$", command), "where the interpreter lies is left out"
    names = [line.split()[0] for line in
             text("--view", "events", "--sort", "event", "--invert").splitlines()[3:]]
    assert names == sorted(names, reverse=True) and len(names) > 3
    everything = {" ".join(line.split()) for line in text("--view", "all").splitlines()}
    assert everything >= set(TITLES.values())


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

    def last_look():
        return open(out).read().rpartition("\n")[0].rpartition("\n")[2]

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
        wait_until(lambda: '"alive":2' in last_look(), "the others are")
        looker.signal(signal.SIGTERM)
        assert looker.wait() == 0
    assert looker.stderr.count("\n") == 1


def test_those_that_ended_make_room_and_the_command_ends(tmp_path):
    code = ("import subprocess, sys\n"
            "for i in range(25): subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.05)'])\n")
    done = subprocess.run(["prlimit", "--nofile=40:40", harness.COLLECTOR, "top", "-b", "-d", "0.1",
                           "--format", "json", "--", harness.interpreters()[0].path, "-c", code],
                          env=harness.environment(tmp_path), cwd=tmp_path, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    looks = [json.loads(line) for line in done.stderr.splitlines()]
    seen = {process["key"] for look in looks for process in look["processes"]}
    assert done.returncode == 0 and len(seen) > 15, "ten of them at a time"


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


@pytest.mark.parametrize("terminal", ["stdout", "stderr"])
def test_the_format_is_that_of_where_it_is_printed(tmp_path, terminal):
    """With a command that is standard error."""
    outer, inner = os.openpty()
    done = subprocess.run([harness.COLLECTOR, "top", "-b", "-n", "1", "--", sys.executable, "-c", ""],
                          env=harness.environment(tmp_path), cwd=tmp_path, stdin=subprocess.DEVNULL,
                          **dict({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
                                 **{terminal: inner}), timeout=20)
    os.close(inner)
    if terminal == "stdout":
        assert done.returncode == 0 and json.loads(done.stderr.splitlines()[0])["v"] == 1
    else:
        said = os.read(outer, 65536)
        assert done.returncode == 0 and done.stdout == b"" and not said.startswith(b"{"), said
    os.close(outer)
