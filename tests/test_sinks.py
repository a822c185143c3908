# SPDX-License-Identifier: MIT
"""Where the lines go, and what happens when they cannot: what was received is not lost, what is
lost is said, and a file ends with a whole line."""
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import harness
from world import SITE, check, needs_world, numbers, stage, wait_until  # noqa: F401

STEPS = "import sys\nfor i in range(%d): sys.audit('driven.step', i)"


def run_steps(stage, n, *options, status=0, said=0, code="", **popen):
    """A traced program of n steps, `options` given to its collector; a CompletedProcess."""
    done = subprocess.run(
        stage.world.command([harness.COLLECTOR, *map(str, options), "--", stage.python.path, "-c",
                             STEPS % n + code], stage.tmp),
        env=harness.environment(stage.tmp, PYAUDITD_RING="64m",
                                PYAUDITD_HOME=os.path.join(harness.ROOT, "build", "python")),
        stdin=subprocess.DEVNULL, timeout=60,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen})
    assert done.returncode == status, (done.returncode, done.stderr)
    if done.stderr is not None and said is not None:
        assert done.stderr.count(b"\n") == said, done.stderr
        assert done.stderr.startswith(b"auditd-collect: " if said else b""), done.stderr
    return done


def read(path):
    with open(path, "rb") as f:
        return f.read()


def run_of(raw):
    return harness.Run(0, b"", b"", raw)


def whole(raw, n):
    run = check(run_of(raw), filtered=False)
    assert numbers(run) == list(range(n))
    return run


def read_control(stage, target):
    """What a collector has written into a segment about itself."""
    return any(read(os.path.join(stage.world.shm, target.segment))[4096:4200])


class Listener(contextlib.ExitStack):
    """A reader at a unix socket: of everything, or of so many bytes."""

    def __init__(self, address, at_most=None):
        super().__init__()
        self.server = self.enter_context(socket.socket(socket.AF_UNIX))
        self.server.bind(address)
        self.server.listen()
        self.received = b""
        self.at_most = at_most
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        connection, _ = self.server.accept()
        with connection:
            while self.at_most is None or len(self.received) < self.at_most:
                part = connection.recv(65536 if self.at_most is None else 4096)
                if not part:
                    return
                self.received += part

    def all(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.received


# Each kind


def test_file_is_emptied_first(stage):
    path = stage.tmp / "out"
    path.write_text("before\n")
    run_steps(stage, 100, "-o", path)
    whole(read(path), 100)


def test_file_is_for_its_owner_only(stage):
    run_steps(stage, 1, "-o", stage.tmp / "out", preexec_fn=lambda: os.umask(0))
    assert stat.S_IMODE(os.stat(stage.tmp / "out").st_mode) == 0o600


def test_append_leaves_what_is_there(stage):
    path = stage.tmp / "out"
    path.write_text("before\n")
    for _ in range(2):
        run_steps(stage, 10, "-o", path, "--append")
    raw = read(path)
    assert raw.startswith(b"before\n")
    assert numbers(run_of(raw[7:])) == list(range(10)) * 2


def test_append_begins_behind_a_line_that_was_cut(stage):
    """As one may be after a crash of the machine: the next line must not be spoilt by it."""
    path = stage.tmp / "out"
    path.write_text('{"v":1,"type":"au')
    run_steps(stage, 10, "-o", path, "--append")
    first, *rest = read(path).split(b"\n", 1)
    assert first == b'{"v":1,"type":"au'
    whole(rest[0], 10)


def test_minus_is_stdout(stage):
    target = stage.target()
    collector = stage.collector("--pid", target.inner, "-o", "-", out=None, stdout=subprocess.PIPE)
    collector.popen.stdout.readline()
    target.do("step", 10)
    collector.signal(signal.SIGTERM)
    run = run_of(collector.popen.stdout.read())
    assert collector.wait() == 0 and numbers(run) == list(range(10))


def test_minus_beside_a_command_is_stdout_too(stage):
    done = run_steps(stage, 10, "-o", "-")
    whole(done.stdout, 10)


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_unix_socket(stage, kind):
    name = str(stage.tmp / "socket") if kind == "path" else "\0pyauditd-test-%d" % os.getpid()
    with Listener(name) as listener:
        run_steps(stage, 20000, "-o", "unix:" + name.replace("\0", "@"))
        whole(listener.all(), 20000)


def test_unix_socket_whose_reader_goes(stage):
    with Listener(str(stage.tmp / "socket"), at_most=10000) as listener:
        done = run_steps(stage, 20000, "-o", "unix:%s/socket" % stage.tmp,
                         "-o", stage.tmp / "out", status=125, said=1)
        listener.all()
    assert b"output unix:%s/socket: its reader is gone; " % str(stage.tmp).encode() in done.stderr
    assert b"all that follow, are not written" in done.stderr
    whole(read(stage.tmp / "out"), 20000)


def test_unix_socket_without_a_listener(stage):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(stage.tmp / "socket"))
    for target in (stage.tmp / "socket", stage.tmp / "nothing", "x" * 200):
        done = run_steps(stage, 1, "-o", "unix:%s" % target, status=125, said=1)
        assert b"connect" in done.stderr or b"longer" in done.stderr


def test_program_reads_all_and_is_waited_for(stage):
    run_steps(stage, 20000, "-o", "|sleep 0.3; cat > copy; echo done >> copy.done")
    assert read(stage.tmp / "copy.done") == b"done\n"
    whole(read(stage.tmp / "copy"), 20000)


def test_program_that_is_slow_loses_nothing(stage):
    """It holds us up, and the ring holds the rest."""
    run_steps(stage, 20000, "-o", "|(sleep 0.5; head -c 300000; sleep 0.5; cat) > copy")
    whole(read(stage.tmp / "copy"), 20000)


def test_program_that_ends_early_is_a_failure_for_its_lines_alone(stage):
    done = run_steps(stage, 20000, "-o", "|head -1 > first", "-o", stage.tmp / "out", status=125,
                     said=1)
    assert b"output |head -1 > first: its reader is gone; " in done.stderr
    whole(read(stage.tmp / "out"), 20000)
    assert json.loads(read(stage.tmp / "first"))["type"] == "process"


@pytest.mark.parametrize("program, why", [
    ("cat > copy; exit 3", b"exited with status 3"),
    ("cat > copy; kill -9 $$", b"killed by signal 9"),
    ("no-such-program-anywhere 2>/dev/null", b"127"),
])
def test_status_of_a_program_is_ours(stage, program, why):
    done = run_steps(stage, 10, "-o", "|" + program, status=125, said=1)
    assert why in done.stderr or b"its reader is gone" in done.stderr
    if "copy" in program:
        whole(read(stage.tmp / "copy"), 10)


def test_program_that_takes_nothing_does_not_hold_us(stage):
    target = stage.target()
    collector = stage.collector("--pid", target.inner, "-o", "|exec sleep 30", out=None)
    wait_until(lambda: read_control(stage, target), "it reads")
    target.do("step", 5000)
    time.sleep(0.2)
    start = time.monotonic()
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 1
    assert time.monotonic() - start < 6
    assert "its reader takes nothing, or too slowly; " in collector.stderr
    assert target.do("step")


def test_several_at_once_have_the_same_lines(stage):
    with Listener(str(stage.tmp / "socket")) as listener:
        done = run_steps(stage, 3000, "-o", stage.tmp / "a", "-o", "|cat > b", "-o", "-",
                         "-o", "unix:%s/socket" % stage.tmp)
        received = listener.all()
    whole(received, 3000)
    assert read(stage.tmp / "a") == read(stage.tmp / "b") == done.stdout == received


# Formats


def test_format_holds_for_every_sink(stage):
    run_steps(stage, 10, "-o", stage.tmp / "json", "-o", "|cat > json2", "--format", "json")
    run_steps(stage, 10, "-o", stage.tmp / "text", "-o", "|cat > text2", "--format", "text")
    whole(read(stage.tmp / "json"), 10)
    text = read(stage.tmp / "text")
    assert text.startswith(b"TIME ") and text.count(b" driven.step ") == 10
    for name in ("json", "text"):
        assert read(stage.tmp / name) == read(stage.tmp / (name + "2"))


def test_text_on_a_terminal_and_json_in_a_file(stage):
    main, terminal = os.openpty()
    shown = b""
    try:
        run_steps(stage, 10, "-o", "-", "-o", stage.tmp / "out", stdout=terminal)
        os.set_blocking(main, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                shown += os.read(main, 65536)
    finally:
        os.close(main)
        os.close(terminal)
    whole(read(stage.tmp / "out"), 10)
    assert shown.startswith(b"TIME ") and shown.count(b" driven.step ") == 10


# logrotate


def test_sighup_goes_on_in_a_new_file(stage):
    target = stage.target()
    collector = stage.attached("--pid", target.inner)
    parts = []
    for i in range(4):
        target.do("step", 500)
        if i % 2 == 0:  # in the middle of what is on its way, and after it
            wait_until(lambda: collector.raw().endswith(b"\n"), "there is something")
        old = "%s.%d" % (collector.out, i)
        os.rename(collector.out, old)
        target.do("step", 500)
        collector.signal(signal.SIGHUP)
        wait_until(lambda: os.path.exists(collector.out), "it has opened its file again")
        parts.append(read(old))
    target.do("step", 500)
    last = collector.stop()
    raw = b"".join(parts) + collector.raw()
    assert all(part.endswith(b"\n") for part in parts)
    assert len(parts[0]) > 0 and last.lines
    assert numbers(check(run_of(raw))) == list(range(4500))


def test_file_that_was_emptied_is_gone_on_with(stage):
    """logrotate's copytruncate: no hole of zeroes."""
    target = stage.target()
    collector = stage.attached("--pid", target.inner)
    target.do("step", 100)
    collector.wait_for("driven.step", 100)
    os.truncate(collector.out, 0)
    target.do("step", 50)
    assert numbers(collector.stop()) == list(range(100, 150))


def test_sighup_without_a_folder_goes_on_in_the_old_file(stage):
    target = stage.target()
    os.mkdir(stage.tmp / "folder")
    path = str(stage.tmp / "folder" / "out")
    collector = stage.collector("--pid", target.inner, "-o", path, out=None)
    collector.out = path
    collector.wait_attached()
    os.rename(stage.tmp / "folder", stage.tmp / "moved")
    collector.signal(signal.SIGHUP)
    wait_until(lambda: collector.stderr, "it has said so")
    collector.out = str(stage.tmp / "moved" / "out")
    target.do("step", 10)
    run = collector.stop(quiet=False)
    assert numbers(run) == list(range(10))
    assert collector.stderr.count("\n") == 1 and "going on with the old file" in collector.stderr


@pytest.mark.parametrize("options", [["--summary-only"], ["-o", "-"], ["-o", "fd:1", "-c"]])
def test_sighup_without_any_file_is_the_end(stage, options):
    """Who closes a terminal leaves no collector behind that nobody sees."""
    target = stage.target()
    collector = stage.collector("--pid", target.inner, *options, out=None,
                                stdout=subprocess.DEVNULL)
    wait_until(lambda: b"/pyauditd." in read("/proc/%d/maps" % collector.pid), "it is read")
    collector.signal(signal.SIGHUP)
    assert collector.wait() == 0
    target.do("step", 3)
    assert numbers(stage.attached("--pid", target.inner, "--backlog").stop()) == [0, 1, 2]


def test_who_takes_nothing_does_not_keep_us_longer_than_was_asked_for(stage):
    target = stage.target()
    target.do("step", 20000)  # more than a pipe holds
    start = time.monotonic()
    collector = stage.collector("--pid", target.inner, "--backlog", "--duration", "1", "-o",
                                "|exec sleep 12", out=None)
    assert collector.wait() == 1
    assert time.monotonic() - start < 6
    assert "its reader takes nothing" in collector.stderr
    run = stage.attached("--pid", target.inner, "--backlog").stop()
    assert numbers(run)[-1] == 19999


def test_sighup_with_a_command_is_the_commands(stage):
    collector = stage.collector("--", stage.python.path, "-c",
                                "import signal, sys, time\n"
                                "signal.signal(1, lambda *a: sys.exit(7))\n"
                                "sys.audit('driven.ready')\ntime.sleep(20)")
    collector.wait_for("driven.ready")
    collector.signal(signal.SIGHUP)
    check(collector.finish(status=7), filtered=False)


# What cannot be written


@pytest.mark.parametrize("output", ["/nowhere/out", ".", "/proc/version", "fd:77",
                                    "unix:/dev/null"])
def test_output_that_cannot_be_opened(stage, output):
    run_steps(stage, 1, "-o", output, status=125, said=1)
    target = stage.target()
    collector = stage.collector("--pid", target.inner, "-o", output, out=None)
    assert collector.wait() == 1 and collector.stderr.count("\n") == 1
    assert target.do("step") == "0"


def test_closed_streams_are_nobody_elses(stage):
    """What is opened gets the lowest number that is free."""
    target = stage.target()
    target.do("step", 3)
    for closed in ("2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        collector = stage.attached("-v", "--pid", target.inner, "--dump", "--summary",
                                   before=["sh", "-c", 'exec "$@" ' + closed, "sh"])
        assert numbers(collector.finish()) == [0, 1, 2]
    collector = stage.collector("--pid", target.inner, "-o", stage.tmp / "out", "-o", "fd:3", out=None)
    assert collector.wait() == 1
    assert "file descriptor 3 is not open for writing" in collector.stderr
    said = stage.run("sh", "-c", 'exec "$@" <&-', "sh", "env", "PYAUDITD_HOME=" + os.path.dirname(SITE),
                     harness.COLLECTOR, "-o", "/dev/null", "--", "sh", "-c",
                     "test -e /proc/self/fd/0 || echo as it was")
    assert said == b"as it was\n"


def test_output_that_cannot_be_opened_starts_nothing(stage):
    run_steps(stage, 1, "-o", "/nowhere/out", status=125, said=1, code="\nopen('ran', 'w')")
    assert not os.path.exists(stage.tmp / "ran")


def test_dev_full_is_said_once_and_leaves_the_others_alone(stage):
    done = run_steps(stage, 3000, "-o", "/dev/full", "-o", stage.tmp / "out", status=125, said=1)
    assert b"output /dev/full: No space left on device; " in done.stderr
    whole(read(stage.tmp / "out"), 3000)


def test_dev_full_alone_ends_a_collector_that_follows(stage):
    target = stage.target()
    collector = stage.collector("--pid", target.inner, "-o", "/dev/full", out=None)
    assert collector.wait() == 1
    assert collector.stderr.count("\n") == 1
    assert target.do("step") == "0"


@pytest.mark.parametrize("n", [1, 3])
def test_what_no_output_took_is_read_by_the_next_collector(stage, n):
    """In a stream of its own, and in one in which lines wait for their order."""
    targets = [stage.target() for _ in range(n)]
    pids = [word for target in targets for word in ("--pid", target.inner)]
    for target in targets:
        target.do("step", 100)
    for out in "/dev/full", None:
        where = {"stdout": subprocess.PIPE} if out is None else {}
        collector = stage.collector(*pids, "--backlog", *(["-o", out] if out else []), out=None, **where)
        if out is None:  # as `head` does
            collector.popen.stdout.close()
        collector.wait()
        for target in targets:
            target.do("step", 100)
    collector = stage.collector(*pids, "--backlog")
    collector.wait_for("driven.step", 300 * n)
    run = check(collector.stop())
    for key in run.keys:
        assert numbers(run, key) == list(range(300))


def test_a_file_that_may_not_grow_is_an_output_that_failed(stage):
    """Beyond RLIMIT_FSIZE the kernel sends SIGXFSZ, which ends a process."""
    target = stage.target()
    target.do("step", 3000)
    collector = stage.collector("--pid", target.inner, "--backlog", before=["prlimit", "--fsize=100000"])
    assert collector.wait() == 1
    assert "File too large; " in collector.stderr and collector.stderr.count("\n") == 1
    raw = collector.raw()
    assert raw.endswith(b"\n") and 90000 < len(raw) <= 100000
    assert numbers(stage.attached("--pid", target.inner, "--backlog").stop()) == list(range(3000))


@needs_world
def test_an_output_that_fails_beside_one_that_does_not_leaves_nothing_behind(stage):
    target = stage.target()
    collector = stage.collector("--all", "-o", "/dev/full", "-o", stage.tmp / "out", "--format", "json",
                                out=None)
    wait_until(lambda: os.path.exists(stage.tmp / "out") and b'"start"' in read(stage.tmp / "out"),
               "it is attached")
    target.do("step", 10)
    target.kill()
    wait_until(lambda: b'"action":"exit"' in read(stage.tmp / "out"), "its end is told")
    wait_until(lambda: not stage.world.segments(), "its segment is removed")
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 1


@needs_world
def test_what_was_left_is_kept_where_the_reader_leaves_early(stage):
    target = stage.target()
    target.do("step", 20000)
    target.kill()
    collector = stage.collector("--all", out=None, stdout=subprocess.PIPE)
    collector.popen.stdout.read(1000)
    collector.popen.stdout.close()
    assert collector.wait() == 0
    assert " was kept" in collector.stderr and len(stage.world.segments()) == 1


def test_command_runs_on_when_the_output_is_full(stage):
    done = run_steps(stage, 3000, "-o", "/dev/full", status=5, said=1, code="\nsys.exit(5)")
    assert not done.stdout, "its own status comes before ours"


def test_children_that_ended_are_let_go_when_the_output_is_full(stage):
    """What they left is the next collector's, or housekeeping's: nobody has it mapped and locked."""
    run_steps(stage, 3000, "-o", "/dev/full", status=5, said=None, code="""
import os, subprocess, time
for i in range(4):
    subprocess.run([sys.executable, "-c", "import json"], check=True)
def mapped():
    with open("/proc/%d/maps" % os.getppid()) as maps:
        return len({line.split()[5] for line in maps if "/dev/shm/pyauditd." in line})
end = time.monotonic() + 10
while mapped() > 1 and time.monotonic() < end:
    time.sleep(0.05)
sys.exit(5 if mapped() == 1 else 6)
""")


@needs_world
def test_disk_that_fills_up_leaves_whole_lines(stage):
    stage.new_world("64m", "mkdir -p %s/disk && mount -t tmpfs -o size=256k disk %s/disk"
                    % (stage.tmp, stage.tmp))
    done = run_steps(stage, 20000, "-o", "disk/out", "-o", stage.tmp / "other", status=125, said=1)
    disk = "/proc/%d/root%s/disk" % (stage.world.init, stage.tmp)
    raw = read(disk + "/out")
    assert raw.endswith(b"\n") and 200000 < len(raw) <= 256 * 1024
    run = run_of(raw)
    assert numbers(run) == list(range(len(numbers(run))))
    other = whole(read(stage.tmp / "other"), 20000)
    # The batch that failed, of which a part is there; what came later is not written either.
    [n_lost] = [int(word) for word in done.stderr.split() if word.isdigit()]
    assert 0 < n_lost <= len(other.lines) - len(run.lines)


@needs_world
def test_full_disk_ends_a_collector_that_follows(stage):
    stage.new_world("64m", "mkdir -p %s/disk && mount -t tmpfs -o size=256k disk %s/disk"
                    % (stage.tmp, stage.tmp))
    target = stage.target()
    collector = stage.collector("--pid", target.inner, "-o", "disk/out", out=None)
    collector.out = "/proc/%d/root%s/disk/out" % (stage.world.init, stage.tmp)
    collector.wait_attached()
    target.do("step", 5000)
    assert collector.wait() == 1, "there is nobody left to read for"
    assert collector.stderr.count("\n") == 1
    assert collector.so_far().events() and collector.raw().endswith(b"\n")
    assert target.do("step", 10) == "0"


def test_head_is_no_failure(stage):
    target = stage.target()
    with open(stage.tmp / "first", "wb") as first:
        head = subprocess.Popen(["head", "-n", "2"], stdin=subprocess.PIPE, stdout=first)
        collector = stage.collector("--pid", target.inner, out=None, stdout=head.stdin)
        head.stdin.close()
        wait_until(lambda: target.do("step", 20) and head.poll() is not None, "it has seen enough")
        target.do("step", 20)
        assert collector.wait() == 0
    assert not collector.stderr
    kinds = [json.loads(line)["type"] for line in read(stage.tmp / "first").splitlines()]
    assert kinds == ["process", "audit"]
    assert target.do("step")


def test_closed_stdout_is_said(stage):
    target = stage.target()
    collector = stage.collector("--pid", target.inner, out=None,
                                before=["sh", "-c", 'exec "$@" >&-', "sh"])
    assert collector.wait() == 1
    assert collector.stderr.count("\n") == 1 and "not open" in collector.stderr


def test_nonblocking_stdout_is_waited_for(stage):
    """As a shell leaves it that another program has spoilt."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    target = stage.target(PYAUDITD_RING="16m")
    collector = stage.collector("--pid", target.inner, out=None, stdout=writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        first = pipe.readline()
        target.do("step", 5000)
        time.sleep(0.3)
        collector.signal(signal.SIGTERM)
        run = run_of(first + pipe.read())
    assert collector.wait() == 0
    assert numbers(run) == list(range(5000))


def test_command_with_a_broken_stderr(stage):
    """Lines go to stderr: its reader's end is said nowhere, and is no failure of the command."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run_steps(stage, 1000, status=4, stderr=writing, code="\nsys.exit(4)")
    finally:
        os.close(writing)
