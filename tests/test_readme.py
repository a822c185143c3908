# SPDX-License-Identifier: MIT
"""Every example of README.md and of the manual's EXAMPLES is run as it stands there, on a machine
of its own (tests/session.py) where `make install` has been. What they print is compared with what
the README shows."""
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import fetched
import harness
import session
from documents import check_shown, manual_examples, readme_blocks, steps
from fetched import PYTHON, unavailable
from test_top import TITLES

BLOCKS = readme_blocks()
SESSION = os.path.join(harness.ROOT, "tests", "session.py")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """What will be /usr/local on it, by `make install`."""
    if subprocess.run([*session.WORDS, "true"], stderr=subprocess.DEVNULL).returncode:
        unavailable("no namespaces here to run the examples in")
    suffix = subprocess.run([os.path.join(harness.ROOT, "tools/interpreters"), "--suffix", PYTHON],
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    if not os.path.exists(os.path.join(harness.BUILD, "python/pyauditd/_hook" + suffix)):
        unavailable("no hook for " + PYTHON)
    destdir = tmp_path_factory.mktemp("installed")
    env = {name: value for name, value in os.environ.items() if not name.startswith("MA")}
    subprocess.run(["make", "-s", "install", "DESTDIR=%s" % destdir], cwd=harness.ROOT, env=env,
                   stdout=subprocess.DEVNULL, check=True, timeout=300)
    return destdir / "usr/local"


@pytest.fixture
def srv(tmp_path):
    """What will be /srv: every file that the README names, and what they read."""
    folder = tmp_path / "srv"
    folder.mkdir()
    for block in BLOCKS:
        if block.name and block.kind == "python":
            (folder / block.name).write_text(block.text)
    (folder / "settings.ini").write_text("colour = blue\n")
    return folder


class Machine:
    def __init__(self, installed, srv):
        self.installed, self.srv = installed, srv

    def run(self, script, *options, path=()):
        """A script for bash there, with these folders in front of PATH; its output."""
        file, output = self.srv.parent / "script", self.srv.parent / "output"
        file.write_text(script)
        env = {"PATH": ":".join([*map(str, path), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]),
               "HOME": "/srv", "LANG": "C.UTF-8", "TERM": "dumb", "NO_COLOR": "1"}
        done = subprocess.run([*session.WORDS, PYTHON, SESSION, self.installed, self.srv,
                               file, output, *options], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120)
        assert done.returncode == 0, done
        said = json.loads(done.stdout.splitlines()[-1])
        self.output = output.read_text(errors="surrogateescape")
        self.answers, self.status = said["answers"], said["status"]
        assert said["gone"], "it does not end at a SIGTERM: %s\n%s" % (script, self.output)
        assert not said["timed_out"], "%s\n%s" % (script, self.output)
        return self.output

    def lines(self, name):
        """Those of a file there, each valid by the schema."""
        return [harness.parse_line(raw) for raw in (self.srv / name).read_bytes().splitlines()]


@pytest.fixture
def there(machine, srv):
    return Machine(machine, srv)


def block_after(text, kind):
    """The first block of a kind that has this text in it."""
    [found, *more] = [block for block in BLOCKS if block.kind == kind and text in block.text]
    return found


def identify(block):
    first = block.text.splitlines()[-1 if block.kind == "console" else 0]
    return "%d: %.40s" % (block.line, first)


# The library of programs that recipes are for


@pytest.fixture(scope="module")
def programs():
    """Folder of gunicorn, uvicorn and celery, in an environment that is made once."""
    return fetched.programs("recipes-venv", "gunicorn", "uvicorn", "celery")


# README.md


def test_every_block_is_run_by_a_test():
    kinds = {block.kind for block in BLOCKS}
    assert kinds == {"python", "console", "sh", "ini", "dockerfile"}
    assert all(block.name for block in BLOCKS if block.kind in ("python", "ini", "dockerfile"))
    for word in ("gunicorn", "uvicorn", "celery", "ini", "dockerfile", "venv", "PYTHONSTARTUP"):
        assert any(word in (block.kind, block.name) or word in block.text for block in BLOCKS)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.kind == "console"], ids=identify)
def test_what_the_readme_shows_is_what_is_printed(there, block):
    script, shown = [], []
    for number, (command, output) in enumerate(steps(block.text)):
        script.append("echo; echo @@%d\n%s" % (number, command))
        shown.append(output)
    script = "\n".join(script + ["echo; echo @@end", "kill $(jobs -p) 2>/dev/null", ""])
    # Somebody uses the application, where there is one.
    uses = ["--serve", "1000", "--seconds", "30"] if "app.py" in block.text else []
    printed = there.run(script, "--terminal", *uses)
    parts = re.split(r"^@@\w+$", printed, flags=re.M)[1:]
    for lines, part in zip(shown, parts):
        check_shown(lines, part)
    assert sum(map(len, shown)), "it shows nothing"
    assert len(parts) == len(shown) + 1


def events_of(lines, event):
    return [line for line in lines if line.get("event") == event]


WAYS = [block for block in BLOCKS if block.kind == "sh" and "celery" not in block.text]


@pytest.mark.parametrize("block", WAYS, ids=identify)
def test_every_way_to_start_a_program_traces_it(there, request, block):
    """What the collector of the block did not see, one for all sees beside it."""
    path = []
    if re.search("gunicorn|uvicorn", block.text):
        path = [request.getfixturevalue("programs")]
    beside = "auditd-collect -q --all -o all.jsonl &\nsleep 0.5\n" \
        if "auditd-collect" not in block.text else ""
    text = block.text
    if "env/bin" in text:  # its server ends when it was used; then comes the last line
        text = text.replace("bin/python app.py", "bin/python app.py & sleep 1.5; kill $!")
    serves = "app" in block.text
    output = there.run(beside + text + "\nkill $(jobs -p) 2>/dev/null\nwait\n",
                       *(["--serve", "1000" if "env/bin" in text else "3"] if serves else []),
                       path=path)
    if serves:
        assert there.answers and set(there.answers) <= {
            "colour = blue, database not there\n", "colour = blue"}, output
    [name] = set(re.findall(r"\w+\.jsonl", beside + text))
    lines = there.lines(name)
    opened = [line for line in events_of(lines, "open") if line.get("path") == "settings.ini"]
    assert opened, output
    if serves and "uvicorn" not in text:
        assert events_of(lines, "socket.connect")[-1]["port"] == 5432
        assert opened[0]["at"]["func"] == "settings"
    coverage = {line["coverage"] for line in lines if line.get("action") == "start"}
    assert coverage <= {"site", "startup"} and ("startup" in coverage) == ("STARTUP" in text)
    if "--workers" in text:
        workers = {line["key"] for line in lines if line.get("parent")}
        assert len(workers) >= 2 and {line["key"] for line in opened} <= workers
    if "env/bin" in text:
        assert "installed in /srv/env/lib/" in output and "uninstalled from /srv/env" in output
        assert not list(there.srv.glob("env/lib/*/site-packages/pyauditd*"))


def test_a_program_that_starts_itself_is_traced(there):
    output = there.run("PYTHONPATH=/usr/local/lib/pyauditd/python python3 traced.py")
    assert re.fullmatch(r"[1-9]\d* recorded\n", output)
    output = there.run("PYAUDITD=0 PYTHONPATH=/usr/local/lib/pyauditd/python python3 traced.py")
    assert output == "0 recorded\n"


def test_celery(there, programs):
    output = there.run(block_after("celery -A", "sh").text, path=[programs])
    assert "colour = blue\n" in output, output
    lines = there.lines("celery.jsonl")
    [opened] = [line for line in events_of(lines, "open") if line.get("path") == "settings.ini"]
    start = [line for line in lines if line.get("action") == "start" and line["key"] == opened["key"]]
    assert opened["at"]["func"] == "read" and start[0]["parent"], "in a process of the pool"


# systemd


class Unit:
    def __init__(self, block):
        self.name, self.text = os.path.basename(block.name), block.text
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read_string(block.text)
        assert parser.sections() == ["Service", "Install"]
        self.service = dict(parser["Service"])

    def script(self):
        """Its Environment= and ExecStart=, as systemd would: no shell, no other environment."""
        words = ["env", "-i", "-C", self.service.get("WorkingDirectory", "/"),
                 "PATH=/usr/local/bin:/usr/bin:/bin",
                 *shlex.split(self.service.get("Environment", "")),
                 *shlex.split(self.service["ExecStart"])]
        return " ".join(map(shlex.quote, words))


UNITS = [Unit(block) for block in BLOCKS if block.kind == "ini"]


def test_the_units_of_systemd_do_what_they_are_for(there):
    app, collector = UNITS
    reload = collector.service["ExecReload"]
    there.run(collector.script() + " &\npid=$!\nsleep 0.5\n%s &\n" % app.script() +
              "sleep 1\nmv /var/log/python.jsonl /srv/first.jsonl\n" +
              reload.replace("$MAINPID", "$pid") + "\nsleep 0.7\ncp /var/log/python.jsonl /srv\n"
              "sleep 0.3\n", "--serve", "1000")
    lines = there.lines("first.jsonl")
    [start] = [line for line in lines if line.get("action") == "start"]
    assert start["argv"] == ["/usr/bin/python3", "/srv/app.py"] and start["coverage"] == "site"
    assert events_of(lines, "open") and events_of(there.lines("python.jsonl"), "open"), \
        "before it was reloaded, and after"


def test_systemd_finds_nothing_wrong_with_the_units(there):
    if not shutil.which("systemd-analyze"):
        unavailable("no systemd-analyze here")
    for unit in UNITS:
        (there.srv / unit.name).write_text(unit.text)
    output = there.run("systemd-analyze verify --man=no /srv/*.service")
    wrong = [line for line in output.splitlines() if any(unit.name in line for unit in UNITS)]
    assert there.status == 0 and not wrong, output


# Docker


# Of a folder its content, as Docker has it; relative to the context, which is /srv.
DOCKER_COPY = """set -e
copy() {
    into=${!#}
    for from in "${@:1:$#-1}"; do
        if [ -d "/srv/$from" ]; then from=/srv/$from; fi
        if [ -d "$from" ]; then mkdir -p "$into"; cp -a "$from/." "$into"
        else [ "/srv/$from" -ef "$into$from" ] || cp "/srv/$from" "$into"; fi
    done
}"""


def docker_script(text, say):
    """Its steps for a shell; COPY as cp, each FROM a new beginning. What is left out is said."""
    script, environment = [DOCKER_COPY], {}
    for line in text.splitlines()[1:]:
        step, _, rest = line.partition(" ")
        words = rest.split()
        if step == "FROM":
            say.append("not run, no engine here: " + line)
        elif step == "COPY":
            words = [word for word in words if not word.startswith("--from")]
            script.append("copy " + " ".join(words))
        elif step == "ENV":
            environment.update(word.split("=", 1) for word in words)
        elif step == "WORKDIR":
            script.append("cd " + rest)
        elif step == "RUN":
            script.append(rest + " >&2")
        elif step == "CMD":
            command = json.loads(rest)
            script.append("exec env %s %s" % (
                " ".join("%s=%s" % item for item in environment.items()),
                " ".join(map(shlex.quote, command))))
        elif step:
            pytest.fail("no idea how to run: " + line)
    return "\n".join(script) + "\n"


def test_the_steps_of_the_dockerfile(there):
    [block] = [block for block in BLOCKS if block.kind == "dockerfile"]
    source = there.srv / "pyauditd"
    shutil.copytree(harness.ROOT, str(source), symlinks=True, ignore=shutil.ignore_patterns(
        ".git", "san-*", "__pycache__", "tests", "*.o.tmp"))
    said = []
    script = docker_script(block.text, said)
    # The collector is outside. The hidden /usr/local shows that the image needs none of it.
    output = there.run("/usr/local/bin/auditd-collect -q --all -o out.jsonl &\n(%s)\n" % script,
                       "--serve", "3", "--seconds", "60")
    assert set(there.answers) == {"colour = blue, database not there\n"}, output
    lines = there.lines("out.jsonl")
    assert [line for line in events_of(lines, "open") if line.get("path") == "settings.ini"]
    print("\n".join(said))
    assert said


# The manual


EXAMPLES = [line for text in manual_examples() for line in text.splitlines()]
SERVER = '''
import os, socket, time
for i in range(1000):
    open("/etc/passwd").close()
    try:
        socket.create_connection(("10.0.0.7", 5432), timeout=0.1)
    except OSError:
        pass
    time.sleep(0.05)
'''


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_examples_of_the_manual(there, line):
    (there.srv / "app.py").write_text(SERVER.replace("1000", "3"))
    (there.srv / "running.py").write_text(SERVER)
    script = line
    if line.startswith("jq "):  # of the line before
        script = EXAMPLES[EXAMPLES.index(line) - 1] + "\n" + line
    elif "--all" in line or "--pid" in line:
        script = ("PYTHONPATH=/usr/local/lib/pyauditd/python/site python3 running.py &\nsleep 0.3\n"
                  "timeout -s INT 1 %s\nkill %%1" % line.replace("4242", "$!"))
    output = there.run(script + "\n")
    if line.startswith("jq "):
        assert '["socket.connect","10.0.0.7",5432]' in output.splitlines()
        return
    if "--summary-only" in line:
        assert re.search(r"^ +\d+ +[\d.]+% +record +socket\.connect$", output, re.M), output
        return
    raw = (there.srv / "run.jsonl").read_bytes() if "run.jsonl" in line else output.encode()
    lines = [harness.parse_line(part) for part in raw.splitlines() if part.startswith(b"{")]
    names = {entry["event"] for entry in lines if entry["type"] == "audit"}
    if "-P " in line:
        assert names == {"open"} and {e.get("path") for e in events_of(lines, "open")} == {"/etc/passwd"}
    elif "--addr" in line:
        assert "socket.connect" in names and "open" not in names
    elif "@import" in line:
        assert "import" in names and "open" in names and "socket.connect" not in names
    elif "-e all" in line:
        assert {"open", "socket.connect", "socket.__new__"} <= names
    else:
        assert {"open", "socket.connect"} <= names


def test_every_example_of_the_manual_is_a_test():
    assert len(EXAMPLES) >= 7 and all(
        line.startswith(("auditd-collect ", "jq ")) for line in EXAMPLES)


def test_there_is_a_picture_of_each_view_of_top():
    """Made by tools/pictures; where the README is installed they lie beside it."""
    shown = re.findall(r"!\[[^]]+\]\(doc/pictures/top-(\w+)\.svg\)",
                       Path(harness.ROOT, "README.md").read_text())
    assert sorted(shown) == sorted(TITLES)
    for view in shown:
        picture = Path(harness.ROOT, "doc/pictures/top-%s.svg" % view)
        text = "".join(ElementTree.parse(picture).getroot().itertext())
        assert re.search(r"\[\d %s\]" % view, text), view
        words = TITLES[view].split()
        assert words[0] in text and words[-1] in text, view
        assert picture.stat().st_size < 16384 and not re.search("/root|/tmp|/home", text)


def test_the_readme_is_short_and_names_what_is_there():
    text = Path(harness.ROOT, "README.md").read_text()
    assert len(text.splitlines()) < 360
    for name in re.findall(r"`((?:doc|tools|tests)/[^` ]+|[A-Z]+\.md)`", text):
        assert os.path.exists(os.path.join(harness.ROOT, name)), name
    make = Path(harness.ROOT, "Makefile").read_text()
    for target in re.findall(r"make ([a-z]+)", text):
        assert re.search(r"^%s:" % target, make, re.M), target
