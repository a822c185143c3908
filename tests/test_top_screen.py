# SPDX-License-Identifier: MIT
"""auditd-collect top on a real terminal: keys go into tmux, pictures come out."""
import os
import re
import signal
import subprocess
import time

import pytest

import harness
from test_top import by, looks
from world import PATIENCE, needs_world, stage, wait_until  # noqa: F401


class Terminal:
    """tmux: keys go in, a picture comes out."""

    def __init__(self, tmp, command, width=120, height=30, **env):
        self.tmux = ["tmux", "-S", os.path.join(str(tmp), "tmux"), "-f", "/dev/null"]
        words = " ".join("'%s'" % word for word in command)
        words = " ".join(["env", *("%s=%s" % pair for pair in env.items()), words])
        env = harness.environment(tmp)
        subprocess.run([*self.tmux, "new-session", "-d", "-x", str(width), "-y", str(height),
                        "echo before; %s; echo status $?; cat; exec sleep 60" % words],
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

    def make(*command, stage=None, **more):  # noqa: F811
        """With a stage, in its world and folder."""
        tmp = stage.tmp if stage else tmp_path
        enter = []
        if stage:
            enter = ["nsenter", "-t", str(stage.world.init), "-m", "-p", "--wd=%s" % tmp]
        made.append(Terminal(tmp, [*enter, harness.COLLECTOR, "top", *command], **more))
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
    totals = by(look["events"], "event")
    assert "counted.open" not in totals or totals["counted.open"]["total"] == 0
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
def test_terminal_is_restored_while_segments_are_mapped(stage, terminal):  # noqa: F811
    """Who reads has a handler of his own for faults in them."""
    target = stage.target()
    screen = terminal("--view", "tail", "-d", "0.2", stage=stage)
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
def test_messages_stay_off_the_picture(stage, terminal):  # noqa: F811
    """Whoever can make a file in /dev/shm can make us say something."""
    screen = terminal("--name", "nobody", stage=stage)
    before = screen.shows("COMMAND").splitlines()
    for i in range(5):
        with open(os.path.join(stage.world.shm, "pyauditd.0.1.deadbee%d" % i), "wb") as file:
            file.write(b"x" * 9000)
    after = screen.shows("deadbee4 does not have mode 0600").splitlines()
    assert after[-1].startswith("/pyauditd.0.1.deadbee4 does not have mode 0600: not read")
    assert after[2:-1] == before[2:-1]
    screen.keys("q")
    screen.shows("status 0")


def test_dumb_terminal_is_printed_to(terminal):
    screen = terminal("-n", "2", "-d", "0.1", *PROGRAM, TERM="dumb")
    screen.keys("Enter", "C-d")
    picture = screen.shows("COMMAND")
    assert "cannot move its cursor" in picture


@needs_world
def test_level_of_an_event_is_changed_in_the_running_program(stage, terminal):  # noqa: F811
    target = stage.target()
    screen = terminal("--view", "events", "-d", "0.2", stage=stage)
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
    target.do("step", 1)
    out = os.path.join(str(stage.tmp), "top")
    with open(out, "wb") as file:
        stage.collector("top", "-b", "-n", "1", "--format", "json", "--pid", target.inner, out=None,
                        stdout=file).wait()
    [row] = [row for row in looks(open(out).read())[0]["events"] if row["event"] == "driven.step"]
    assert row["level"] == "record", "what the program has itself, when nobody asks"
    assert 3 + 20 <= row["total"] <= 3 + 1 + 20 + 1 + 1, picture


@needs_world
def test_the_chosen_row_stays_chosen_when_others_go_above_it(stage, terminal):  # noqa: F811
    target = stage.target()
    screen = terminal("--view", "events", "--sort", "total", "-d", "0.1", stage=stage)

    def chosen():
        """The rows in reverse, below the titles."""
        return [line for line in screen.picture("-e").split("\n")[4:-2] if "\x1b[7m" in line]
    target.do("audit", "first.one")
    screen.shows("first.one")
    target.do("step", 2000)
    wait_until(lambda: screen.picture().split("\n")[4].startswith("driven.step"), "it is above")
    screen.keys("j", "k", "/", "step", "Enter")
    target.do("opens", 5000, 10)
    wait_until(lambda: screen.picture().split("\n")[4].startswith("open"), "that is above")
    wait_until(lambda: [row for row in chosen() if "driven.step" in row], "it has gone down")
    screen.keys("Home")
    wait_until(lambda: not [row for row in chosen() if "driven.step" in row], "the first one")
    target.do("step", 9000)
    wait_until(lambda: screen.picture().split("\n")[4].startswith("driven.step"), "it is above")
    assert not [row for row in chosen() if row.startswith("\x1b[7mopen")]


@needs_world
@pytest.mark.parametrize("name, changes", [("*", True), ("driven.[ab]", True), ("x,all", False),
                                           ("x=off,all", False)])
def test_names_of_strangers_change_no_other_event(stage, terminal, name, changes):  # noqa: F811
    target = stage.target()
    screen = terminal("--view", "events", "-d", "0.2", stage=stage)

    def level(event):
        rows = [row for row in screen.shows(event).splitlines() if row.startswith(event + " ")]
        return rows[0].split()[2] if rows else None  # it may stand in a message alone just then

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


@needs_world
def test_inside_a_process_nothing_is_of_another_one(stage, terminal):  # noqa: F811
    one, other = stage.target(arguments=["the-one"]), stage.target(arguments=["the-other"])
    screen = terminal("-d", "0.2", stage=stage, width=220)
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
    wait_until(lambda: re.search("^ *[0-9.]+ +1 +0 +path +/driven/4", screen.picture(),
                                 re.MULTILINE), "one is counted")
    screen.keys("7")
    picture = screen.shows("of-the-one")
    assert "of-the-other" not in picture and picture.count("/driven/") == 5
    screen.keys("2")
    picture = screen.shows("driven.both")
    assert "of-the-other" not in picture
    screen.keys("BSpace", "7")
    picture = screen.shows("of-the-other")
    assert picture.count("/driven/") == 10
    screen.keys("6")  # which is drawn a moment later; the tail has the name, too
    wait_until(lambda: re.search("^ *[0-9.]+ +2 +0 +path +/driven/4", screen.picture(),
                                 re.MULTILINE), "both are counted")


@needs_world
def test_selected_row_stays_the_selected_one(stage, terminal):  # noqa: F811
    """An event that was switched off has no rate, and another place: the next key still means it."""
    target = stage.target()
    screen = terminal("--view", "events", "-d", "0.2", stage=stage)
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


@needs_world
def test_level_can_be_changed_for_as_long_as_one_likes(stage, terminal):  # noqa: F811
    target = stage.target()
    screen = terminal("--view", "events", "-d", "0.2", stage=stage)
    target.do("step", 3)
    screen.shows("driven.step")
    screen.keys("/", "driven.step", "Enter")
    for i in range(70):  # whether or not the program has taken it up
        screen.keys("m")
        screen.shows("driven.step: " + ("off", "count", "record")[i % 3])
    target.do("step")
    wait_until(lambda: re.search("driven.step +custom +off", screen.picture()), "it is off")


@needs_world
@pytest.mark.parametrize("view", ["tail", "targets", "events"])
def test_what_is_seen_while_it_pauses_is_what_is_written(stage, terminal, view):  # noqa: F811
    """Events go on to be read meanwhile: they replace whatever the picture was made of."""
    target = stage.target()
    screen = terminal("--view", view, "-d", "0.2", stage=stage, MALLOC_PERTURB_="165")
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
    seen = {"tail": [row["line"] for row in look.get("tail", ())],
            "targets": [row["target"] for row in look.get("targets", ())],
            "events": [row.get("last", "") for row in look.get("events", ())]}[view]
    driven = [text for text in seen if "/driven/" in text]
    assert len(driven) == {"tail": 2, "targets": 2, "events": 1}[view], seen
    assert all(re.search("/driven/[01]( |$)", text) for text in driven)
