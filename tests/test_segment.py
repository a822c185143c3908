# SPDX-License-Identifier: MIT
"""The life of a segment: who removes it and when, and that the program never misses the memory
it takes, however little there is."""
import json
import os
import signal
import subprocess
import time

import pytest

import harness
from world import SITE, check, children, needs_world, numbers, stage, wait_until  # noqa: F401

MIB = 1 << 20


def traced(stage, tmp=None, **env):
    return harness.environment(tmp or stage.tmp, PYAUDITD="1", PYTHONPATH=SITE, **env)


def python(stage, code, status=0, before=(), **env):
    """A traced program to its end: its stdout. Nothing of ours may show on its stderr."""
    program = stage.program(*before, stage.python.path, "-c", code, env=traced(stage, **env),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stdout, stderr = program.popen.communicate(timeout=60)
    assert program.wait() == status, stderr
    assert not stderr, stderr
    return stdout.decode()


# By pyauditd.status(), which says what came of it.
STATUS = "import json, pyauditd; print(json.dumps(pyauditd.status()))"


def used(stage):
    """Bytes of /dev/shm that are in use."""
    st = os.statvfs(stage.world.shm)
    return (st.f_blocks - st.f_bfree) * st.f_frsize


# Ends


@needs_world
@pytest.mark.parametrize("way", ["end", "error", "at_once", "fork", "threads"])
def test_program_that_ends_without_a_collector_leaves_nothing(stage, way):
    code = {"end": "", "error": "raise SystemExit(3)", "at_once": "",
            "fork": "import os\npid = os.fork()\nsys.audit('x')\nif pid: os.waitpid(pid, 0)",
            "threads": "import threading\n[threading.Thread(target=sys.audit, args=('x',)).start() "
                       "for _ in range(20)]"}[way]
    python(stage, "import sys\nsys.audit('x')\n" + code, status=3 if way == "error" else 0)
    assert not os.listdir(stage.world.shm)


@needs_world
def test_killed_program_leaves_its_segment_to_be_read_and_removed(stage):
    target = stage.target()
    target.do("step", 1000)
    target.do("fork")
    target.kill()
    assert len(stage.world.segments()) == 2, "and that of a child that left by _exit()"
    collector = stage.collector("--all")
    collector.wait_for('"action":"exit"', 2)
    run = check(collector.stop(), filtered=False)
    assert numbers(run) == list(range(1000))
    assert len(run.events("driven.child")) == 3
    assert not os.listdir(stage.world.shm)


@needs_world
def test_killed_in_a_flood_is_read_to_the_last_record(stage):
    for _ in range(5):
        target = stage.target(PYAUDITD_RING="1m")
        target.do("flood")
        time.sleep(0.02)
        target.kill()
    collector = stage.collector("--all")
    collector.wait_for('"action":"exit"', 5)
    run = check(collector.stop(), lossy=True, filtered=False)
    assert {line["reason"] for line in run.of_type("lost")} <= {"killed", "no_reader"}
    for key in run.keys:
        seen = numbers(run, key)
        assert len(seen) > 100 and seen == list(range(len(seen)))
        assert run.exit(key)["exit"] in ("killed", "unknown")
    assert not os.listdir(stage.world.shm)


@needs_world
@pytest.mark.parametrize("env", [{"PYAUDITD_KEEP": "1"}, {"PYAUDITD_MODE": "overwrite"}])
def test_segment_is_kept_when_asked_for(stage, env):
    target = stage.target(**env)
    target.do("step", 100)
    target.do("end")
    target.wait()
    assert stage.world.segments() == [target.segment]
    collector = stage.collector("--all")
    collector.wait_for('"action":"exit"')
    run = check(collector.stop(), filtered=False)
    assert numbers(run) == list(range(100))
    assert run.exit(run.keys[0])["exit"] == "clean"
    assert not os.listdir(stage.world.shm)


@needs_world
def test_flight_recorder_holds_the_newest(stage):
    target = stage.target(PYAUDITD_MODE="overwrite", PYAUDITD_RING="256k")
    target.do("step", 50000)
    target.kill()
    collector = stage.collector("--all")
    collector.wait_for('"action":"exit"')
    run = check(collector.stop(), lossy=True, filtered=False)
    assert {line["reason"] for line in run.of_type("lost")} == {"overwritten"}
    seen = numbers(run)
    assert len(seen) > 3000 and seen == list(range(50000 - len(seen), 50000))


@needs_world
def test_dead_segments_stay_under_64_mib(stage):
    """Of 250 killed programs, 2 MiB each: the oldest are removed when another one starts."""
    stage.new_world("1g")
    code = ("import os, sys\nfor i in range(250):\n"
            "  pid = os.fork()\n"
            "  if pid == 0:\n"
            "    for _ in range(500): sys.audit('segment.step', i, 'x' * 4000)\n"
            "    os.kill(os.getpid(), 9)\n"
            "  os.waitpid(pid, 0)\n")
    program = stage.program(stage.python.path, "-c", code, env=traced(stage))
    most = 0
    while program.popen.poll() is None:
        most = max(most, used(stage))
        time.sleep(0.01)
    assert program.wait() == 0
    assert 32 * MIB < most < 64 * MIB + 8 * MIB, most
    collector = stage.collector("--all", "-q")
    wait_until(lambda: not stage.world.segments(), "all are read")
    run = collector.stop(quiet=False)
    left = [run.events("segment.step", key=key)[0]["args"]["_0"] for key in run.keys]
    assert sorted(left) == list(range(250 - len(left), 250)), "the newest are left"
    assert len(left) >= 12, "and so many as an eighth of it takes"


@needs_world
def test_memory_without_a_limit_is_not_full(stage):
    """Of a tmpfs with size=0 the kernel says that it has no blocks, and none are free."""
    stage.new_world("0")
    target = stage.target()
    collector = stage.attached("--pid", target.inner)
    target.do("step", 30000)
    assert numbers(check(collector.stop())) == list(range(30000))


@needs_world
def test_dead_segments_that_somebody_reads_or_that_live_are_not_removed(stage):
    stage.new_world("1g")
    alive, read = (stage.target(PYAUDITD_RING="128m") for _ in range(2))
    for target in (alive, read):
        target.do("step", 1200000)
    collector = stage.attached("--pid", read.inner)
    collector.freeze()
    read.kill()
    for _ in range(3):
        python(stage, "import sys; sys.audit('x')")
    assert stage.world.segments() == sorted([alive.segment, read.segment])
    collector.signal(signal.SIGCONT)
    collector.finish()
    assert stage.world.segments() == [alive.segment]


# Little memory


@needs_world
@pytest.mark.parametrize("size, ring", [
    ("1m", None), ("2m", None), ("4m", 256 << 10), ("8m", 512 << 10), ("64m", 4 << 20)])
def test_ring_is_as_large_as_there_is_room_for(stage, size, ring):
    """An eighth of what is free, down to 256 KiB, then nothing; what is left is the program's."""
    stage.new_world(size)
    target = stage.target()
    target.do("step", 100000)
    status = json.loads(target.do("status"))
    st = os.statvfs(stage.world.shm)
    assert used(stage) <= st.f_blocks * st.f_frsize / 8
    if ring is None:
        assert not status["running"] and not os.listdir(stage.world.shm)
    else:
        assert os.stat(os.path.join(stage.world.shm, target.segment)).st_size > 0
        collector = stage.attached("--pid", target.inner, "--backlog")
        target.do("step", 10)
        run = check(collector.stop(), lossy=True)
        [stats] = run.of_type("stats")
        assert stats["ring_slots"] * 64 == ring
        # Full when we came, and what it did before the first of it was read.
        assert stats["lost"].keys() <= {"no_reader", "no_memory", "lane_full"}
    for fraction in (0.5, 0.99, 1):
        assert int(target.do("share", fraction)) > 0
        target.do("step", 1000)
    assert target.end() == 0
    # multiprocessing's resource tracker is a Python of its own, and ends a little later.
    wait_until(lambda: not os.listdir(stage.world.shm), "nothing is left")


@needs_world
def test_memory_that_the_program_took_is_a_loss_and_no_signal(stage):
    """/dev/shm fills up after the start: the ring grows no more, and comes back to it later."""
    stage.new_world("64m")
    target = stage.target(PYAUDITD_RING="4m")
    target.do("step", 10)
    filler = os.path.join(stage.world.shm, "filler")
    with open(filler, "wb") as f:
        st = os.statvfs(stage.world.shm)
        os.posix_fallocate(f.fileno(), 0, st.f_bfree * st.f_frsize)
    assert os.statvfs(stage.world.shm).f_bfree == 0
    target.do("names", 1000)  # their counters need a page that is not to be had
    run = check(stage.attached("--pid", target.inner, "--backlog").stop(), lossy=True)
    [line] = [line for line in run.of_type("lost") if "lane" not in line]
    assert line["reason"] == "no_memory" and line["count"] > 400
    told = sum(line["count"] for line in run.of_type("lost"))
    n_names = len([e for e in run.events() if e["event"].startswith("driven.name.")])
    assert n_names + told == 1000
    target.do("step", 20000)
    collector = stage.attached("--pid", target.inner, "--backlog")
    target.do("step", 2000)
    collector.wait_for("no_memory")
    os.unlink(filler)
    target.do("step", 30000)  # more than the pause after a refusal
    run = check(collector.stop(), lossy=True, lost_before=told)
    assert {line["reason"] for line in run.of_type("lost")} == {"no_memory"}
    seen = numbers(run)
    assert len(seen) + sum(line["count"] for line in run.of_type("lost")) == 52000
    assert seen[-1] == 52009, "there is room again"


@needs_world
def test_with_the_memory_that_it_has_the_ring_goes_on(stage):
    """/dev/shm is full for good before the ring is: what was read makes room for what comes."""
    stage.new_world("64m")
    target = stage.target(PYAUDITD_RING="4m", PYAUDITD_MODE="block")
    collector = stage.attached("--pid", target.inner)
    target.do("step", 10)
    with open(os.path.join(stage.world.shm, "filler"), "wb") as f:
        st = os.statvfs(stage.world.shm)
        os.posix_fallocate(f.fileno(), 0, st.f_bfree * st.f_frsize - (1 << 20))
    target.do("step", 100000)
    assert numbers(check(collector.stop())) == list(range(100010))


@needs_world
@pytest.mark.parametrize("code", [
    "import threading, sys\ndef work():\n for _ in range(5000): sys.audit('x', 1)\n"
    "t = [threading.Thread(target=work) for _ in range(30)]\n[i.start() for i in t]\n"
    "[i.join() for i in t]",
    "import sys\nfor i in range(6000): sys.audit('name.%d' % i, 'x' * 500)",
    "import sys\nexec('def f(): sys.audit(\"x\")\\n' * 3)\n"
    "for i in range(3000): exec(compile('\\n' * i + 'sys.audit(\"x\")', 'file.%d' % i, 'exec'))",
    "import os, sys\nfor _ in range(40):\n pid = os.fork()\n sys.audit('x')\n"
    " if pid == 0: os._exit(0)\n os.waitpid(pid, 0)",
])
@pytest.mark.parametrize("size", ["3m", "5m"])
def test_full_memory_never_shows_in_the_program(stage, size, code):
    """Threads, names, call sites and children, on a /dev/shm that another program fills."""
    stage.new_world(size)
    fill = ("import os, sys\nsys.audit('before')\n"
            "st = os.statvfs('/dev/shm')\nfd = os.open('/dev/shm/filler', os.O_CREAT | os.O_RDWR)\n"
            "os.posix_fallocate(fd, 0, max(4096, st.f_bfree * st.f_frsize - 8192))\n")
    assert python(stage, fill + code + "\nprint('done')") == "done\n"


@needs_world
@pytest.mark.parametrize("world", [
    "umount /dev/shm; mount -t tmpfs -o size=4k tiny /dev; mkdir -p /dev/shm; rmdir /dev/shm",
    "mount -o remount,ro /dev/shm",
    "chmod 0 /dev/shm; mount -t tmpfs -o nr_inodes=1 none /dev/shm",
    "head -c 70000000 /dev/zero > /dev/shm/filler || true",
    "mount -t proc proc /dev/shm",
])
def test_dev_shm_that_cannot_be_used_is_no_matter(stage, world):
    kept = "test -e /dev/null || mknod -m 666 /dev/null c 1 3"
    stage.new_world("64m", world + "; " + kept)
    code = "import sys, os, tempfile; sys.audit('x'); print(len(os.listdir('/')) > 3)"
    assert python(stage, code) == "True\n"
    said = json.loads(python(stage, STATUS))
    assert not said["running"]


@needs_world
def test_why_nothing_was_loaded_is_said_when_asked(stage):
    stage.new_world("1m")
    done = subprocess.run(
        stage.world.command([stage.python.path, "-c", "import sys; sys.audit('x')"], stage.tmp),
        env=traced(stage, PYAUDITD_DEBUG="1"), stderr=subprocess.PIPE)
    assert done.returncode == 0
    assert b"/dev/shm is nearly full" in done.stderr and done.stderr.count(b"\n") == 1


# Limits


@needs_world
@pytest.mark.parametrize("limit", [
    ["--fsize=0"], ["--fsize=1"], ["--fsize=100000"], ["--nofile=3"], ["--nofile=4"],
    ["--nofile=6"], ["--as=200000000"], ["--memlock=0"], ["--nproc=1"],
    ["--core=0", "--data=50000000"],
])
def test_tiny_limits_are_no_matter(stage, limit):
    """The oracle is the program without us; all that it does under the limit still works."""
    code = ("import sys, os\nfor i in range(1000): sys.audit('x', i)\n"
            "r, w = os.pipe() if %r > 5 else (None, None)\n"
            "print(sum(range(1000)))" % int(limit[0].partition("=")[2]))
    plain = subprocess.run(["prlimit", *limit, "--", stage.python.path, "-c", code],
                           env=harness.environment(stage.tmp), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    done = subprocess.run(stage.world.command(["prlimit", *limit, "--", stage.python.path, "-c",
                                               code], stage.tmp),
                          env=traced(stage), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == \
        (plain.returncode, plain.stdout, plain.stderr)
    assert not os.listdir(stage.world.shm)


@needs_world
def test_limit_that_comes_later_is_no_matter(stage):
    """Everything is open and mapped by then, but for the lanes of new threads."""
    code = ("import resource, sys, threading\n"
            "sys.audit('x')\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
            "for i in range(100000): sys.audit('x', i)\n"
            "t = threading.Thread(target=sys.audit, args=('y',)); t.start(); t.join()\n"
            "print('done')")
    plain = subprocess.run([stage.python.path, "-c", code], env=harness.environment(stage.tmp),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    done = subprocess.run(stage.world.command([stage.python.path, "-c", code], stage.tmp),
                          env=traced(stage), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (abs(done.returncode), done.stdout, done.stderr) == \
        (abs(plain.returncode), plain.stdout, plain.stderr)


# Names


@needs_world
def test_unlinked_while_it_runs_is_read_by_its_pid(stage):
    """As systemd's RemoveIPC= does."""
    target = stage.target()
    target.do("step", 10)
    target.do("unlink")
    assert not stage.world.segments()
    collector = stage.attached("--pid", target.inner, "--backlog")
    target.do("step", 30000)
    target.do("thread", 5)
    run = check(collector.stop(), filtered=False)
    assert numbers(run) == list(range(30010))
    other = stage.target()
    collector = stage.attached("--pid", target.inner)
    target.do("step", 10)
    target.do("end")
    run = check(collector.finish())
    assert numbers(run) == list(range(30010, 30020))
    assert stage.world.segments() == [other.segment]


@needs_world
def test_another_object_under_its_name_is_left_alone(stage):
    target = stage.target()
    target.do("step", 10)
    path = os.path.join(stage.world.shm, target.segment)
    target.do("unlink")
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
        f.write("mine")
    collector = stage.attached("--pid", target.inner)
    target.do("step", 10)
    target.do("end")
    assert numbers(check(collector.finish())) == list(range(10, 20))
    with open(path) as f:
        assert f.read() == "mine"


# Namespaces

OTHER_TIME = ["unshare", "--time", "--monotonic", "100000", "--boottime", "200000", "--fork",
              "--kill-child"]
UNSHARE = {
    "mount": ["unshare", "--mount", "sh", "-c",
              'mount -t tmpfs -o size=4m shm /dev/shm && exec "$@"', "sh"],
    "pid": ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
    "user": ["unshare", "--user", "--map-root-user"],
    "all": ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child",
            "--mount-proc", "--ipc", "--net", "--uts", "--cgroup", "sh", "-c",
            'mount -t tmpfs shm /dev/shm && exec "$@"', "sh"],
    "chroot": ["unshare", "--mount", "sh", "-c",
               'mkdir -p root && mount --rbind / root && mount -t tmpfs shm root/dev/shm && '
               'exec chroot root env --chdir="$PWD" "$@"', "sh"],
    "time": OTHER_TIME,
    # As where the kernel does not trust the processor's counter: the clock that is another there.
    "clock": [*OTHER_TIME, "--mount", "sh", "-c",
              'echo hpet >clock && mount --bind clock "/sys/devices/system/clocksource/'
              'clocksource0/current_clocksource" && exec "$@"', "sh"],
}


def deepest(pid):
    """The process that unshare and sh made."""
    while children(pid):
        [pid] = children(pid)
    return pid


def inner_pid(stage, pid):
    """As the collector's /proc has it."""
    with open("/proc/%d/status" % pid) as f:
        [line] = [line for line in f if line.startswith("NSpid:")]
    pids = line.split()[1:]
    # One namespace for ours, one for the world; what follows is the target's own.
    with open("/proc/self/status") as f:
        depth = len([line for line in f if line.startswith("NSpid:")][0].split()) - 1
    return int(pids[depth])


@needs_world
@pytest.mark.parametrize("kind, asked", [
    (kind, asked) for asked in ("--all", "--pid", "dead") for kind in UNSHARE
    # A /dev/shm of their own goes with them.
    if asked != "dead" or kind in ("pid", "user", "time")])
def test_process_in_other_namespaces_is_read_from_outside(stage, kind, asked):
    stage.target()  # so that the pids in there mean another process out here
    target = stage.target(before=UNSHARE[kind])
    target.do("step", 10)
    target.do("timed")
    time.sleep(0.2)  # so that "now" would be wrong
    pid = inner_pid(stage, deepest(target.pid))
    if asked == "dead":
        os.kill(deepest(target.pid), signal.SIGKILL)
        target.wait()
        collector = stage.collector("--all")
    else:
        whom = ["--all"] if asked == "--all" else ["--pid", pid]
        collector = stage.attached(*whom, "--backlog", n=2 if asked == "--all" else 1)
        target.do("step", 10)
        target.do("timed")
        target.do("fork")
        collector.wait_for("driven.child", 3)
    collector.wait_for("driven.step", 10 if asked == "dead" else 20)
    run = check(collector.stop())
    [key] = {line["key"] for line in run.events("driven.step")}
    assert numbers(run, key) == list(range(10 if asked == "dead" else 20))
    if asked != "dead":
        assert run.start(key)["pid"] == pid, "by the pid that it has out here"
        inside = target.said_pid
        assert run.start(key).get("ns_pid") == (inside if inside != pid else None)
        assert (inside != pid) == (kind in ("pid", "all"))
        told = [(line["ts"], int(line["args"]["_0"]) / 1e9) for line in run.events("driven.timed")]
        assert len(told) == 2 and all(-0.001 < told - was < 0.05 for told, was in told), told
        times = [line["time"] for line in run.lines if line.get("key") == key and "seq" in line]
        assert times == sorted(times) and times[0] >= run.start(key)["time"]
        now = time.time()
        assert all(now - 60 < line["ts"] <= now for line in run.lines)
        assert run.start(key)["argv"][-1] == harness.target("driven.py")
