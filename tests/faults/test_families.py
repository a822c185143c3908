# SPDX-License-Identifier: MIT
"""Whole families of processes in one stream: each member is announced with its parent, all that it
did is there and nothing that another did, its account adds up, and its segment is gone afterwards.
What they did is known from a roll that they write themselves (tests/targets/families.py)."""
import collections
import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import harness
from test_readme import programs  # noqa: F401
from world import (SITE, check, children, needs_world, process_state, stage,  # noqa: F401
                   wait_until)

pytestmark = needs_world
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
SHORT_FORM = "3.9", "3.13", "3.14"
PYTHONS = [p for p in harness.interpreters() if LONG or p.name in SHORT_FORM] or \
    harness.interpreters()

Member = collections.namedtuple("Member", "pid start_time")


@pytest.fixture(params=PYTHONS, ids=[p.name for p in PYTHONS])
def family(stage, request):  # noqa: F811
    stage.python = request.param
    return Family(stage)


class Family:
    def __init__(self, stage):
        self.stage = stage
        # With less, what dead members have left that nobody has read yet is removed to make room.
        stage.new_world("1g")
        self.roll = stage.tmp / "roll"
        self.roll.touch()

    def environment(self, **more):
        # To warn of forks in threads, CPython imports: in a child that can wait for ever.
        more.setdefault("PYTHONWARNINGS", "ignore")
        return harness.environment(self.stage.tmp, PYAUDITD="1", FAMILIES_ROLL=str(self.roll),
                                   **{"PYTHONPATH": SITE, "PYAUDITD_RING": "1m", **more})

    def nobody_is_left(self, collector):
        """In the world, but for its process 1 and the collector."""
        ours = {self.stage.world.init, collector.pid}
        world = os.stat("/proc/%d/ns/pid" % self.stage.world.init).st_ino

        def others():
            for name in os.listdir("/proc"):
                with contextlib.suppress(OSError):
                    if name.isdigit() and int(name) not in ours and \
                            os.stat("/proc/%s/ns/pid" % name).st_ino == world and \
                            process_state(int(name)) not in ("", "Z"):
                        return True
            return False

        wait_until(lambda: not others(), "the family has ended", 60)

    def run(self, way, n, below=False, seconds=60, **env):
        """The stream of one way, with the collector above it, or beside it."""
        command = [self.stage.python.path, harness.target("families.py"), way, n]
        if below:
            collector = self.stage.collector(
                "--", *command, env=self.environment(PYAUDITD_HOME=os.path.dirname(SITE), **env))
            return self.whole(collector.finish(seconds=seconds))
        collector = self.stage.collector("--all")
        program = self.stage.program(*command, env=self.environment(**env))
        assert program.wait(seconds) == 0
        return self.end(collector)

    def end(self, collector, **more):
        self.nobody_is_left(collector)
        return self.whole(collector.stop(), **more)

    def whole(self, run, killed=False):
        """What holds of every family; killed: some may have been."""
        check(run, filtered=False)
        assert not self.stage.world.segments()
        members = self.read_roll()
        keys = {key: self.member(run, key) for key in run.keys}
        assert len(keys) == len(run.keys), "each is announced once"
        for line in run.lines:
            if line.get("key") in keys:
                assert line.get("pid", keys[line["key"]].pid) == keys[line["key"]].pid, line
        assert set(members) <= set(keys.values()), "all are announced"
        did = self.read_stream(run, keys)
        for member, notes in members.items():
            names = [name for _, name, n in notes for _ in range(n)]
            events, opens = did[member]
            assert [name for name, *_ in events] == names
            assert [numbered for _, *numbered in events] == opens
            own = [key for key, of in keys.items() if of == member]
            for key in own:
                # Another program in the same process counts anew.
                numbers = [i for i, by in opens if by == key]
                assert numbers == list(range(len(numbers)))
                assert killed or run.exit(key)["exit"] != "killed"
            self.check_parent(run, members, keys, own[0], member)
        assert not set(did) - set(members), "nobody did what another one did"
        return run

    @staticmethod
    def member(run, key):
        start = run.start(key)
        assert key.split(":")[1] == str(start["pid"])
        return Member(start["pid"], int(key.split(":")[2]))

    def read_roll(self):
        """By member, in order: ppid, name, n."""
        members = collections.defaultdict(list)
        for line in self.roll.read_text().splitlines():
            pid, start_time, ppid, name, n = line.split()
            members[Member(int(pid), int(start_time))].append((int(ppid), name, int(n)))
        return members

    @staticmethod
    def read_stream(run, keys):
        """By member, in order: (name, number, key) of its events; [number, key] of what it opened."""
        did = collections.defaultdict(lambda: ([], []))
        for line in run.events():
            member = keys[line["key"]]
            if line["event"] == "family.member":
                name, pid, number = (line["args"]["_%d" % i] for i in range(3))
                assert pid == member.pid, line
                did[member][0].append((name, number, line["key"]))
            elif line["event"] == "open" and line.get("path", "").startswith("/nowhere/"):
                pid, number = line["path"].split("/")[2:]
                assert int(pid) == member.pid, line
                did[member][1].append([int(number), line["key"]])
        return did

    @staticmethod
    def check_parent(run, members, keys, first, member):
        """The first of its start lines names the process that it came from."""
        ppid = members[member][0][0]
        start = run.start(first)
        # A daemon's may have been looked at before its parent had ended.
        assert start["ppid"] == ppid or ppid == 1, start
        if "parent" in start:
            above = keys[start["parent"]]
            assert above.start_time <= member.start_time
            # An ancestor where the parent did nothing or has gone.
            assert above.pid == ppid or ppid not in {m.pid for m in members}, start


def names_of(run):
    return collections.Counter(line["args"]["_0"] for line in run.events("family.member"))


def processes_named(run, name):
    return {line["key"] for line in run.events("family.member") if line["args"]["_0"] == name}


def parents_of(run, name):
    return {run.start(key).get("parent") for key in processes_named(run, name)}


@pytest.mark.parametrize("below", [False, True])
def test_storm_of_forks(family, below):
    n = 2000 if LONG else 150
    run = family.run("storm", n, below)
    assert len(run.keys) == n + 1
    assert parents_of(run, "storm") == processes_named(run, "first")


def test_forks_of_forks_of_forks(family):
    run = family.run("tree", 3)
    assert len(run.keys) == 1 + 3 + 9 + 27
    assert parents_of(run, "depth3") == processes_named(run, "first")
    assert parents_of(run, "depth2") == processes_named(run, "depth3")
    assert parents_of(run, "depth1") == processes_named(run, "depth2")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(family, method):
    """Workers that are replaced after four pieces of work each."""
    n = 200 if LONG else 20
    run = family.run(method, n)
    assert names_of(run)["worker"] == 2 * (n + 1)
    assert len(processes_named(run, "worker")) >= n // 4 + 1
    first = processes_named(run, "first")
    if method == "fork":
        assert parents_of(run, "worker") == first
    elif method == "forkserver":
        [server] = parents_of(run, "worker")
        assert server not in first | {None}, "a process of its own"
    else:
        assert parents_of(run, "worker") == {None}, "ppid tells"
        assert {run.start(key)["ppid"] for key in processes_named(run, "worker")} == \
            {run.start(key)["pid"] for key in first}


@pytest.mark.parametrize("below", [False, True])
def test_chain_of_subprocesses(family, below):
    depth = 10 if LONG else 4
    run = family.run("chain", depth, below)
    keys = [processes_named(run, "depth%d" % i) for i in range(depth, -1, -1)]
    assert sum(map(len, keys)) == len(run.keys) == depth + 1
    for [above], [under] in zip(keys, keys[1:]):
        assert run.start(under)["ppid"] == run.start(above)["pid"]


def test_daemons_of_two_forks(family):
    """They are alone when they begin, and name the one in between, which ended before."""
    n = 100 if LONG else 8
    run = family.run("daemons", n)
    daemons = processes_named(run, "daemon")
    assert len(daemons) == n and daemons == processes_named(run, "later")
    between = parents_of(run, "daemon")
    assert len(between) == n and between > processes_named(run, "between")
    assert {run.start(key)["parent"] for key in between} == processes_named(run, "first")
    assert len(run.keys) == 2 * n + 1


def test_other_programs_in_the_same_process(family):
    n = 30 if LONG else 4
    run = family.run("become", n)
    images = [processes_named(run, "image%d" % i) for i in range(n, 0, -1)]
    assert all(len(keys) == 1 for keys in images)
    assert len({run.start(key)["pid"] for keys in images for key in keys}) == 1
    assert {run.exit(key)["exit"] for keys in images for key in keys} == {"exec"}
    beside = processes_named(run, "beside")
    assert len(beside) == n and {run.exit(key)["exit"] for key in beside} == {"exec"}
    assert len(processes_named(run, "image0")) == n + 1


def test_threads_by_the_thousand(family):
    n = 10000 if LONG else 1000
    run = family.run("threads", n)
    [key] = run.keys
    by_thread = collections.defaultdict(list)
    for line in run.events("family.thread"):
        i, tid, k = (line["args"]["_%d" % j] for j in range(3))
        assert line["key"] == key and line["tid"] == tid
        by_thread[i].append(k)
    assert by_thread == {i: list(range(4)) for i in range(n)}


def test_forks_in_threads(family):
    n = 400 if LONG else 40
    run = family.run("fork_in_threads", n, PYAUDITD_RING="4m")
    of_thread, of_child = processes_named(run, "of_thread"), processes_named(run, "of_child")
    [first] = processes_named(run, "first")
    assert len(of_thread) == len(of_child) == n
    assert parents_of(run, "of_thread") == {first} and parents_of(run, "of_child") == of_thread
    assert {line["key"] for line in run.events("family.noise")} == {first}


def test_sub_interpreters_in_children(family):
    n = 20 if LONG else 3
    run = family.run("interpreters", n)
    made = 6 if family.stage.python.minor >= 12 else 3
    for key in processes_named(run, "with_interpreters"):
        said = run.events("family.sub", key=key)
        assert {line["args"]["_0"] for line in said} == {run.start(key)["pid"]}
        assert [line["args"]["_1"] for line in said] == list(range(4)) * made
    assert len(run.keys) == n + 1


# A server that forks its workers before it serves


APP = """
import families
def app(environ, start_response):
    families.member("request", 1)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def ask(path):
    """False: nobody answered, as may be while workers are replaced."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := client.recv(4096):
            answer += part
        return answer.endswith(b"ok")
    return False


def test_server_whose_workers_restart_under_load(family, programs, tmp_path):  # noqa: F811
    """Eight of gunicorn's; each leaves after some requests, and all are replaced at once by SIGHUP."""
    if family.stage.python.minor < 10:
        pytest.skip("gunicorn needs 3.10")
    n = 5000 if LONG else 400
    [packages] = glob.glob(str(programs.parent / "lib/python3*/site-packages"))
    shutil.copytree(os.path.join(packages, "gunicorn"), tmp_path / "lib/gunicorn")
    (tmp_path / "app.py").write_text(APP)
    path = str(tmp_path / "socket")
    collector = family.stage.collector("--all")
    server = family.stage.program(
        family.stage.python.path, "-m", "gunicorn", "--workers", "8", "--max-requests", "20",
        "--max-requests-jitter", "20", "--bind", "unix:" + path, "--chdir", tmp_path, "app:app",
        env=family.environment(PYTHONPATH="%s:%s:%s" % (SITE, tmp_path / "lib", harness.TARGETS)),
        stderr=subprocess.DEVNULL)
    wait_until(lambda: ask(path), "it serves")
    left, restarted = threading.Semaphore(n), threading.Event()
    answers = []

    def load():
        while left.acquire(blocking=False) or not restarted.is_set():
            answers.append(ask(path))

    clients = [threading.Thread(target=load) for _ in range(8)]
    for client in clients:
        client.start()
    for _ in range(3):
        workers = set(children(server.pid))
        server.signal(signal.SIGHUP)
        wait_until(lambda: len(set(children(server.pid)) - workers) >= 8, "they are replaced")
    restarted.set()
    for client in clients:
        client.join()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    run = family.end(collector, killed=True)  # gunicorn does so with those that are slow to go
    assert answers.count(True) <= names_of(run)["request"] <= len(answers) + 1
    assert answers.count(True) > n * 0.9
    workers = processes_named(run, "request")
    [master] = {run.start(key)["parent"] for key in workers}
    assert "parent" not in run.start(master)
    assert len([key for key in run.keys if run.start(key).get("parent") == master]) >= 4 * 8
