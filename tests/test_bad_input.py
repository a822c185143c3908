# SPDX-License-Identifier: MIT
"""What is wrong is said in one line with the right exit status, and whoever else is read is read
on. PYAUDITD_TEST_BUILD=build/san-address-undefined runs it with sanitizers."""
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

import pytest

import harness
from world import (SITE, Stage, check, needs_world, numbers, process_state,  # noqa: F401
                   stage, wait_until)

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def run(stage, *arguments, status, said=1, before=(), collector=harness.COLLECTOR, **more):
    """auditd-collect to its end: the lines on its stderr."""
    done = subprocess.run(
        stage.world.command([*before, str(collector), *map(str, arguments)], stage.tmp),
        env=harness.environment(stage.tmp), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=30, **more)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == status, (done.returncode, lines)
    assert len(lines) == said and all(line.startswith("auditd-collect: ") for line in lines), lines
    return lines


# Wrong words


@pytest.mark.parametrize("arguments", [
    ["--no-such-option"], ["--pid"], ["--pid", ""], ["--pid", "0"], ["--pid", "-1"],
    ["--pid", "4294967295"], ["--pid", "99999999999999999999"], ["--pid", "1,"], ["--pid", "1 2"], ["--pid", "self"],
    ["--pid", "1", "--all"], ["--all", "--name", "x"], ["--all", "-e", "no.such.event"],
    ["--all", "-e", "@nothing"], ["--all", "-e", "+"], ["--all", "-e", "open=loud"],
    ["--all", "-e", "x" * 5000], ["--all", "--stack", "-1"], ["--all", "--stack", "1000"],
    ["--all", "--reveal", "open"], ["--all", "--duration", "soon"], ["--all", "--duration", "-1"],
    ["--all", "--duration", "nan"], ["--all", "-n", "0"], ["--all", "-n", "-5"],
    ["--all", "--format", "xml"], ["--all", "-o", ""], ["--all", "-o", "|"],
    ["--all", "-o", "unix:"], ["--all", "--addr", "[::1"], ["--all", "--stats-interval", "x"],
    ["--\x1b[31m"], ["--\u202ex"], ["-e"], [],
])
def test_wrong_usage_is_one_line_and_status_2(stage, arguments):
    [line] = run(stage, *arguments, status=2)
    assert line.isprintable()


def test_wrong_event_is_named(stage):
    [line] = run(stage, "--all", "-e", "open,socket.conect", status=2)
    assert "socket.conect" in line


# Wrong processes


def test_pid_that_does_not_exist(stage):
    target = stage.target()
    pid = target.inner
    target.kill()
    for number in (pid, 4194303):
        [line] = run(stage, "--pid", number, status=5)
        assert "pid %d: there is no such process" % number in line


def test_pid_of_a_zombie(stage):
    """Ended, but not reaped: it has no memory left to tell us anything."""
    target = stage.target()
    pid = int(target.do("zombie"))
    [line] = run(stage, "--pid", pid, status=5)
    assert "pid %d: there is no such process" % pid in line


@pytest.mark.parametrize("kind", ["python", "other"])
def test_pid_without_the_hook_is_told_how_to_get_it(stage, kind):
    target = stage.target(traced=False) if kind == "python" else stage.program("sleep", 30)
    [line] = run(stage, "--pid", target.inner, status=5)
    assert "pid %d does not have the hook" % target.inner in line
    assert "auditd-collect -- COMMAND" in line and "PYAUDITD=1" in line


def test_one_wrong_pid_of_several_is_a_failure(stage):
    traced, untraced = stage.target(), stage.target(traced=False)
    [line] = run(stage, "-p", traced.inner, "-p", untraced.inner, status=5)
    assert "pid %d " % untraced.inner in line
    collector = stage.attached("--pid", traced.inner)
    traced.do("step", 3)
    assert numbers(check(collector.stop())) == [0, 1, 2], "it was left as it was found"


def test_kernel_thread_has_no_hook(stage):
    try:
        with open("/proc/2/stat") as f:
            sight = "(kthreadd)" in f.read()
    except FileNotFoundError:
        sight = False
    if not sight:
        pytest.skip("no kernel threads in sight: tests/run looks for them outside")
    run(Stage(stage.tmp, stage.python), "--pid", 2, status=5)


# Other users


@pytest.fixture
def public(stage):
    """A folder that everybody can read, with what there is to run."""
    folder = tempfile.mkdtemp(prefix="pyauditd-test-")
    os.chmod(folder, 0o755)
    os.mkdir(folder + "/bin")
    shutil.copy(harness.COLLECTOR, folder + "/bin")
    shutil.copytree(os.path.join(harness.ROOT, "build", "python"), folder + "/python")
    shutil.copytree(harness.TARGETS, folder + "/targets")
    yield folder
    shutil.rmtree(folder)


def as_nobody(stage, public, *command, **more):
    env = harness.environment(public, PYAUDITD="1", PYTHONPATH=public + "/python/site")
    stage.tmp, kept = public, stage.tmp
    try:
        return stage.program(*NOBODY, *command, env=env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    finally:
        stage.tmp = kept


PUBLIC_PYTHON = "/usr/bin/python3"  # one that everybody may run


def has_public_python():
    asked = subprocess.run([PUBLIC_PYTHON, "-c", "import _imp; print(_imp.extension_suffixes()[0])"],
                           stdout=subprocess.PIPE, text=True)
    return os.path.exists(os.path.join(harness.ROOT, "build", "python", "pyauditd",
                                       "_hook" + asked.stdout.strip()))


needs_public_python = pytest.mark.skipif(not has_public_python(),
                                         reason="no hook for " + PUBLIC_PYTHON)


@needs_world
def test_pid_of_another_user_is_status_4(stage, public):
    target = stage.target()
    [line] = run(stage, "--pid", target.inner, status=4, before=NOBODY,
                 collector=public + "/bin/auditd-collect")
    assert "pid %d: it belongs to another user: run as root or as that user" % target.inner in line
    assert target.do("step") == "0"


@needs_world
def test_what_other_users_left_is_not_denied(stage, public):
    stage.target().kill()
    lines = run(stage, "--post-mortem", "all", status=0, said=2, before=NOBODY,
                collector=public + "/bin/auditd-collect")
    assert "1 segment of other users not looked at: run as root" in lines[1]


@needs_world
@needs_public_python
def test_user_reads_his_own_and_root_reads_his_too(stage, public):
    roots = stage.target()
    his = as_nobody(stage, public, PUBLIC_PYTHON, public + "/targets/driven.py")
    pid = int(his.popen.stdout.readline())
    collector = as_nobody(stage, public, public + "/bin/auditd-collect", "--all")
    start = collector.popen.stdout.readline()
    his.popen.stdin.write(b"step 10\n")
    his.popen.stdin.flush()
    his.popen.stdout.readline()
    roots.do("step", 10)
    time.sleep(0.2)
    collector.signal(signal.SIGTERM)
    stream = harness.Run(0, b"", b"", start + collector.popen.stdout.read())
    assert collector.wait() == 0 and not collector.popen.stderr.read()
    assert [stream.start(key)["pid"] for key in stream.keys] == [pid]
    assert stream.start(stream.keys[0])["uid"] == 65534
    assert numbers(check(stream)) == list(range(10))
    collector = stage.attached("--all", n=2)
    his.popen.stdin.write(b"step 10\n")
    his.popen.stdin.flush()
    his.popen.stdout.readline()
    both = check(collector.stop())
    assert {(both.start(key)["pid"], both.start(key)["uid"]) for key in both.keys} == \
        {(roots.inner, 0), (pid, 65534)}
    assert numbers(both) == list(range(10, 20))


TAKES_PID = """while :; do
echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
sleep 60 &
[ $! = $1 ] && break
kill $!
done
echo
wait"""


@needs_world
@needs_public_python
def test_what_a_program_left_whose_pid_another_users_program_has_now(stage, public):
    """It may not be looked at; but it began at another time."""
    his = as_nobody(stage, public, PUBLIC_PYTHON, public + "/targets/driven.py")
    pid = int(his.popen.stdout.readline())
    his.popen.stdin.write(b"step 10\n")
    his.popen.stdin.flush()
    his.popen.stdout.readline()
    his.signal(signal.SIGKILL)
    his.wait()
    taker = stage.program("sh", "-c", TAKES_PID, "sh", str(pid), stdout=subprocess.PIPE)
    taker.popen.stdout.readline()
    [listed] = as_nobody(stage, public, public + "/bin/auditd-collect", "list",
                         "--format", "json").popen.communicate()[0].splitlines()
    assert json.loads(listed)["state"] == "dead"
    out, said = as_nobody(stage, public, public + "/bin/auditd-collect", "--post-mortem",
                          str(pid)).popen.communicate()
    assert numbers(check(harness.Run(0, b"", b"", out))) == list(range(10)), said
    assert stage.world.segments() == []
    os.kill(taker.pid, signal.SIGTERM)
    stage.run("kill", str(pid))


@needs_world
def test_object_that_a_user_made_in_the_name_of_another_is_his(stage, public):
    """The pid in it may be anybody's: he who owns it is told, and the process is not disturbed."""
    victim = stage.target()
    forged = forge(stage, pid=victim.inner, nonce=0xabcdef01, uid=0)
    os.chown(forged, 65534, 65534)
    collector = stage.attached("--all", n=2)
    victim.do("step", 5)
    stream = collector.stop(quiet=False)
    real = [key for key in stream.keys if stream.start(key)["uid"] == 0]
    assert len(real) == 1 and numbers(stream, real[0]) == list(range(5))
    [other] = set(stream.keys) - set(real)
    assert stream.start(other)["uid"] == 65534


# Objects that are no segments


FIELDS = {"magic": (0, "Q"), "major": (8, "H"), "minor": (10, "H"), "oldest": (12, "H"),
          "ready": (16, "I"), "n_ids": (24, "I"), "n_lanes": (28, "I"), "defs_bytes": (32, "I"),
          "lane0_slots": (36, "I"), "mode": (44, "I"), "clock": (48, "I"), "pid": (72, "I"),
          "uid": (80, "I"), "nonce": (112, "I")}


@pytest.fixture
def leftover(stage):
    """A segment that a killed program left, out of the way of --all."""
    return make_leftover(stage)


def make_leftover(stage):
    path = str(stage.tmp / "leftover")
    if not os.path.exists(path):
        target = stage.target()
        target.do("step", 100)
        name = os.path.join(stage.world.shm, target.segment)
        target.kill()
        subprocess.run(["cp", "--sparse=always", name, path], check=True)
        os.unlink(name)
    return path


def forge(stage, pid=4000000, nonce=0x1000, uid=0, then=None, **fields):
    """A copy of it under a name that fits, with some fields of its header changed, and with
    what then(path) makes of it; it is there at once and whole."""
    path = os.path.join(stage.world.shm, "pyauditd.%d.%d.%08x" % (uid, pid, nonce))
    new = os.path.join(stage.world.shm, "new")
    subprocess.run(["cp", "--sparse=always", make_leftover(stage), new], check=True)
    with open(new, "r+b") as f:
        for field, value in {"pid": pid, "nonce": nonce, **fields}.items():
            f.seek(FIELDS[field][0])
            f.write(struct.pack(FIELDS[field][1], value))
    os.chmod(new, 0o600)
    if then is not None:
        then(new)
    os.rename(new, path)
    return path


def served_beside(stage, spoil, n_said=1):
    """--all reads an honest program whatever else lies there: its stderr. `spoil` is called
    before, and another time while it reads."""
    honest = stage.target()
    before = spoil(0)
    collector = stage.collector("--all")
    collector.wait_for('"pid":%d,' % honest.inner)
    honest.do("step", 10)
    spoil(1)
    time.sleep(0.1)
    wait_until(lambda: collector.stderr.count("\n") >= 2 * n_said, "both are told")
    honest.do("step", 10)
    start = time.monotonic()
    stream = collector.stop(quiet=False)
    assert time.monotonic() - start < 5
    [key] = [key for key in stream.keys if stream.start(key)["pid"] == honest.inner]
    assert numbers(stream, key) == list(range(20))
    lines = collector.stderr.splitlines()
    assert len(lines) == 2 * n_said, lines
    assert all(line.startswith("auditd-collect: ") and line.isprintable() for line in lines)
    return before, lines


@needs_world
@pytest.mark.parametrize("fields, why", [
    ({"major": 7, "oldest": 7}, "has ABI 7, this build reads 2: use a hook and a"), ({"major": 0}, "has ABI 0"),
    ({"magic": 1}, "is no segment of pyauditd"), ({"n_ids": 7}, "damaged: number of ids"),
    ({"n_ids": 1 << 31}, "damaged: number of ids"), ({"n_lanes": 0}, "damaged: number of lanes"),
    ({"n_lanes": 1 << 30}, "damaged: number of lanes"),
    ({"defs_bytes": 1 << 31}, "damaged: size of the definitions"),
    ({"lane0_slots": 4095}, "damaged: ring size"), ({"lane0_slots": 1 << 31}, "damaged: ring size"),
    ({"lane0_slots": 128}, "damaged: size of the object"), ({"mode": 9}, "damaged: mode"),
    ({"clock": 0}, "damaged: clock"),
])
def test_header_that_makes_no_sense(stage, fields, why):
    def spoil(i):
        return forge(stage, pid=4000000 + i, **fields)
    path, lines = served_beside(stage, spoil)
    assert all(why in line and "not read" in line for line in lines), lines
    assert os.path.exists(path), "not ours to remove"


@needs_world
@pytest.mark.parametrize("field", ["pid", "nonce"])
def test_header_of_another_process(stage, field):
    def spoil(i):
        def change(path):
            with open(path, "r+b") as f:
                f.seek(FIELDS[field][0])
                f.write(struct.pack("I", 1))
        forge(stage, pid=4000000 + i, then=change)
    _, lines = served_beside(stage, spoil)
    assert all("pid 400000%d: the segment's header is damaged: name; not read" % i in line
               for i, line in enumerate(lines))


@needs_world
@pytest.mark.parametrize("size", [0, 100, 4095, 4096, 8192, 1 << 20, -1, 1 << 42])
def test_object_of_another_size(stage, size):
    """A header that is not whole may become so; then it is old, and nobody's."""
    def spoil(i):
        forge(stage, pid=4000000 + i, then=lambda path: os.truncate(
            path, size if size >= 0 else os.stat(path).st_size + size))
    small = 0 <= size < 4096
    _, lines = served_beside(stage, spoil, n_said=0 if small else 1)
    assert small or all("size of the object" in line for line in lines)


@needs_world
@pytest.mark.parametrize("what", ["garbage", "text", "zeroes"])
def test_object_that_is_something_else(stage, what):
    def spoil(i):
        path = os.path.join(stage.world.shm, "pyauditd.0.%d.0000beef" % (4000000 + i))
        # Without the flag by which another collector would come first.
        content = {"garbage": os.urandom(116) + bytes(4) + os.urandom(50000),
                   "text": b"a" * 50000, "zeroes": bytes(50000)}[what]
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            f.write(content)
    _, lines = served_beside(stage, spoil, n_said=0 if what == "zeroes" else 1)
    assert all("no segment of pyauditd" in line for line in lines)


def make_kind(path, kind):
    if kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "directory":
        os.mkdir(path, 0o700)
    elif kind == "link":
        os.symlink("/etc/passwd", path)
    elif kind == "hard link":
        other = path.replace("pyauditd.", "other.")
        with open(os.open(other, os.O_CREAT | os.O_WRONLY, 0o600), "w"):
            os.link(other, path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(5, 0))


@needs_world
@pytest.mark.parametrize("kind, why", [
    ("fifo", "no regular file"), ("directory", "no regular file"), ("link", "no regular file"),
    ("socket", "no regular file"), ("device", "no regular file"), ("hard link", "a second name"),
])
def test_what_is_no_file_is_not_opened(stage, kind, why):
    def spoil(i):
        make_kind(os.path.join(stage.world.shm, "pyauditd.0.%d.0000beef" % (4000000 + i)), kind)
    _, lines = served_beside(stage, spoil)
    assert all(why in line for line in lines), lines


@needs_world
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o4600, 0o400])
def test_object_of_another_mode_is_refused(stage, mode):
    def spoil(i):
        forge(stage, pid=4000000 + i, then=lambda path: os.chmod(path, mode))
    _, lines = served_beside(stage, spoil)
    assert all("does not have mode 0600" in line for line in lines)


@needs_world
@pytest.mark.parametrize("name", [
    "pyauditd.", "pyauditd.0.1", "pyauditd.0.0001.00000001", "pyauditd.0.1.1",
    "pyauditd.-1.1.00000001", "pyauditd.0.1.00000001x", "pyauditd.0.99999999999.00000001",
    "pyauditd.0.1.GGGGGGGG", "pyauditd.\x1b[31m", "pyauditd.0.1.00000001\n",
    "pyauditd." + "x" * 240, "xpyauditd.0.1.00000001",
])
def test_name_that_is_none(stage, name):
    with open(os.open(os.path.join(stage.world.shm, name), os.O_CREAT | os.O_WRONLY, 0o600), "w"):
        pass
    honest = stage.target()
    collector = stage.attached("--all")
    honest.do("step", 10)
    assert numbers(check(collector.stop(quiet=False))) == list(range(10))
    assert collector.stderr.count("\n") <= 1 and "\x1b" not in collector.stderr


@needs_world
def test_many_at_once_are_settled(stage):
    """Two thousand objects of nobody; they do not stand in the way of the living."""
    for i in range(2000):
        with open(os.open(os.path.join(stage.world.shm, "pyauditd.0.%d.0000beef" % (3000000 + i)),
                          os.O_CREAT | os.O_WRONLY, 0o600), "w"):
            pass
    honest = stage.target()
    start = time.monotonic()
    collector = stage.attached("--all")
    honest.do("step", 10)
    assert numbers(check(collector.stop())) == list(range(10))
    assert time.monotonic() - start < 5


# Programs that are hostile


class Hostile:
    def __init__(self, stage, what, seed=1):
        self.program = stage.program(
            stage.python.path, harness.target("hostile.py"), what, seed, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=harness.environment(
                stage.tmp, PYAUDITD="1",
                PYTHONPATH=SITE))
        self.pid = int(self.program.popen.stdout.readline())

    def begin(self):
        self.program.popen.stdin.write(b"\n")
        self.program.popen.stdin.flush()


@needs_world
@pytest.mark.parametrize("what, seed", [
    ("lanes", 1), ("lanes", 2), ("slots", 1), ("slots", 2), ("defs", 1), ("identity", 1),
    ("counters", 1), ("all", 1), ("all", 2), ("size", 1), ("size", 2), ("size_once", 1),
    ("head", 1), ("promise", 1),
])
def test_hostile_program_hurts_nobody_but_itself(stage, what, seed):
    honest = stage.target()
    hostile = Hostile(stage, what, seed)
    collector = stage.attached("--all", "--stats-interval", "0.2", n=2)
    hostile.begin()
    late = []
    for _ in range(12):
        start = time.monotonic()
        honest.do("step", 10)
        honest.do("audit", "driven.mark", len(late))
        collector.wait_for(b"driven.mark", len(late) + 1)
        late.append(time.monotonic() - start)
        time.sleep(0.02)
    start = time.monotonic()
    stream = collector.stop(quiet=False)
    assert time.monotonic() - start < 3, "it leaves at once"
    assert max(late) < 2, late
    [key] = [key for key in stream.keys if stream.start(key)["pid"] == honest.inner]
    assert numbers(stream, key) == list(range(120)) and not stream.of_type("lost", key=key)
    for said in collector.said:
        assert said.startswith("auditd-collect: pid %d: " % hostile.pid), said
    assert len(collector.said) <= 2
    if what in ("size", "size_once"):
        assert "its segment was truncated while it was read" in collector.stderr
    if what in ("lanes", "head", "slots", "defs", "all", "size", "size_once"):
        assert collector.said, "it is said"
        assert stream.of_type("notice", what="damaged")
    assert what.startswith("size") or process_state(hostile.program.pid) not in ("", "Z")


@needs_world
@pytest.mark.parametrize("seed", range(4))
def test_leftover_of_a_hostile_program(stage, seed):
    """What it left when it was killed: read as far as it makes sense, or left alone with a word."""
    hostile = Hostile(stage, "all", seed)
    hostile.begin()
    time.sleep(0.2)
    hostile.program.signal(signal.SIGKILL)
    hostile.program.wait()
    honest = stage.target()
    collector = stage.collector("--all")
    collector.wait_for('"pid":%d,' % honest.inner)
    honest.do("step", 10)
    start = time.monotonic()
    stream = collector.stop(quiet=False)
    assert time.monotonic() - start < 3
    assert numbers(stream) == list(range(10))
    assert len(collector.said) <= 2


@needs_world
def test_who_was_given_up_is_not_read_again(stage):
    """By name, for which new ones are looked for again and again."""
    hostile = Hostile(stage, "used")
    hostile.begin()
    time.sleep(0.5)
    collector = stage.collector("--name", "*hostile.py*")
    wait_until(lambda: "reading it no further" in collector.stderr, "it is given up")
    time.sleep(2.5)
    collector.stop(quiet=False)
    assert collector.stderr.count("reading it no further") == 1


@needs_world
def test_target_that_is_truncated_alone_ends_us_with_a_word(stage):
    hostile = Hostile(stage, "size_once")
    collector = stage.attached("--pid", hostile.pid)
    hostile.begin()
    assert collector.wait() == 1
    assert collector.said == ["auditd-collect: pid %d: its segment was truncated while it was "
                              "read; reading it no further" % hostile.pid]
    stream = collector.so_far()
    assert {notice["what"] for notice in stream.of_type("notice")} == {"damaged"}


@needs_world
def test_lock_held_by_a_stranger_is_told(stage):
    """Somebody else's flock, who has not said who he is."""
    target = stage.target()
    with open(os.path.join(stage.world.shm, target.segment), "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        [line] = run(stage, "--pid", target.inner, status=1)
        assert "another collector reads it" in line
    collector = stage.attached("--pid", target.inner)
    target.do("step", 5)
    assert numbers(check(collector.stop())) == list(range(5))
