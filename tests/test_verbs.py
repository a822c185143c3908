# SPDX-License-Identifier: MIT
"""auditd-collect list and events: what they show, and that list leaves no trace."""
import contextlib
import fcntl
import fnmatch
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading

import pytest

import harness

SHM = "/dev/shm"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def verb(tmp, *arguments, status=0, said=None, **more):
    """Run it; stdout as text. `said` is how many lines stderr has; None: any."""
    done = subprocess.run([harness.COLLECTOR, *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, cwd=tmp, env=harness.environment(tmp),
                          timeout=60, **more)
    stderr = done.stderr.decode()
    assert done.returncode == status, stderr
    if said is not None:
        assert stderr.count("\n") == said, stderr
    for line in stderr.splitlines():
        assert line.startswith("auditd-collect: %s: " % arguments[0]), stderr
    return done.stdout.decode("utf-8")


def objects(text):
    return [json.loads(line, object_pairs_hook=harness.without_twins)
            for line in text.splitlines()]


# events


def documented():
    """name that is raised -> names that the documentation has for it"""
    aliases = {}
    with open(os.path.join(harness.ROOT, "common", "audit-events.tsv")) as f:
        for line in f:
            fields = line.rstrip("\n").split("\t")
            raised = re.search(r"code raises ([\w.]+)", fields[-1])
            if raised:
                aliases.setdefault(raised.group(1), set()).add(fields[0])
    return aliases


def test_events_are_those_of_the_table(tmp_path):
    shown = objects(verb(tmp_path, "events", "--format", "json", said=0))
    table = harness.event_table()
    names = [line["event"] for line in shown]
    assert names == sorted(table, key=str.encode)
    for line in shown:
        row = table[line["event"]]
        assert line["v"] == 1 and line["type"] == "event"
        assert line["cat"] == row["category"]
        assert line["since"] == row["since_version"]
        app = row["default_mode"] == "app"
        assert line["level"] == ("record" if app else row["default_mode"])
        assert line.get("import_level") == ("count" if app else None)
        assert [a["name"] + ("@" + a["since"] if "since" in a else "")
                for a in line["args"]] == row["args"]
        assert {a["name"]: a["role"] for a in line["args"] if "role" in a} == row["roles"]
        assert {a["name"] for a in line["args"] if a.get("secret")} == row["secret"]
    aliases = {line["event"]: set(line["aliases"]) for line in shown if "aliases" in line}
    assert aliases == documented() and aliases


def test_events_in_columns(tmp_path):
    text = verb(tmp_path, "events", "--format", "text", said=0)
    shown = objects(verb(tmp_path, "events", "--format", "json"))
    title, *rows = text.splitlines()
    starts = [title.index(name) for name in ("EVENT", "CATEGORY", "LEVEL", "SINCE", "ARGUMENTS")]
    assert len(rows) == len(shown)
    for row, line in zip(rows, shown):
        assert row == row.rstrip()
        cells = [row[a:b].rstrip() for a, b in zip(starts, starts[1:] + [None])]
        level = line["level"] + ("/count" if "import_level" in line else "")
        assert cells[:4] == [line["event"], line["cat"], level, line["since"]]
        arguments = " ".join(a["name"] + ("(%s)" % a["role"] if "role" in a else "")
                             + ("*" if a.get("secret") else "")
                             + ("@" + a["since"] if "since" in a else "") for a in line["args"])
        also = ["[documented as %s]" % name for name in line.get("aliases", [])]
        assert cells[4] == "  ".join(([arguments] if arguments else []) + also)


@pytest.mark.parametrize("glob", ["*", "os.*", "open", "socket.[bc]*", "*.connect", "?pen",
                                  "builtins.input/*"])
def test_events_by_glob(tmp_path, glob):
    shown = objects(verb(tmp_path, "events", glob, said=0))
    assert [line["event"] for line in shown] == \
        sorted(fnmatch.filter(harness.event_table(), glob), key=str.encode)


@pytest.mark.parametrize("sign", "@%")
@pytest.mark.parametrize("category", ["file", "net", "proc", "code", "native", "thread", "db",
                                      "introspect", "runtime", "misc"])
def test_events_by_category(tmp_path, sign, category):
    shown = objects(verb(tmp_path, "events", sign + category, said=0))
    assert {line["event"] for line in shown} == \
        {name for name, row in harness.event_table().items() if row["category"] == category}


def test_events_of_the_import_system_are_those_that_it_raises_too(tmp_path):
    shown = objects(verb(tmp_path, "events", "@import", said=0))
    assert {line["event"] for line in shown} == \
        {name for name, row in harness.event_table().items()
         if row["category"] == "import" or row["default_mode"] == "app"}


def test_event_is_found_by_its_documented_name(tmp_path):
    for raised, names in documented().items():
        for name in names:
            assert [line["event"] for line in objects(verb(tmp_path, "events", name))] == [raised]


@pytest.mark.parametrize("pattern, status", [
    ("no.such.event", 1), ("nothing.*", 1), ("@custom", 1), ("", 1), ("@nothing", 2), ("@", 2),
])
def test_pattern_that_matches_nothing(tmp_path, pattern, status):
    assert not verb(tmp_path, "events", pattern, status=status, said=1)


# Usage, stdout


@pytest.mark.parametrize("arguments", [
    ["list", "--no-such-option"], ["list", "-x"], ["list", "word"], ["list", "--", "word"],
    ["list", "--format"], ["list", "--format", "xml"], ["list", "--help=x"],
    ["list", "\x1b[31m"], ["list", "--\u202e"],
    ["events", "--no-such-option"], ["events", "-n"], ["events", "os.*", "open"],
    ["events", "--format=yaml"], ["events", "--", "open", "os.*"],
])
def test_wrong_usage_is_one_line_and_status_2(tmp_path, arguments):
    assert not verb(tmp_path, *arguments, status=2, said=1)


def test_what_stderr_repeats_is_harmless(tmp_path):
    for text in ("\x1b[31m", "\x9b31m", "\u202eabc", b"\xff\x9b"):
        done = subprocess.run([harness.COLLECTOR, "events", text], stderr=subprocess.PIPE)
        line = done.stderr.decode("utf-8")
        assert line.endswith("\n") and not CONTROL.search(line) and not TURNS.search(line)


@pytest.mark.parametrize("name", ["list", "events"])
def test_help(tmp_path, name):
    for option in ("--help", "-h"):
        text = verb(tmp_path, name, option, said=0)
        assert text.startswith("usage: auditd-collect %s " % name)
        assert all(len(line) <= 80 for line in text.splitlines())


def test_options_and_pattern_in_any_order(tmp_path):
    one = verb(tmp_path, "events", "--format", "text", "os.*")
    assert one == verb(tmp_path, "events", "os.*", "--format=text")
    assert one == verb(tmp_path, "events", "--format", "text", "--", "os.*")


ALWAYS_SAY_SOMETHING = [["events"], ["events", "--format", "text"], ["list", "--help"]]


@pytest.mark.parametrize("arguments", ALWAYS_SAY_SOMETHING)
def test_full_disk_is_told(tmp_path, arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([harness.COLLECTOR, *arguments], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1 and b"No space left" in done.stderr


@pytest.mark.parametrize("arguments", ALWAYS_SAY_SOMETHING)
def test_reader_that_left_is_no_failure(tmp_path, arguments):
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([harness.COLLECTOR, *arguments], stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", ALWAYS_SAY_SOMETHING)
def test_closed_stdout_is_told(tmp_path, arguments):
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', harness.COLLECTOR, *arguments],
                          stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1


# list


def first_python():
    return harness.interpreters()[0]


PROGRAM = """
%s
import json, os, sys, threading
from pyauditd import status
for i in range(%d):
    sys.audit("verbs.event", i)
for i in range(5000):
    id(i)
text = json.dumps(dict(status(), python=sys.version.split()[0], pid=os.getpid(), cwd=os.getcwd(),
                       exe=os.readlink("/proc/self/exe"), ppid=os.getppid()))
text = json.dumps(dict(json.loads(text), **status())) + "\\n"
os.write(1, text.encode())
os.read(0, 1)
"""


class Traced:
    """A traced program that waits; `said` is what it knows of itself."""

    def __init__(self, python, tmp, *arguments, n=1000, code="", before=(), **env):
        with open(os.path.join(str(tmp), "app.py"), "w") as app:
            app.write(PROGRAM % (code, n))
        self.argv = [python.path, "app.py", *arguments]
        paths = {"PYTHONPATH": os.path.join(harness.BUILD, "python", "site"), "PYAUDITD": "1"}
        self.process = subprocess.Popen([*before, *self.argv], stdin=subprocess.PIPE, cwd=tmp,
                                        stdout=subprocess.PIPE,
                                        env=harness.environment(tmp, **paths, **env))
        self.said = json.loads(self.process.stdout.readline())
        self.path = SHM + self.said["segment"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0

    def listed(self, tmp, **more):
        """Its object, and its row of text: column -> entry."""
        [found] = [row for row in objects(verb(tmp, "list", "--format", "json", **more))
                   if row["segment"] == self.said["segment"]]
        title, *rows = verb(tmp, "list", "--format", "text", **more).splitlines()
        names = title.split()
        cells = [dict(zip(names, row.split(None, len(names) - 1))) for row in rows]
        [row] = [row for row in cells if row["PID"] == str(found["pid"])
                 and row["STATE"] == found["state"]]
        return found, row


@contextlib.contextmanager
def traced(*arguments, **more):
    program = Traced(*arguments, **more)
    try:
        yield program
    finally:
        program.kill()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(program.path)


def check_figures(program, found, row):
    said = program.said
    assert found["python"] == row["PYTHON"] == said["python"]
    assert found["coverage"] == row["COVERAGE"] == said["coverage"] == "site"
    for name in ("attempted", "counted", "recorded"):
        assert found[name] == said[name], name
    assert found["attempted"] == found["counted"] + found["recorded"] + found["lost_hook"]
    assert found["lost_hook"] == sum(said["lost"].values()) == int(row["LOST"])
    assert int(row["ATTEMPTED"]) == said["attempted"]
    assert int(row["RECORDED"]) == said["recorded"]
    assert found["ring_slots"] * 64 == said["ring_bytes"]
    assert found["mode"] == said["mode"]
    assert 0 < found["ts"] - found["started"] < 60
    assert re.fullmatch(r"\d+s", row["AGE"])


def test_list_shows_a_traced_program(python, tmp_path):
    with traced(python, tmp_path, "word", "two words", "") as program:
        found, row = program.listed(tmp_path)
        check_figures(program, found, row)
        assert found["state"] == "live"
        assert found["pid"] == program.process.pid and found["ppid"] == os.getpid()
        assert found["uid"] == os.geteuid()
        assert row["USER"] == pwd.getpwuid(os.geteuid()).pw_name
        assert found["argv"] == program.argv
        assert found["exe"] == program.said["exe"] and found["cwd"] == program.said["cwd"]
        assert found["lanes"] == int(row["LANES"]) == 1 and row["RING"] == "4m"
        assert "reader" not in found and row["READER"] == "-"
        assert row["COMMAND"] == " ".join(program.argv[:3]) + ' "two words" ""'
        assert re.fullmatch(r".*:%d:\d+:[0-9a-f]{8}" % found["pid"], found["key"])


def test_list_shows_what_a_killed_program_left(python, tmp_path):
    with traced(python, tmp_path, "two words", "") as program:
        before, _ = program.listed(tmp_path)
        program.kill()
        found, row = program.listed(tmp_path)
        check_figures(program, found, row)
        changed = {name for name in {*before, *found} if before.get(name) != found.get(name)}
        assert changed == {"state", "time", "ts"}, (before, found)
        assert found["state"] == "dead"


def test_list_shows_where_tracing_was_stopped(tmp_path):
    with traced(first_python(), tmp_path, code="import pyauditd; pyauditd.stop()") as program:
        found, row = program.listed(tmp_path)
        check_figures(program, found, row)
        assert found["state"] == row["STATE"] == "stopped"


def test_list_tells_losses(python, tmp_path):
    with traced(python, tmp_path, n=20000, PYAUDITD_RING="256k") as program:
        found, row = program.listed(tmp_path)
        check_figures(program, found, row)
        assert found["lost_hook"] > 10000 and row["RING"] == "256k"


def test_ended_program_is_not_listed(python, tmp_path):
    with traced(python, tmp_path) as program:
        program.end()
        assert program.said["segment"] not in verb(tmp_path, "list", "--format", "json")


IN_SUBINTERPRETER = """
import _xxsubinterpreters
_xxsubinterpreters.run_string(_xxsubinterpreters.create(),
                              "import sys; [sys.audit('verbs.sub') for i in range(700)]")
"""


def test_list_sums_up_all_lanes(python, tmp_path):
    if python.minor > 12:
        pytest.skip("no _xxsubinterpreters")
    with traced(python, tmp_path, code=IN_SUBINTERPRETER) as program:
        found, row = program.listed(tmp_path)
        check_figures(program, found, row)
        assert found["lanes"] == int(row["LANES"]) == 2
        assert found["recorded"] >= 1700


def test_list_stands_in_columns(tmp_path):
    with traced(first_python(), tmp_path), traced(first_python(), tmp_path, n=20000):
        title, *rows = [[(m.start(), m.end()) for m in re.finditer(r"\S+", line)] for line in
                        verb(tmp_path, "list", "--format", "text").splitlines()]
        right = [name in ("PID", "LANES", "ATTEMPTED", "RECORDED", "LOST", "RING", "READER", "AGE")
                 for name in "PID USER PYTHON COVERAGE STATE LANES ATTEMPTED RECORDED LOST RING "
                             "READER AGE COMMAND".split()]
        assert len(rows) >= 2
        for row in rows:
            for i, side in enumerate(right):
                assert row[i][side] == title[i][side]


def test_list_names_the_reader(tmp_path):
    with traced(first_python(), tmp_path) as program, open(program.path, "r+b") as object:
        fcntl.flock(object, fcntl.LOCK_EX)
        found, row = program.listed(tmp_path)
        assert found["reader"] == int(row["READER"]) == os.getpid()
        fcntl.flock(object, fcntl.LOCK_UN)
        found, row = program.listed(tmp_path)
        assert "reader" not in found and row["READER"] == "-"


def test_list_says_what_the_stream_says(tmp_path):
    with traced(first_python(), tmp_path, "word") as program:
        collector = subprocess.Popen(
            [harness.COLLECTOR, "--pid", str(program.process.pid), "--format", "json"],
            stdout=subprocess.PIPE, env=harness.environment(tmp_path))
        start = json.loads(collector.stdout.readline())
        found, _ = program.listed(tmp_path)
        assert found["reader"] == collector.pid
        collector.send_signal(signal.SIGINT)
        stream = [json.loads(line) for line in collector.stdout]
        collector.wait()
        for name in ("key", "pid", "ppid", "uid", "exe", "argv", "cwd", "python", "coverage"):
            assert found[name] == start[name], name
        [stats] = [line for line in stream if line["type"] == "stats"]
        for name in ("attempted", "counted", "recorded", "lost_hook", "ring_slots"):
            assert found[name] == stats[name], name
        again, _ = program.listed(tmp_path)
        assert "reader" not in again


def test_list_never_takes_the_lock(tmp_path):
    """A collector that attaches while somebody lists never finds the segment taken."""
    taken, stop = [], threading.Event()

    def attach_and_leave(path):
        with open(path, "r+b") as object:
            while not stop.is_set():
                try:
                    fcntl.flock(object, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    taken.append(path)
                fcntl.flock(object, fcntl.LOCK_UN)

    with traced(first_python(), tmp_path) as program:
        thread = threading.Thread(target=attach_and_leave, args=(program.path,))
        thread.start()
        try:
            for _ in range(50):
                verb(tmp_path, "list")
        finally:
            stop.set()
            thread.join()
    assert not taken


def test_list_changes_nothing(tmp_path):
    with traced(first_python(), tmp_path) as program:
        program.kill()

        def state():
            with open(program.path, "rb") as object:
                found = os.fstat(object.fileno())
                return object.read(1 << 20), found.st_mtime_ns, found.st_ctime_ns, found.st_blocks

        before = state()
        program.listed(tmp_path)
        assert state() == before


def test_command_lines_are_harmless_and_without_passwords(tmp_path):
    words = ["\x1b[31mred", "\x9bC1", "\u202eturned", "--password", "hunter2", "--token=hunter3",
             "new\nline", b"\xff\x9b"]
    with traced(first_python(), tmp_path, *words) as program:
        for format in ("json", "text"):
            shown = verb(tmp_path, "list", "--format", format)
            assert "hunter" not in shown
            assert not CONTROL.search(shown)
        assert not TURNS.search(shown)
        found, row = program.listed(tmp_path)
        assert found["argv"][2:5] == words[:3]
        assert "--password [redacted] --token=[redacted]" in row["COMMAND"]
        assert found["argv"][-2] == words[-2] and found["enc"]["argv[9]"] == "percent"


def test_long_command_line_is_cut_for_people_alone(tmp_path):
    with traced(first_python(), tmp_path, "\u00e9" * 3000) as program:
        found, row = program.listed(tmp_path)
        assert found["argv"] == program.argv
        assert row["COMMAND"].endswith("...") and len(row["COMMAND"]) < 200


@pytest.mark.parametrize("alive, damage", [  # cutting it would kill a program that lives
    (True, "magic"), (True, "lanes"),
    (False, "magic"), (False, "lanes"), (False, "cut"), (False, "empty"),
])
def test_damaged_segment_is_told_as_such(tmp_path, alive, damage):
    with traced(first_python(), tmp_path) as program:
        if not alive:
            program.kill()
        if damage == "cut":
            os.truncate(program.path, 300000)
        elif damage == "empty":
            os.truncate(program.path, 0)
        else:
            with open(program.path, "r+b") as object:
                object.seek({"magic": 0, "lanes": 28}[damage])
                object.write(b"\xff" * 4)
        found, row = program.listed(tmp_path)
        assert found["state"] == ("live" if alive else "dead")
        assert found["detail"] and found["detail"] in row["COMMAND"]
        assert not {"attempted", "key", "python"} & set(found)
        assert row["PYTHON"] == row["ATTEMPTED"] == row["AGE"] == "-"


def test_what_only_looks_like_a_segment_is_left_alone(tmp_path):
    pipe = "%s/pyauditd.%d.%d.00000001" % (SHM, os.geteuid(), os.getpid())
    odd = os.fsencode(SHM) + b"/pyauditd.\x9b31m\xe2\x80\xae.%d" % os.getpid()
    os.mkfifo(pipe, 0o600)
    try:
        with open(odd, "x"):
            pass
        done = subprocess.run([harness.COLLECTOR, "list"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=10)
        said = done.stderr.decode("utf-8")
        assert done.returncode == 0 and b"00000001" not in done.stdout
        assert "no segment to trust" in said
        assert not CONTROL.search(said) and not TURNS.search(said)
    finally:
        os.unlink(pipe)
        os.unlink(odd)


@needs_root
def test_segments_of_others_are_counted(tmp_path):
    with traced(first_python(), tmp_path) as program:
        nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
        done = subprocess.run([harness.COLLECTOR, "list"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **nobody)
        assert done.returncode == 0
        assert program.said["segment"].encode() not in done.stdout
        assert re.search(rb": list: \d+ segments? of other users not shown: run as root\n$",
                         done.stderr)


def alone(*command):
    """A command that sees no process and no /dev/shm but its own."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare")
    return ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
            'mount -t tmpfs none /dev/shm && exec "$0" "$@"', *command]


@needs_root
@pytest.mark.parametrize("format", ["json", "text"])
def test_nothing_traced_is_said_and_no_failure(tmp_path, format):
    done = subprocess.run(alone(harness.COLLECTOR, "list", "--format", format),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert done.stderr.count(b"\n") == 1 and b"auditd-collect -- " in done.stderr


@needs_root
def test_program_in_a_container_has_its_pid_out_here(tmp_path):
    with traced(first_python(), tmp_path, before=alone()) as program:
        assert not os.path.exists(program.path)
        found, row = program.listed(tmp_path)
        assert found["state"] == "live" and found["pid"] != program.said["pid"]
        with open("/proc/%d/status" % found["pid"]) as status:
            assert status.read().split("NSpid:")[1].split("\n")[0].split()[-1] == \
                str(program.said["pid"])
        assert found["argv"] == program.argv


def test_stopped_process_is_listed_all_the_same(tmp_path):
    with traced(first_python(), tmp_path) as program:
        program.process.send_signal(signal.SIGSTOP)
        found, _ = program.listed(tmp_path)
        assert found["state"] == "live"
