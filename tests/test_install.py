# SPDX-License-Identifier: MIT
"""`make install`: what it lays down works from there, and needs nothing of the tree."""
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

import harness

PREFIX = "/opt/tracing"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that stands for /opt/tracing."""
    destdir = tmp_path_factory.mktemp("destdir")
    make_install(destdir)
    assert os.listdir(destdir) == [PREFIX.split("/")[1]], "something went past the prefix"
    return destdir / PREFIX[1:]


def make_install(destdir):
    env = {name: value for name, value in os.environ.items()
           if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    # As it is where it was built by a user whose files nobody else may read.
    os.chmod(os.path.join(harness.BUILD, "python", "pyauditd", "py.typed"), 0o600)
    done = subprocess.run(["make", "-s", "install", "DESTDIR=%s" % destdir, "PREFIX=" + PREFIX],
                          cwd=harness.ROOT, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300,
                          preexec_fn=lambda: os.umask(0o077))
    assert done.returncode == 0, done


def test_what_lies_where(installed):
    for path in ("bin/auditd-collect", "lib/pyauditd/python/site/sitecustomize.py",
                 "lib/pyauditd/python/startup.py", "lib/pyauditd/python/pyauditd/__init__.py",
                 "share/man/man1/auditd-collect.1", "share/doc/pyauditd/README.md",
                 "share/doc/pyauditd/LICENSE", "share/doc/pyauditd/CONTRIBUTING.md",
                 "share/doc/pyauditd/doc/schema.json", "share/doc/pyauditd/doc/schema.md",
                 "share/doc/pyauditd/doc/pictures/top-processes.svg"):
        assert (installed / path).is_file(), path
    for path in installed.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o444 == 0o444 and not mode & 0o022, "%o %s" % (mode, path)
        assert mode & 0o111 or path.is_file(), path


def test_the_installed_collector_finds_its_python_part(installed, python, tmp_path):
    """Moved out of its folder, so that nothing of the build can help."""
    collects_from_elsewhere(installed, python, tmp_path)


def test_one_hook_serves_every_release_of_a_minor_version(installed, tmp_path):
    """The machine's own Python, for which no hook was built where another release came first."""
    system = harness.Python("system", 0, "/usr/bin/python3")
    suffix = subprocess.run([os.path.join(harness.ROOT, "tools/interpreters"), "--suffix",
                             system.path], stdout=subprocess.PIPE, text=True).stdout.strip()
    if not (installed / ("lib/pyauditd/python/pyauditd/_hook" + suffix)).exists():
        pytest.skip("no hook for " + system.path)
    collects_from_elsewhere(installed, system, tmp_path)


def collects_from_elsewhere(installed, python, tmp_path):
    elsewhere = shutil.copytree(str(installed), str(tmp_path / "moved"))
    out = tmp_path / "out.jsonl"
    code = "import sys; sys.audit('installed.event', sys.modules['pyauditd._hook'].__file__)"
    done = subprocess.run([elsewhere + "/bin/auditd-collect", "-o", str(out), "--",
                           python.path, "-c", code], env=harness.environment(tmp_path),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b""), done
    lines = [harness.parse_line(raw) for raw in out.read_bytes().splitlines()]
    version = subprocess.run([python.path, "-c", "import platform as p; print(p.python_version())"],
                             stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    [start] = [line for line in lines if line.get("action") == "start"]
    assert start["python"] == version, "of the interpreter that runs, not of the hook's"
    [event] = [line for line in lines if line.get("event") == "installed.event"]
    assert event["args"]["_0"].startswith(elsewhere + "/lib/pyauditd/python/pyauditd/_hook.")


def test_the_other_ways_in_work_from_there(installed, python, tmp_path):
    code = "import sys; print(sys.modules['pyauditd._hook'].status()['coverage'])"
    folder = installed / "lib/pyauditd/python"
    for env, options, coverage in (
            ({"PYTHONPATH": str(folder / "site")}, [], "site"),
            ({"PYTHONSTARTUP": str(folder / "startup.py")}, ["-i"], "startup")):
        done = subprocess.run([python.path, *options, "-c" if not options else "-q",
                               *([code] if not options else [])], input=code + "\n", text=True,
                              env=harness.environment(tmp_path, **env), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        assert done.stdout == coverage + "\n", done


def test_the_byte_code_is_there_for_those_who_may_not_write_it(installed):
    for source in (installed / "lib/pyauditd/python").rglob("*.py"):
        assert list(source.parent.glob("__pycache__/%s.*.pyc" % source.stem)), source


def test_installed_again_it_leaves_what_running_programs_have_mapped(installed):
    """A mapped file that is written over takes its program down."""
    files = [path for path in installed.rglob("*") if path.is_file()]
    names = {path: path.stat().st_ino for path in files}
    kept = [open(path, "rb") for path in files]  # so that no inode is used again
    make_install(str(installed)[:-len(PREFIX)])
    for path in files:
        if path.suffix == ".so" or path.name == "auditd-collect":
            assert path.stat().st_ino != names[path], path
    for file in kept:
        file.close()


def test_the_installed_program_says_what_it_is(installed):
    program = str(installed / "bin/auditd-collect")
    version = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    with open(os.path.join(harness.ROOT, "Makefile")) as file:
        [expected] = [line.split()[-1] for line in file if line.startswith("VERSION")]
    assert version.stdout.split()[-1] == expected
    subprocess.run([program, "--help"], stdout=subprocess.DEVNULL, check=True)
    rows = subprocess.run([program, "events", "open"], stdout=subprocess.PIPE, check=True).stdout
    assert json.loads(rows)["event"] == "open"


def test_the_manual_renders_without_a_warning(installed):
    page = str(installed / "share/man/man1/auditd-collect.1")
    if shutil.which("mandoc"):
        command = ["mandoc", "-T", "lint", "-W", "warning", page]
    elif shutil.which("groff"):
        command = ["groff", "-mandoc", "-ww", "-Tutf8", "-z", page]
    elif os.environ.get("CI"):
        pytest.fail("neither mandoc nor groff to look at the manual with")
    else:
        pytest.skip("neither mandoc nor groff here")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_manual_names_every_option(installed):
    """And no other: the help text is made from the table of options itself."""
    text = (installed / "share/man/man1/auditd-collect.1").read_text()
    manual = {"--" + name.replace("\\-", "-") for name in
              re.findall(r"^\.It.*?Fl \\-([a-z\\-]+)", text, re.M)}
    options = set()
    for verb in [], ["top"]:
        program = subprocess.run([str(installed / "bin/auditd-collect"), *verb, "--help"],
                                 stdout=subprocess.PIPE, text=True, check=True)
        options.update(re.findall(r"^  (?:-\w, |    )(--[a-z][a-z-]+)", program.stdout, re.M))
    assert manual - {"--format"} == options - {"--format"}


def test_the_manual_names_every_variable(installed):
    """That the programs read; those that they set for each other are no user's business."""
    ours = {"PYAUDITD_LAUNCH"}
    found = set()
    for folder in ("hook", "collector", "common"):
        for path in Path(harness.ROOT, folder).rglob("*.[chp]*"):
            if path.suffix in (".c", ".h", ".py"):
                found.update(re.findall(r"\bPYAUDITD(?:_[A-Z]+)*\b", path.read_text()))
    text = (installed / "share/man/man1/auditd-collect.1").read_text()
    named = {name for line in re.findall(r"^\.It Ev (.*)", text, re.M)
             for name in re.findall(r"PYAUDITD\w*", line)}
    assert found - ours == named
