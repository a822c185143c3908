# SPDX-License-Identifier: MIT
"""Programs of every kind under the collector: nothing lost unsaid, nothing disturbed, everything
at its place. What harness.collect() checks holds in each of these runs."""
import collections
import json
import os
import re
import signal
import subprocess
import time

import pytest

import harness

SIGKILL_STATUS = 128 + signal.SIGKILL


def trace(python, tmp, name, *arguments, **more):
    return harness.collect([python.path, harness.target(name), *arguments], tmp, **more)


def untraced(python, tmp, name, *arguments, input=b""):
    return subprocess.run([python.path, harness.target(name), *arguments], input=input,
                          cwd=tmp, env=harness.environment(tmp), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)


def folder(tmp, name):
    """One for each run, where a test has several."""
    (tmp / name).mkdir()
    return tmp / name


def said(run, event="child"):
    """First arguments of an event, in the order of the stream."""
    return [line["args"]["_0"] for line in run.events(event)]


def parent_of(run):
    """pid -> pid of the process whose segment was the parent's."""
    pids = {key: run.start(key)["pid"] for key in run.keys}
    return {run.start(key)["pid"]: pids.get(run.start(key).get("parent")) for key in run.keys}


# Processes


def test_fork_child_has_a_stream_of_its_own(python, tmp_path):
    run = trace(python, tmp_path, "children.py", "fork")
    parent, child = run.keys
    assert run.start(child)["parent"] == parent
    assert run.start(child)["ppid"] == run.start(parent)["pid"]
    assert said(run) == ["parent", "child", "parent again"]
    for line in run.events("child"):
        assert line["pid"] == line["args"]["_1"] == run.start(line["key"])["pid"]
    assert [line["key"] for line in run.events("child")] == [parent, child, parent]


def test_forks_of_forks_name_their_parents(python, tmp_path):
    run = trace(python, tmp_path, "children.py", "deep_fork")
    assert said(run) == ["one", "two", "three", "four"]
    pids = [line["pid"] for line in run.events("child")]
    assert len(set(pids)) == 4
    assert parent_of(run) == {pids[0]: None, pids[1]: pids[0], pids[2]: pids[1], pids[3]: pids[2]}


def test_fork_child_that_does_nothing_leaves_no_trace(python, tmp_path):
    run = trace(python, tmp_path, "children.py", "silent_fork")
    assert len(run.keys) == 1
    assert said(run) == ["parent"]


def test_fork_while_other_threads_raise_events(python, tmp_path):
    run = trace(python, tmp_path, "children.py", "fork_in_threads", lossy=True)
    for i in range(20):
        [key] = {line["key"] for line in run.events("child") if line["args"]["_0"] == "child %d" % i}
        own = run.events("child", key=key)
        assert [line["args"]["_0"] for line in own] == ["child %d" % i] * 10
        assert not run.events("noise", key=key), "the child shows what its parent did"
    assert run.events("noise", key=run.keys[0])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(python, tmp_path, method):
    run = trace(python, tmp_path, "children.py", "mp_" + method)
    assert sorted(said(run)) == ["parent", "pool", "pool", "pool", "pool", "process"]
    workers = {line["pid"] for line in run.events("child")}
    assert 3 <= len(workers) <= 4
    assert workers <= {run.start(key)["pid"] for key in run.keys}
    for line in run.events("child"):
        assert line["args"]["_1"] == line["pid"]


def test_chain_of_subprocesses(python, tmp_path):
    run = trace(python, tmp_path, "children.py", "chain")
    assert said(run) == ["depth 3", "depth 2", "depth 1", "depth 0"]
    assert len(run.keys) == 4
    for above, below in zip(run.keys, run.keys[1:]):
        assert run.start(below)["ppid"] == run.start(above)["pid"]
        assert run.start(below)["argv"][1:] == [
            harness.target("children.py"), "chain", str(3 - run.keys.index(below))]
    assert {run.start(key)["coverage"] for key in run.keys} == {"site"}


FORKS = """import os, sys, time
for k in range(30):
    for i in range(2000):
        sys.audit("x.parent", i)
    pid = os.fork()
    if pid == 0:
        sys.audit("x.child", k)
        os._exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.07)"""


@harness.minors(13)
def test_a_child_does_not_begin_before_what_its_parent_did_before(python, tmp_path):
    run = harness.collect([python.path, "-c", FORKS], tmp_path, ["-e", "custom:x.*"])
    parent, *children = run.keys
    assert len(children) == 30
    following = float("inf")  # of the parent's, the earliest behind here
    for line in reversed(run.lines):
        if line["type"] == "audit" and line["key"] == parent:
            following = min(following, line["ts"])
        elif line.get("action") == "start" and line["key"] in children:
            assert line["ts"] <= following, line


@pytest.mark.parametrize("way, n", [("through_shell", 1), ("system", 2)])
def test_children_through_other_programs(python, tmp_path, way, n):
    run = trace(python, tmp_path, "children.py", way)
    assert said(run) == ["parent"] + ["depth 0"] * n


@harness.minors(8, 13)
def test_python_child_without_the_hook_is_told(python, tmp_path):
    run = trace(python, tmp_path, "children.py", "hidden")
    hidden = run.of_type("process", action="start", coverage="none")
    assert len(hidden) == 2, run.of_type("process")
    assert "-I" in hidden[0]["argv"] and "-I" not in hidden[1]["argv"]
    assert all("key" not in line for line in hidden)
    assert not run.events("never seen")


def test_python_that_takes_its_time_to_start_has_the_hook(python, tmp_path):
    subprocess.run([python.path, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    [packages] = (tmp_path / "env").glob("lib/python3.*/site-packages")
    (packages / "slow.pth").write_text("import time; time.sleep(0.7)\n")
    run = harness.collect([tmp_path / "env/bin/python", harness.target("small.py")], tmp_path)
    [start] = run.of_type("process", action="start")
    assert start["coverage"] == "site"


def test_grandchild_that_outlives_everybody(python, tmp_path):
    """Up to 3.12 it raises nothing for half a second: it is waited for all the same."""
    run = trace(python, tmp_path, "children.py", "orphan")
    assert said(run) == ["parent", "orphan"]


# Ends


@pytest.mark.parametrize("way, status, how", [
    ("usual", 0, "clean"), ("error", 1, "clean"), ("status", 3, "clean"),
    ("at_once", 4, None), ("kill", SIGKILL_STATUS, "killed"),
    ("abort", 128 + signal.SIGABRT, "killed"), ("interrupted", 130, None),
])
def test_every_end_of_a_program_is_whole(python, tmp_path, way, status, how):
    run = trace(python, tmp_path, "ends.py", way, status=status)
    [key] = run.keys
    assert said(run, "end.step") == list(range(500))
    assert how in (None, run.exit(key)["exit"]), run.exit(key)
    if status < 128:
        assert run.exit(key).get("status", status) == status
    elif how == "killed":
        assert run.exit(key)["signal"] == status - 128
    if way == "usual":
        assert len(run.events("end.atexit")) == len(run.events("end.thread")) == 1
        assert sorted(said(run, "end.del")) == ["cycle", "global"]
        assert run.events(key=key)[-1]["event"] == "cpython._PySys_ClearAuditHooks"
    if way == "interrupted":
        assert b"KeyboardInterrupt" in run.stderr


def test_killed_in_the_middle_of_an_event(python, tmp_path):
    run = trace(python, tmp_path, "ends.py", "kill_in_the_middle", status=SIGKILL_STATUS,
                lossy=True, env={"PYAUDITD_RING": "64m"})
    assert len(run.events("end.fast")) > 100
    reasons = {line["reason"] for line in run.of_type("lost")}
    assert reasons <= {"killed", "lane_full"}, run.of_type("lost")


@harness.minors(13)
def test_killed_with_memory_that_takes_its_time_to_be_given_back(tmp_path, python):
    """For that long it has no executable any more, and is no zombie yet."""
    if os.sysconf("SC_AVPHYS_PAGES") < 1 << 20:
        pytest.skip("less than 4 GiB of memory are free")
    code = ("import mmap, os\nm = mmap.mmap(-1, 2 << 30)\nm.madvise(mmap.MADV_NOHUGEPAGE)\n"
            "for at in range(0, len(m), 4096): m[at] = 1\nos.kill(os.getpid(), 9)")
    run = harness.collect([python.path, "-c", code], tmp_path, ["--calls"], status=SIGKILL_STATUS)
    [end] = run.of_type("process", action="exit")
    assert (end["exit"], end["signal"]) == ("killed", 9)


def test_exec_in_place_begins_a_new_stream(python, tmp_path):
    run = trace(python, tmp_path, "ends.py", "execute")
    first, second = run.keys
    assert run.start(first)["pid"] == run.start(second)["pid"]
    for key in (first, second):
        assert [e["args"]["_0"] for e in run.events("end.step", key=key)] == list(range(500))
    assert run.events(key=first)[-1]["event"] == "os.exec"
    assert run.exit(second)["exit"] == "clean"


def test_exec_of_another_program_ends_the_stream(python, tmp_path):
    run = trace(python, tmp_path, "ends.py", "execute_other", status=9)
    [key] = run.keys
    assert run.events("os.exec", key=key)
    assert run.exit(key)


def test_the_name_of_the_last_event_ends_nothing(python, tmp_path):
    code = ("import sys\nsys.audit('x.first')\nsys.audit('cpython._PySys_ClearAuditHooks')\n"
            "sys.audit('x.second')\nimport pyauditd; pyauditd.start()\nsys.audit('x.third')")
    run = harness.collect([python.path, "-c", code], tmp_path)
    seen = [line["event"] for line in run.events() if line["event"].startswith("x.")]
    assert seen == ["x.first", "x.second", "x.third"]
    [key] = run.keys
    assert run.exit(key)["exit"] == "clean"


NO_DESCRIPTORS = """import os, resource, sys, time
sys.audit("x.parent")
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
pid = os.fork()
if pid == 0:
    for i in range(100):
        sys.audit("x.lost", i)
        sys.audit("y.not.wanted", i)
    for fd in taken:
        os.close(fd)
    time.sleep(1.1)
    for i in range(10):
        sys.audit("x.seen", i)
    os._exit(0)
os.waitpid(pid, 0)
"""


@harness.minors(8, 13)
def test_a_child_that_has_no_segment_at_first_has_one_later(python, tmp_path):
    """And says how much was missed: here for want of descriptors."""
    run = harness.collect([python.path, "-c", NO_DESCRIPTORS], tmp_path, ["-e", "custom:x.*"], lossy=True)
    [parent, child] = run.keys
    assert said(run, "x.seen") == list(range(10)) and not said(run, "x.lost")
    [lost] = run.of_type("lost")
    assert (lost["key"], lost["reason"]) == (child, "no_lane") and lost["count"] == 100


# Interpreters


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_sub_interpreters(python, tmp_path, kind):
    run = trace(python, tmp_path, "interpreters.py", kind)
    made = run.stdout.decode().strip()
    if made == "none":
        assert python.minor < 12
        return
    per = collections.defaultdict(list)
    for line in run.events("sub.event"):
        per[line["args"]["_0"]].append(line)
    assert sorted(per) == list(range(int(made)))
    for lines in per.values():
        assert [line["args"]["_1"] for line in lines] == list(range(300))
        assert len({line["tid"] for line in lines}) == 1
        # Without a GIL a lane is a thread's, whatever it runs.
        assert harness.free_threaded(python) or 0 not in {line["lane"] for line in lines}, \
            "lane 0 is the main interpreter's"
    assert said(run, "main.event") == list(range(300))
    assert len(run.events("open", path="/dev/null")) >= int(made)


# Promise 1


def test_a_traced_program_sees_no_difference(python, tmp_path):
    expected = untraced(python, tmp_path, "harmless.py")
    assert expected.returncode == 0, expected.stderr
    run = trace(python, tmp_path, "harmless.py", env={"PYAUDITD_RING": "64m"})
    assert run.stdout.decode().splitlines() == expected.stdout.decode().splitlines()
    assert run.stderr == expected.stderr
    assert len(run.events("harmless.gc")) == 1000


def test_start_twice_and_stop(python, tmp_path):
    run = trace(python, tmp_path, "api.py")
    assert [e["event"] for e in run.events() if e["event"].startswith("api.")] == \
        ["api.one", "api.two", "api.three", "api.four"]
    say = {row["what"]: row["status"] for row in map(json.loads, run.stdout.splitlines())}
    assert [say[w]["running"] for w in ("begin", "started twice", "stopped", "started again")] == \
        [True, True, False, True]
    assert say["begin"]["coverage"] == "site"
    assert say["begin"]["segment"].startswith("/pyauditd.%d." % os.getuid())


# Where it came from


def places(word):
    """What the comments of sites.py promise: event -> lines."""
    found = collections.defaultdict(list)
    with open(harness.target("sites.py")) as f:
        for number, text in enumerate(f, 1):
            for name in re.findall(r"# %s: ([\w.]+)" % word, text):
                found[name].append(number)
    return found


@pytest.fixture(scope="module")
def sites(python, tmp_path_factory):
    return trace(python, tmp_path_factory.mktemp("sites"), "sites.py")


FUNCTIONS = {  # where the qualified name is more than the name
    "site.method": "Outer.method", "site.static": "Outer.Inner.static",
    "site.closure": "with_closure.<locals>.closure", "site.module": "<module>",
    "site.lambda": "main.<locals>.<lambda>", "site.again": "main", "site.loop2": "loops",
    "site.loop": "loops", "site.comprehension": "comprehension.<locals>.<listcomp>",
}


def function_of(event, minor):
    qualified = FUNCTIONS.get(event, event[len("site."):])
    if event == "site.comprehension" and minor >= 12:
        return "comprehension"  # inlined
    return qualified if minor >= 11 else qualified.rpartition(".")[2]


def test_every_event_is_at_its_line(python, sites):
    expected = places("at")
    del expected["mine.open"]
    for event, lines in expected.items():
        seen = sites.events(event)
        assert seen, event
        for line in seen[:1 if event == "site.again" else None]:
            at = line["at"]
            assert (at["file"], at["line"]) == (harness.target("sites.py"), lines[0]), line
            assert at["func"] == function_of(event, python.minor), line
            assert "caller" not in line, line
    assert len(sites.events("site.loop")) == 3 and len(sites.events("site.loop2")) == 4
    first, second = sites.events("site.again")
    assert second["at"]["line"] == first["at"]["line"] + 1


def test_a_call_of_many_lines(python, sites):
    [line] = sites.events("site.many_lines")
    with open(harness.target("sites.py")) as f:
        begin = 1 + next(i for i, text in enumerate(f) if "def many_lines" in text)
    assert begin < line["at"]["line"] <= begin + 6
    assert line["at"]["func"] == "many_lines"


def test_generated_code_has_its_made_up_name(python, sites):
    [line] = sites.events("site.generated")
    assert line["at"] == {"func": "<module>", "file": "<made up>", "line": 3}


def test_caller_is_the_line_outside_the_library(python, sites):
    file = harness.target("sites.py")
    for event, [number] in places("caller").items():
        lines = [line for line in sites.events(event)
                 if line.get("caller", {}).get("file") == file and line["caller"]["func"] != "main"]
        assert {line["caller"]["line"] for line in lines} >= {number}, sites.events(event)
        for line in lines:
            assert line["caller"]["func"] == "by_library", line
            assert line["at"]["file"] != file, line
    opened = [line for line in sites.events("open") if "at" in line]  # not the script itself
    [mine] = [line for line in opened if line.get("path", "").endswith("source")
              and "caller" not in line]
    assert mine["at"]["line"] == places("at")["mine.open"][0]
    by_copyfile = [line for line in opened if "shutil" in line["at"]["file"]
                   and line["caller"]["func"] == "by_library"]
    assert len(by_copyfile) == 2
    assert {line["caller"]["line"] for line in by_copyfile} == set(places("caller")["shutil.copyfile"])


@pytest.mark.parametrize("n", [0, 1, 5, 64])
def test_stack_of_n_frames(python, tmp_path, n):
    run = trace(python, tmp_path, "sites.py", options=["--stack", str(n), "-e", "custom:site.*"])
    [deep] = run.events("site.deep")
    [module] = run.events("site.module")
    if n == 0:
        assert "at" not in deep and "stack" not in deep
        return
    stack = [deep["at"]] + deep.get("stack", [])
    assert len(stack) == n
    assert [frame["func"] for frame in stack] == ["deep"] * n
    with open(harness.target("sites.py")) as f:
        inner = 1 + next(i for i, text in enumerate(f) if text.endswith("# deep\n"))
    assert [frame["line"] for frame in stack[1:]] == [inner] * (n - 1)
    assert len([module["at"]] + module.get("stack", [])) == 1


# What is shown


def names_of(run):
    return {line["event"] for line in run.events()}


def test_by_default_noise_is_counted(python, tmp_path):
    run = trace(python, tmp_path, "small.py")
    [key] = [k for k in run.keys if run.start(k)["coverage"] == "site"][:1]
    counts = run.counts(key)
    assert counts["builtins.id"] >= 1000
    assert not names_of(run) & {"import", "exec", "compile", "builtins.id", "marshal.loads"}
    assert names_of(run) >= {"open", "os.rename", "os.listdir", "socket.connect", "small.custom"}
    opened = [line["path"] for line in run.events("open") if "at" in line]  # not the script itself
    assert opened == ["one.txt", "two.txt", "three.log"], "importlib's own are only counted"
    assert counts["import"] > 0 and counts["open"] > 3


@harness.minors(8, 13)
@pytest.mark.parametrize("list, there, absent", [
    ("open", {"open"}, {"os.rename", "small.custom", "socket.connect"}),
    ("trace=open,os.mkdir", {"open", "os.mkdir"}, {"os.rename"}),
    ("@net", {"socket.connect", "urllib.Request"}, {"open", "small.custom"}),
    ("%net,-urllib.*", {"socket.connect"}, {"urllib.Request"}),
    ("os.*", {"os.rename", "os.mkdir", "os.listdir", "os.system"}, {"open"}),
    ("+import", {"import", "open", "small.custom"}, {"builtins.id"}),
    ("+builtins.id", {"builtins.id", "open"}, {"import"}),
    ("-@net,-open", {"os.rename", "small.custom"}, {"open", "socket.connect"}),
    ("!open", {"os.rename"}, {"open"}),
    ("all,socket.connect=count", {"import", "builtins.id", "open"}, {"socket.connect"}),
    ("custom:small.*", {"small.custom"}, {"open", "os.rename"}),
    ("all,-all", set(), {"open", "small.custom"}),
])
def test_event_lists(python, tmp_path, list, there, absent):
    run = trace(python, tmp_path, "small.py", options=["-e", list])
    assert there <= names_of(run)
    assert not absent & names_of(run)


def test_event_list_from_the_environment(python, tmp_path):
    run = trace(python, tmp_path, "small.py", env={"PYAUDITD_EVENTS": "os.mkdir"})
    assert names_of(run) == {"os.mkdir"}


def test_counted_and_recorded_add_up_per_event(python, tmp_path):
    everything = trace(python, folder(tmp_path, "all"), "small.py", options=["-e", "all"])
    key = everything.keys[0]
    seen = collections.Counter(line["event"] for line in everything.events(key=key))
    assert seen["builtins.id"] >= 1000 and seen["socket.connect"] == 4
    counted = trace(python, folder(tmp_path, "counted"), "small.py", options=["-e", "builtins.id=count,socket.*=count"])
    assert counted.counts(counted.keys[0])["socket.connect"] == 4
    assert counted.counts(counted.keys[0])["builtins.id"] == seen["builtins.id"]


def test_secrets_are_lengths(python, tmp_path):
    run = trace(python, tmp_path, "small.py", options=["-e", "all"])
    [env] = [e for e in run.events("os.putenv") if e["args"]["key"] == "PASSWORD"]
    assert env["args"]["value"] == {"_secret": env["args"]["value"]["_secret"], "len": 7}
    [source] = [e for e in run.events("compile") if e.get("path") == "small source"]
    held_back = {"_secret": source["args"]["source"]["_secret"], "len": len("x = 'in the source'")}
    assert source["args"]["source"] == held_back and held_back["_secret"] in ("str", "bytes")
    [request] = run.events("urllib.Request")
    assert set(request["args"]["headers"]) == {"_secret", "len"}
    text = json.dumps(run.lines)
    for secret in ("hunter2", "in the source", "Bearer", "user:secret", "token=abc"):
        assert secret not in text, secret
    assert "--name=kept" in text and "x=1" in text


def test_reveal_shows_one_argument(python, tmp_path):
    run = trace(python, tmp_path, "small.py", options=[
        "-e", "all", "--reveal", "os.putenv.value", "--reveal", "compile.source"])
    [env] = [e for e in run.events("os.putenv") if e["args"]["key"] == "PASSWORD"]
    assert env["args"]["value"] == "hunter2"
    [source] = [e for e in run.events("compile") if e.get("path") == "small source"]
    assert source["args"]["source"] == "x = 'in the source'"
    assert "_secret" in run.events("urllib.Request")[0]["args"]["headers"]


def test_no_redact_shows_command_lines_whole(python, tmp_path):
    run = trace(python, tmp_path, "small.py", options=["--no-redact"])
    [system] = run.events("os.system")
    assert system["args"]["command"] == "true --password=hunter2 --token abc --name=kept"
    assert run.events("urllib.Request")[0]["args"]["fullurl"] == \
        "http://user:secret@host.example/?token=abc&x=1"


@harness.minors(8, 13)
@pytest.mark.parametrize("glob, expected", [
    ("*.txt", ["open", "open", "socket.connect"]),
    ("{cwd}/one.txt", ["open", "socket.connect"]),
    ("folder", ["os.mkdir"]),
    ("*.log", ["open", "os.rename"]),
    ("moved.*", ["os.rename"]),
    ("/nowhere/*", []),
])
def test_only_events_that_touch_a_path(python, tmp_path, glob, expected):
    run = trace(python, tmp_path, "small.py", filtered=True,
                options=["-P", glob.format(cwd=tmp_path)])
    assert [line["event"] for line in run.events()] == expected
    stats = run.stats(run.keys[0])
    assert stats["filtered"] > 0 and stats["emitted"] == len(run.events(key=run.keys[0]))


@harness.minors(8, 13)
@pytest.mark.parametrize("addr, ports", [
    ("127.0.0.1", [1, 2]), ("127.0.0.1:2", [2]), ("::1", [1]), ("[::1]:1", [1]), (":1", [1, 1]),
    ("10.0.0.1", []),
])
def test_only_events_that_touch_an_address(python, tmp_path, addr, ports):
    run = trace(python, tmp_path, "small.py", filtered=True, options=["--addr", addr])
    assert [line["port"] for line in run.events("socket.connect")] == ports
    assert not run.events("open")


# The command and what it costs when something is lost


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -TERM $$"], 143),
    (["sh", "-c", "kill -KILL $$"], 137), (["/etc/passwd"], 126), (["/"], 126),
    (["/nowhere/program"], 127), (["no-such-program-anywhere"], 127),
])
def test_exit_status_of_the_command(tmp_path, command, status):
    run = harness.collect(command, tmp_path, status=status)
    assert not run.events()
    [said] = run.stderr.splitlines()
    assert said.startswith(b"auditd-collect: cannot run" if status in (126, 127) else
                           b"auditd-collect: nothing was traced"), said


def test_output_that_cannot_be_written_is_our_failure(tmp_path):
    done = harness.run_collector(["-o", "/nowhere/out", "--", "true"], tmp_path)
    assert done.returncode == 125
    assert done.stderr.startswith(b"auditd-collect: ") and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("options", [
    ["--no-such-option"], ["-e", "no.such.event", "--", "true"], ["-e", "@nothing", "--", "true"],
    ["-p", "x"], ["-p", "1", "--", "true"], [], ["--stack", "many", "--", "true"],
    ["--reveal", "open.nothing", "--", "true"], ["--addr", "host:port", "--", "true"],
])
def test_usage_errors_are_status_2(tmp_path, options):
    done = harness.run_collector(options, tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(b"auditd-collect: ") and done.stderr.count(b"\n") == 1
    assert not done.stdout


def test_lines_go_to_stderr_beside_a_command(python, tmp_path):
    done = harness.run_collector(["--format", "json", "--", python.path, "-c",
                                  "import sys; print(sys.stdin.read()); sys.audit('x')"],
                                 tmp_path, input=b"from stdin")
    assert done.returncode == 0 and done.stdout == b"from stdin\n"
    run = harness.Run(0, b"", b"", done.stderr)
    assert len(run.events("x")) == 1


def test_small_ring_loses_and_says_so_exactly(python, tmp_path):
    n = 30000
    run = trace(python, tmp_path, "burst.py", str(n), lossy=True, env={"PYAUDITD_RING": "256k"})
    lost = run.of_type("lost")
    assert lost and {line["reason"] for line in lost} <= {"lane_full", "no_reader"}
    seen = said(run, "burst.event")
    assert seen == sorted(seen)
    # Which were lost is known by their numbers, not only how many.
    at = {line["args"]["_0"]: line["seq"] for line in run.events("burst.event")}
    offset = at[0]
    assert all(seq == i + offset for i, seq in at.items())
    gone = sum(line["count"] for line in lost)
    everything = len(seen) + gone
    assert n <= everything <= n + 10, "only what came right after may be lost, too"
    assert run.events("burst.end")
    assert run.stats(run.keys[0])["lost_hook"] == gone


@pytest.mark.parametrize("own, expected", [(0, 3), (7, 7)])
def test_fail_on_loss_changes_only_success(python, tmp_path, own, expected):
    trace(python, tmp_path, "burst.py", "20000", str(own), lossy=True, status=expected,
          options=["--fail-on-loss", "-q"], env={"PYAUDITD_RING": "256k"})


def test_fail_on_loss_without_loss(python, tmp_path):
    trace(python, tmp_path, "small.py", options=["--fail-on-loss"])


def test_switched_off_is_off(python, tmp_path):
    run = trace(python, tmp_path, "small.py", env={"PYAUDITD": "0"})
    assert not run.keys and not run.events()


def test_bad_settings_do_no_harm(python, tmp_path):
    for name, value in (("PYAUDITD_STACK", "x"), ("PYAUDITD_RING", "-1"), ("PYAUDITD_MODE", "?"),
                        ("PYAUDITD", "maybe")):
        run = trace(python, folder(tmp_path, name), "small.py", env={name: value})
        assert not run.stderr.replace(b"auditd-collect: ", b"") or b"Traceback" not in run.stderr


def test_nothing_stays_in_shared_memory(python, tmp_path):
    before = set(os.listdir("/dev/shm"))
    for way in ("usual", "kill", "at_once"):
        trace(python, tmp_path, "ends.py", way, status=None)
    trace(python, tmp_path, "children.py", "deep_fork")
    left = {name for name in set(os.listdir("/dev/shm")) - before if name.startswith("pyauditd.")}
    mine = {name for name in left if not os.path.exists("/proc/" + name.split(".")[2])}
    assert not mine
