# SPDX-License-Identifier: MIT
"""A collector that runs as root: what it keeps of that, that it needs no more, and whom it reads;
who is not read, and where the hook does not load."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import harness
from test_bad_input import PUBLIC_PYTHON, needs_public_python
from test_readme import programs  # noqa: F401
from world import SITE, check, children, needs_world, numbers, stage, wait_until  # noqa: F401



def built_with(library):
    done = subprocess.run(["ldd", harness.COLLECTOR], stdout=subprocess.PIPE)
    return library in done.stdout


pytestmark = [needs_world, pytest.mark.skipif(
    not (built_with(b"libcap-ng") and built_with(b"libseccomp")),
    reason="the collector is built without libcap-ng or libseccomp")]

# linux/capability.h
DAC_OVERRIDE, FOWNER, KILL, SYS_PTRACE, CHECKPOINT_RESTORE = 1, 3, 5, 19, 40
FOLLOWS = {DAC_OVERRIDE, FOWNER, SYS_PTRACE, CHECKPOINT_RESTORE}
NOBODY = pwd.getpwnam("nobody").pw_uid
AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
REFUSED = "is none that a collector needs"


def status(pid, thread=None):
    """/proc/PID/status as a dict."""
    with open("/proc/%d/task/%d/status" % (pid, thread or pid)) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def capabilities(pid, kind="CapEff", thread=None):
    bits = int(status(pid, thread)[kind], 16)
    return {i for i in range(64) if bits >> i & 1}


def threads(pid):
    return [int(name) for name in os.listdir("/proc/%d/task" % pid)]


def limited(pid):
    """It has given up what it does not need, in each thread."""
    said = [status(pid, thread) for thread in threads(pid)]
    return all(one["Seccomp"] == "2" and one["NoNewPrivs"] == "1" for one in said)


@pytest.fixture
def public():
    """A folder that everybody can read, with the hook."""
    folder = tempfile.mkdtemp(prefix="pyauditd-test-")
    os.chmod(folder, 0o755)
    shutil.copytree(os.path.join(harness.ROOT, "build", "python"), folder + "/python")
    yield folder
    shutil.rmtree(folder)


# What it keeps


@pytest.mark.parametrize("how", ["all", "pid", "name"])
def test_follower_keeps_what_it_reads_with(stage, how):
    target = stage.target()
    options = {"all": ["--all"], "pid": ["--pid", target.inner], "name": ["--name", "driven"]}[how]
    collector = stage.attached(*options)
    had = capabilities(os.getpid())
    assert len(threads(collector.pid)) == 2, "the test looks at both"
    for thread in threads(collector.pid):
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            assert capabilities(collector.pid, kind, thread) == FOLLOWS & had, (thread, kind)
        assert not capabilities(collector.pid, "CapInh", thread)
        assert not capabilities(collector.pid, "CapAmb", thread)
    assert limited(collector.pid)
    target.do("step", 10)
    assert numbers(check(collector.stop())) == list(range(10))


def test_command_and_sink_programs_have_all_of_it(stage):
    """They are started before; the one gets our signals, and the other our lines."""
    copy = stage.tmp / "copy"
    collector = stage.collector("-o", "|cat >%s; sleep 60" % copy, "--", stage.python.path, "-c",
                                "import sys, time; sys.audit('x', 1); time.sleep(60)")
    wait_until(lambda: copy.exists() and b'"event":"x"' in copy.read_bytes(), "it has a line")
    had = capabilities(os.getpid())
    assert capabilities(collector.pid) == (FOLLOWS | {KILL}) & had
    assert limited(collector.pid)
    below = children(collector.pid)
    assert len(below) == 2
    for pid in below:
        assert capabilities(pid) == had and capabilities(pid, "CapBnd") == \
            capabilities(os.getpid(), "CapBnd")
        assert status(pid)["Seccomp"] == status(os.getpid())["Seccomp"]
        assert status(pid)["NoNewPrivs"] == "0"
    [sleeps] = [pid for pid in below if b"time.sleep" in open("/proc/%d/cmdline" % pid, "rb").read()]
    collector.signal(signal.SIGTERM)
    wait_until(lambda: not os.path.exists("/proc/%d" % sleeps), "the command got the signal")
    collector.signal(signal.SIGTERM)  # the program sleeps: no need to wait for it
    assert collector.wait() in (125, 128 + signal.SIGTERM)
    assert REFUSED not in collector.stderr


def test_command_that_is_another_user_by_now_gets_signals(stage):
    collector = stage.collector("--", stage.python.path, "-c",
                                "import os, sys, time; os.setgid(%d); os.setuid(%d)\n"
                                "sys.audit('x', os.getuid()); time.sleep(60)" % (NOBODY, NOBODY))
    collector.wait_for('"event":"x"')
    collector.signal(signal.SIGTERM)
    run = collector.finish(status=128 + signal.SIGTERM)
    assert run.exit(run.keys[0])["signal"] == signal.SIGTERM


def test_list_gives_up_capabilities_alone(stage):
    """It is short: look at it when it writes to a pipe that is full."""
    for _ in range(3):
        stage.target()
    r, w = os.pipe()
    os.set_blocking(w, False)
    try:
        while True:
            os.write(w, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(w, True)
    listing = stage.program(harness.COLLECTOR, "list", "--format", "json", stdout=w)
    os.close(w)
    wait_until(lambda: "pipe" in open("/proc/%d/wchan" % listing.pid).read(), "it waits")
    assert capabilities(listing.pid) == {DAC_OVERRIDE, SYS_PTRACE} & capabilities(os.getpid())
    with os.fdopen(r, "rb") as f:
        assert f.read().count(b'"type":"segment"') == 3
    assert listing.wait() == 0


@pytest.mark.parametrize("command", [False, True])
def test_top_gives_up_capabilities_alone(stage, command):
    target = stage.target()
    what = ["--", "sleep", "60"] if command else ["--pid", target.inner]
    top = stage.program(harness.COLLECTOR, "top", "--batch", *what, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
    had = capabilities(os.getpid())
    wait_until(lambda: capabilities(top.pid) == (FOLLOWS | {KILL} if command else FOLLOWS) & had,
               "it has given up the others")
    if command:
        [below] = children(top.pid)
        assert capabilities(below) == had
    top.signal(signal.SIGTERM)
    assert top.wait() in (0, 128 + signal.SIGTERM)


@pytest.mark.parametrize("more", ["", ",-sys_ptrace"])
def test_without_those_capabilities_it_begins_with_less(stage, more):
    """In a container, say: nothing is asked for that is not there. Without CAP_SYS_PTRACE the
    others are what lets it look at those who have no more."""
    less = ["setpriv", "--bounding-set", "-fowner,-setpcap" + more]
    target = stage.target(before=less)
    has = capabilities(target.pid)
    assert FOWNER not in has
    collector = stage.attached("--all", before=less)
    assert limited(collector.pid)
    assert capabilities(collector.pid) == (has if more else FOLLOWS & has)
    target.do("step", 5)
    assert numbers(check(collector.stop())) == list(range(5))


# That it needs no more


def test_output_is_opened_again(stage):
    """In a folder of another user, which only who overrides permissions may write in."""
    folder = stage.tmp / "logs"
    folder.mkdir()
    os.chmod(folder, 0o700)
    os.chown(folder, NOBODY, NOBODY)
    target = stage.target()
    collector = stage.collector("--all", "-o", folder / "out", "--format", "json", out=None)
    collector.out = folder / "out"
    collector.wait_attached()
    target.do("step", 5)
    collector.wait_for("driven.step", 5)
    os.rename(folder / "out", folder / "old")
    collector.signal(signal.SIGHUP)
    wait_until((folder / "out").exists, "it is opened again")
    target.do("step", 5)
    collector.wait_for("driven.step", 5)
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 0 and not collector.stderr
    raw = (folder / "old").read_bytes() + (folder / "out").read_bytes()
    assert numbers(check(harness.Run(0, b"", b"", raw))) == list(range(10))


def test_dead_of_another_user_in_a_dev_shm_of_his_is_read_and_removed(stage):
    """Sticky, as that of a container with a user namespace: neither it nor the object are root's."""
    os.chown(stage.world.shm, 4242, 4242)
    target = stage.target()
    target.do("step", 5)
    name = target.segment
    target.kill()
    os.chown(os.path.join(stage.world.shm, name), NOBODY, NOBODY)
    collector = stage.collector("--all")
    collector.wait_for('"action":"exit"')
    assert numbers(check(collector.stop())) == list(range(5))
    assert not stage.world.segments()


def test_unlinked_segment_of_another_user_is_read(stage):
    """Through map_files, which asks for a capability of its own."""
    target = stage.target()
    target.do("step", 5)
    os.chown(os.path.join(stage.world.shm, target.segment), NOBODY, NOBODY)
    target.do("unlink")
    done = subprocess.run(stage.world.command(
        [harness.COLLECTOR, "--pid", str(target.inner), "--backlog", "-n", "1"], stage.tmp),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"maps a segment of user id %d" % NOBODY in done.stderr, "it was opened, and refused"
    os.chown("/proc/%d/root/dev/shm" % target.pid, 0, 0)


# Workers that were root

CHROOT = """
import os, sys
os.chroot(sys.argv[1])
for i in range(20000): sys.audit("worker", i, "x" * 200)
os._exit(0)
"""


def test_ring_grows_in_a_program_that_has_changed_its_root(stage, tmp_path):
    """What is called /dev/shm there is not where its segment lies."""
    run = harness.collect([stage.python.path, "-c", CHROOT, str(tmp_path)], tmp_path,
                          ["-e", "custom:worker"], env={"PYAUDITD_RING": "16m"})
    assert len(run.events("worker")) == 20000


DROP = """
import os, sys, time
os.setgroups([]); os.setgid(%(nobody)d)
sys.audit("worker", "before", os.getuid())
os.setuid(%(nobody)d)
sys.audit("worker", "after", os.getuid())
pid = os.fork()
sys.audit("worker", "child" if pid == 0 else "parent", os.getuid())
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
sys.stdin.readline()
sys.audit("worker", "last", os.getuid())
""" % {"nobody": NOBODY}


@needs_public_python
@pytest.mark.parametrize("when", ["from the start", "later", "killed"])
def test_worker_that_was_root_is_read_to_its_end(stage, public, when):
    env = harness.environment(public, PYAUDITD="1", PYTHONPATH=public + "/python/site")
    worker = stage.program(PUBLIC_PYTHON, "-c", DROP, env=env, stdin=subprocess.PIPE)
    if when != "from the start":
        wait_until(lambda: status(worker.pid)["Uid"].split()[1] == str(NOBODY), "it is nobody")
        wait_until(lambda: len(stage.world.segments()) == 2, "its child has left its segment")
        wait_until(lambda: not children(worker.pid), "its child has ended")
    if when == "killed":
        worker.signal(signal.SIGKILL)
        worker.wait()
    collector = stage.collector("--all", "--backlog")
    if when != "killed":
        collector.wait_for('"parent"')
        worker.popen.stdin.write(b"\n")
        worker.popen.stdin.close()
        assert worker.wait() == 0
    collector.wait_for('"action":"exit"', 2)
    run = check(collector.stop())
    said = [line["args"]["_0"] for line in run.events("worker")]
    assert sorted(said) == sorted(["before", "after", "parent", "child"] +
                                  ["last"] * (when != "killed"))
    [child] = [line["key"] for line in run.events("worker") if line["args"]["_0"] == "child"]
    [parent] = {line["key"] for line in run.events("worker")} - {child}
    assert run.start(child)["parent"] == parent and run.start(child)["uid"] == NOBODY
    assert run.start(parent)["uid"] in (0, NOBODY)
    assert not stage.world.segments()


# Who is not read


def test_segments_of_others_cannot_be_opened(stage, public):
    target = stage.target()
    target.do("step", 5)
    code = ("import os, sys\n"
            "for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):\n"
            "    try: os.open(sys.argv[1], flags); print('opened')\n"
            "    except PermissionError: print('refused')\n"
            "try: os.unlink(sys.argv[1]); print('removed')\n"
            "except PermissionError: print('refused')\n")
    said = stage.run(*AS_NOBODY, "/usr/bin/python3", "-I", "-c", code, "/dev/shm/" + target.segment)
    assert said == b"refused\n" * 4
    [name] = stage.world.segments()
    assert os.stat(os.path.join(stage.world.shm, name)).st_mode & 0o7777 == 0o600


# Where the hook does not load


def set_uid_python(public):
    """A copy of an interpreter that runs as root whoever starts it."""
    copy = public + "/python3-set-uid"
    shutil.copy(os.path.realpath(PUBLIC_PYTHON), copy)
    os.chmod(copy, 0o4755)
    return copy


@needs_public_python
@pytest.mark.parametrize("way", ["site", "startup", "start()"])
def test_program_that_is_set_uid_is_not_traced(stage, public, way):
    """Nothing of it: no segment, no word, the same answers. The one beside it is traced."""
    home = public + "/python"
    env = harness.environment(public, PYAUDITD="1")
    script = "import os, sys; sys.audit('x'); print(os.getuid(), os.geteuid())\n"
    words = ["-c", script]
    if way == "site":
        env["PYTHONPATH"] = home + "/site"
    elif way == "startup":
        env["PYTHONSTARTUP"] = home + "/startup.py"
        words = ["-i"]
    else:
        env["PYTHONPATH"] = home
        words = ["-c", "import pyauditd\n"
                       "try: pyauditd.start()\n"
                       "except Exception as e: print(type(e).__name__)\n" + script]
    collector = stage.collector("--all")
    said = {}
    for python in (set_uid_python(public), PUBLIC_PYTHON):
        done = subprocess.run(stage.world.command([*AS_NOBODY, python, *words], public), env=env,
                              input=script.encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=20)
        assert done.returncode == 0, done.stderr
        assert way == "startup" or not done.stderr
        said[python] = done.stdout.decode().split()
        if python != PUBLIC_PYTHON:
            assert not collector.raw(), "nothing came of the one with raised privileges"
    refused = ["PermissionError"] if way == "start()" else []
    secure, plain = said.values()
    assert secure[-2:] == [str(NOBODY), "0"] and plain[-2:] == [str(NOBODY)] * 2
    assert secure[:-2] == refused and not plain[:-2]
    collector.wait_for('"event":"x"')
    run = check(collector.stop(), filtered=False)
    assert [run.start(key)["uid"] for key in run.keys] == [NOBODY], "the other one"


# Servers that do so


@pytest.fixture
def server(stage, public, programs):
    """Their folder, with the library of programs; and an environment."""
    [packages] = glob.glob(str(programs.parent / "lib/python3*/site-packages"))
    shutil.copytree(packages, public + "/packages")
    for name, text in FILES.items():
        with open(os.path.join(public, name), "w") as f:
            f.write(text)
    for folder in ("queue", "results", "control"):
        os.mkdir(os.path.join(public, folder))
    for name in os.listdir(public):
        os.chown(os.path.join(public, name), NOBODY, NOBODY)
    os.chown(public, NOBODY, NOBODY)
    return harness.environment(public, PYAUDITD="1", PYTHONPATH="%s/python/site:%s/packages:%s" % (
        public, public, public))


FILES = {
    "settings.ini": "x = 1\n",
    "app.py": """
def app(environ, start_response):
    open("settings.ini").close()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
""",
    "tasks.py": """
import os, celery
here = os.path.dirname(os.path.abspath(__file__))
app = celery.Celery("tasks", broker="filesystem://", backend="file://" + here + "/results")
app.conf.broker_transport_options = {"data_folder_in": here + "/queue",
    "data_folder_out": here + "/queue", "control_folder": here + "/control"}

@app.task
def read():
    open("settings.ini").close()
    return os.getuid()
""",
}


def ask(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := client.recv(4096):
            answer += part
    return answer.endswith(b"ok")


def can_ask(path):
    with contextlib.suppress(OSError):
        return ask(path)


def workers_said(run):
    """By whom the file was opened: keys, each of a process that is nobody's."""
    keys = {line["key"] for line in run.events("open", path="settings.ini")}
    for key in keys:
        assert "parent" in run.start(key)
    return keys


@needs_public_python
def test_gunicorn_with_user_is_read(stage, public, server):
    path = public + "/socket"
    serving = stage.program(PUBLIC_PYTHON, "-m", "gunicorn", "--user", "nobody", "--group",
                            "nogroup", "--workers", "2", "--chdir", public, "--bind",
                            "unix:" + path, "app:app", env=server, stderr=subprocess.DEVNULL)
    wait_until(lambda: can_ask(path), "it serves")
    assert {status(pid)["Uid"].split()[1] for pid in children(serving.pid)} == {str(NOBODY)}
    collector = stage.attached("--all", "-e", "+open", n=3)
    for _ in range(20):
        assert ask(path)
    collector.wait_for('"path":"settings.ini"', 20)
    serving.signal(signal.SIGTERM)
    serving.wait()
    collector.wait_for('"action":"exit"', 3)
    run = check(collector.stop())
    assert len(run.events("open", path="settings.ini")) == 20 and workers_said(run)


@needs_public_python
def test_celery_with_uid_is_read(stage, public, server):
    code = "import tasks; print({tasks.read.delay().get(timeout=20) for _ in range(5)})"
    collector = stage.collector("--all", "-e", "+open")
    worker = stage.program("env", "--chdir=" + public, PUBLIC_PYTHON, "-m", "celery", "-A", "tasks",
                           "worker", "--uid", "nobody", "--gid", "nogroup", "--concurrency", "2",
                           "--loglevel", "warning", env=server, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    done = subprocess.run(stage.world.command([*AS_NOBODY, PUBLIC_PYTHON, "-c", code], public),
                          env={**server, "PYAUDITD": "0"}, stdout=subprocess.PIPE, timeout=60)
    assert done.stdout == b"{%d}\n" % NOBODY
    collector.wait_for('"path":"settings.ini"', 5)
    worker.signal(signal.SIGTERM)
    worker.wait(40)
    run = check(collector.stop())
    assert len(run.events("open", path="settings.ini")) == 5 and workers_said(run)
