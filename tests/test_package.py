# SPDX-License-Identifier: MIT
"""The package with its real hook: `python -m pyauditd install` in fresh environments, and the
functions that a program calls itself. The oracle is Python's own sys.addaudithook."""
import ast
import json
import os
import py_compile
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import harness
from package_tree import WITHOUT_HOOK, Tree, interpreter, listing

PACKAGE = os.path.join(harness.BUILD, "python")
TARGET = harness.target("package.py")
# Traced since when, or None; imports nothing that the start-up did not.
COVERAGE = ("import sys; hook = sys.modules.get('pyauditd._hook'); "
            "print(hook and hook.status()['coverage'])")
NOT_TRACED = {"segment": None, "coverage": "none", "running": False, "mode": "drop",
              "ring_bytes": 0, "calls": None, "backend": None, "attempted": 0, "counted": 0,
              "recorded": 0, "lost": {}}


def run(command, tmp, env={}, **how):
    """With nothing in the environment that Python or the hook would look at, but `env`."""
    return subprocess.run([str(word) for word in command], env=harness.environment(tmp, **env),
                          cwd=tmp, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, **how)


def ask(python, tmp, *what, env={}, before=()):
    """What tests/targets/package.py prints."""
    done = run([*before, python.path, TARGET, *what], tmp, dict(env, PYTHONPATH=PACKAGE))
    assert done.returncode == 0 and not done.stderr, done
    return json.loads(done.stdout)


def account(status):
    return status["counted"] + status["recorded"] + sum(status["lost"].values())


# Installed in an environment


class Environment:
    """A virtual environment of one interpreter, and the package's command line in it."""

    def __init__(self, python, folder):
        self.folder, self.name, self.minor = folder, python.name, python.minor
        self.python = folder / "env/bin/python"
        made = run([python.path, "-m", "venv", "--without-pip", folder / "env"], folder)
        assert made.returncode == 0, made
        [self.site] = (folder / "env").glob("lib/python3*/site-packages")

    def pyauditd(self, *words, before=(), path=PACKAGE):
        return run([*before, self.python, "-m", "pyauditd", *words], self.folder,
                   {"PYTHONPATH": path} if path else {})

    def install(self, *words):
        done = self.pyauditd("install", *words)
        assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1), done
        return done.stdout

    def coverage(self, *options, **env):
        """Of a program that runs with these options and this environment."""
        done = run([self.python, *options, "-c", COVERAGE], self.folder, env)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.strip()


@pytest.fixture(scope="module")
def fresh(python, tmp_path_factory):
    return Environment(python, tmp_path_factory.mktemp("environment"))


@pytest.fixture
def environment(fresh):
    """As fresh, and again so in the end: uninstall leaves nothing."""
    before = listing(fresh.folder)
    yield fresh
    assert fresh.pyauditd("uninstall").returncode == 0
    assert listing(fresh.folder) == before


def test_installed_it_traces_the_programs_that_ask_for_it(environment):
    said = environment.install()
    assert said == "installed in %s: traces programs that run with PYAUDITD=1\n" % environment.site
    assert environment.coverage(PYAUDITD="1") == "site"
    assert environment.coverage() == environment.coverage(PYAUDITD="0") == \
        environment.coverage(PYAUDITD="") == environment.coverage(PYAUDITD="yes") == "None"


def test_installed_with_always_it_traces_the_others_too(environment):
    said = environment.install("--always")
    assert said.endswith("traces all programs but those that run with PYAUDITD=0\n")
    assert environment.coverage() == environment.coverage(PYAUDITD="1") == "site"
    assert environment.coverage(PYAUDITD="0") == "None"


def test_only_without_site_there_is_nothing(environment):
    environment.install()
    seen = {options: environment.coverage(*options.split(), PYAUDITD="1")
            for options in ("-I", "-E", "-s", "-B", "-O", "-S", "-I -S")}
    assert seen == {"-I": "site", "-E": "site", "-s": "site", "-B": "site", "-O": "site",
                    "-S": "None", "-I -S": "None"}


def test_what_is_installed(environment):
    environment.install()
    names = {path.name for path in environment.site.iterdir()}
    assert {"pyauditd", "pyauditd.pth", "pyauditd.start", "_pyauditd_start.py"} <= names
    hooks = [path.name for path in (environment.site / "pyauditd").glob("_hook*")]
    assert sorted(hooks) == sorted(path.name for path in Path(PACKAGE, "pyauditd").glob("_hook*"))
    # Whoever runs programs may not be allowed to write here: the byte code is there.
    for source in (environment.site / "pyauditd").glob("*.py"):
        assert list(source.parent.glob("__pycache__/%s.*.pyc" % source.stem)), source


def test_either_file_alone_is_enough_for_the_versions_that_read_it(environment):
    if environment.minor < 15:
        pytest.skip("no version before 3.15 reads .start files")
    environment.install()
    pth, start = (environment.site / ("pyauditd" + suffix) for suffix in (".pth", ".start"))
    text = pth.read_text()
    pth.unlink()
    assert environment.coverage(PYAUDITD="1") == "site" and environment.coverage() == "None"
    pth.write_text(text)
    start.unlink()
    assert environment.coverage(PYAUDITD="1") == "site" and environment.coverage() == "None"


def test_a_program_that_does_not_ask_for_it_sees_nothing_of_it(environment):
    """Not even where somebody has deleted the package, and left what every Python reads."""
    environment.install()
    code = "import sys; print(sorted(name for name in sys.modules if 'pyauditd' in name))"
    seen = []
    for env in {}, {"PYAUDITD": "1"}:
        done = run([environment.python, "-c", code], environment.folder, env)
        assert (done.returncode, done.stderr) == (0, ""), done
        seen.append(ast.literal_eval(done.stdout))
    entry = ["_pyauditd_start"] if environment.minor >= 15 else []
    assert seen == [entry, entry + ["pyauditd", "pyauditd._activate", "pyauditd._hook"]]
    shutil.rmtree(str(environment.site / "pyauditd"))
    for how in ("", "0", "1"):
        done = run([environment.python, "-c", ""], environment.folder, {"PYAUDITD": how})
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    done = run([environment.python, "-c", ""], environment.folder, {"PYAUDITD_DEBUG": "1"})
    assert done.stderr.startswith("pyauditd: not loaded: No module named 'pyauditd"), done


def test_what_is_installed_in_two_folders_goes_as_each_says(environment):
    environment.install()
    more = environment.folder / "more"
    run([environment.python, "-c", "import pyauditd.__main__ as m; m.install(%r, m.ALWAYS)" % str(more)],
        environment.folder, {"PYTHONPATH": PACKAGE})
    assert environment.coverage() == "None"
    code = "import site, sys; site.addsitedir(sys.argv[1])\n" + COVERAGE
    done = run([environment.python, "-c", code, more], environment.folder)
    shutil.rmtree(str(more))
    assert (done.stdout, done.stderr) == ("site\n", ""), done


def test_an_uninstall_that_failed_can_be_done_again(environment):
    environment.install()
    broken = """import os, sys, pyauditd.__main__ as m
unlink = os.unlink
def fails(path, **how):
    if path.endswith(".so"):
        raise OSError("busy")
    unlink(path, **how)
os.unlink = fails
sys.exit(m.main(["uninstall"]))"""
    done = run([environment.python, "-c", broken], environment.folder, {"PYTHONPATH": PACKAGE})
    assert (done.returncode, done.stderr) == (1, "pyauditd: uninstall: busy\n"), done
    assert environment.coverage(PYAUDITD="1") == "None"
    assert environment.pyauditd("status").returncode == 1
    environment.install()
    assert environment.coverage(PYAUDITD="1") == "site"


def test_install_twice_is_as_once(environment):
    environment.install()
    once = listing(environment.site)
    environment.install()
    assert [name for name, _ in listing(environment.site)] == [name for name, _ in once]
    assert environment.coverage(PYAUDITD="1") == "site"
    environment.install("--always")
    assert environment.coverage() == "site"
    environment.install()
    assert environment.coverage() == "None"
    # By itself, from the copy: it stays as it is.
    done = environment.pyauditd("install", "--always", path=None)
    assert done.returncode == 0 and environment.coverage() == "site", done
    assert environment.pyauditd("uninstall", path=None).returncode == 0


def test_status_and_uninstall_say_what_they_find(environment):
    where = " in %s" % environment.site
    assert [(r.returncode, r.stdout, r.stderr) for r in (
        environment.pyauditd("status"), environment.pyauditd("uninstall"))] == \
        [(1, "not installed%s\n" % where, ""), (0, "not installed%s\n" % where, "")]
    said = environment.install()
    assert environment.pyauditd("status").stdout == said
    done = environment.pyauditd("uninstall")
    assert (done.returncode, done.stdout) == (0, "uninstalled from %s\n" % environment.site)


def test_a_program_is_traced_by_a_collector_that_did_not_start_it(environment):
    environment.install()
    out = environment.folder / "lines"
    code = "import os, sys, time; print(os.getpid(), flush=True); sys.stdin.read(); open('/dev/null')"
    target = subprocess.Popen([str(environment.python), "-c", code], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, cwd=environment.folder,
                              env=harness.environment(environment.folder, PYAUDITD="1"))
    pid = target.stdout.readline().strip()
    collector = subprocess.Popen([harness.COLLECTOR, "-q", "--pid", pid, "-o", str(out)])
    while not out.exists() or not out.stat().st_size:
        assert collector.poll() is None
    target.communicate("")
    assert collector.wait(20) == 0
    lines = [harness.parse_line(raw) for raw in out.read_bytes().splitlines()]
    out.unlink()
    assert [line["path"] for line in lines if line.get("event") == "open"] == ["/dev/null"]
    assert lines[0]["coverage"] == "site" and str(lines[0]["pid"]) == pid


def one_line(done, *words):
    """It failed with one clear line."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith("pyauditd: install: ") and done.stderr.count("\n") == 1, done
    assert all(word in done.stderr for word in words), done


def read_only(folder):
    """Words in front of a command for which this folder is read-only; root may write anywhere."""
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c",
             'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"', str(folder)]
    if subprocess.run(words + ["true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no mount namespaces here")
    return words


def test_a_folder_in_which_nothing_can_be_written_is_one_clear_line(environment):
    one_line(environment.pyauditd("install", before=read_only(environment.site)),
             str(environment.site))
    # Uninstall says so too, and removes it where it can.
    environment.install()
    done = environment.pyauditd("uninstall", before=read_only(environment.site))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("pyauditd: uninstall: "), done


def test_what_is_not_ours_is_left_alone(environment):
    package = environment.site / "pyauditd"
    package.mkdir()
    (package / "theirs.py").write_text("")
    one_line(environment.pyauditd("install"), "is there already, and not from here")
    assert [path.name for path in package.iterdir()] == ["theirs.py"]
    shutil.rmtree(package)


def test_a_wrong_command_line_is_usage(environment):
    for words, said in (([], "required"), (["instal"], "invalid choice"),
                        (["uninstall", "--always"], "unrecognized"),
                        (["install", "x"], "unrecognized")):
        done = environment.pyauditd(*words)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("version", WITHOUT_HOOK)
def test_where_there_is_no_hook_nothing_is_installed_or_said(tmp_path, version):
    """Their site-packages may be shared: they read the files that another version installed."""
    old = interpreter(version)
    done = run([old, "-m", "pyauditd", "install"], tmp_path, {"PYTHONPATH": PACKAGE})
    one_line(done, "no hook for ", version)
    code = ("import site, sys; site.addsitedir(sys.argv[1]); "
            "print(bool(sys.modules.get('pyauditd._hook')))")
    for how in ([], ["--always"]):
        newest = harness.interpreters()[-1]
        folder = tmp_path / ("always" if how else "asked")
        folder.mkdir()
        environment = Environment(newest, folder)
        environment.install(*how)
        for switch in ("", "0", "1"):
            done = run([old, "-c", code, environment.site], tmp_path, {"PYAUDITD": switch})
            assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", ""), done
        done = run([old, "-c", code, environment.site], tmp_path,
                   {"PYAUDITD": "1", "PYAUDITD_DEBUG": "1"})
        assert done.stderr.startswith("pyauditd: not loaded: "), done


@pytest.mark.parametrize("version", WITHOUT_HOOK)
def test_all_of_the_package_parses_everywhere(tmp_path, version):
    tree = Tree(tmp_path, hook=False)
    code = "import sys\nfor name in sys.argv[1:]: compile(open(name).read(), name, 'exec')"
    done = tree.run([interpreter(version), "-c", code, *tree.path.rglob("*.py")])
    assert (done.returncode, done.stderr) == (0, "")


# Why nothing was loaded


def debug(environment, env={}, before=(), start=(), **how):
    """The line that PYAUDITD_DEBUG=1 adds, of a program that goes on all the same."""
    command = [*before, environment.python, *start, "-c", "print('on')"]
    env = dict(env, PYAUDITD=env.get("PYAUDITD", "1"))
    quiet = run(command, environment.folder, env, **how)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "on\n", ""), quiet
    loud = run(command, environment.folder, dict(env, PYAUDITD_DEBUG="1"), **how)
    assert (loud.returncode, loud.stdout) == (0, "on\n"), loud
    assert loud.stderr.startswith("pyauditd: not loaded: ") and loud.stderr.count("\n") == 1, loud
    return loud.stderr[len("pyauditd: not loaded: "):-1]


def shm(how):
    """Words in front of a command for which /dev/shm is something else."""
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", how + ' && exec "$@"', "sh"]
    if subprocess.run(words + ["true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no mount namespaces here: %s" % how)
    return words


NO_SHM = {
    "read-only": ("mount -t tmpfs -o ro none /dev/shm", "Errno 30"),
    "no tmpfs": ("mount --bind /proc /dev/shm", "Errno 28"),
    "tiny": ("mount -t tmpfs -o size=64k none /dev/shm", "Errno 28"),
    "full": ("mount -t tmpfs -o size=8m none /dev/shm && "
             "head -c 8388608 /dev/zero >/dev/shm/file", "Errno 28"),
    "no inodes": ("mount -t tmpfs -o nr_inodes=1 none /dev/shm", "Errno 28"),
}


def test_without_shared_memory_the_program_goes_on(environment):
    environment.install()
    for what, (how, said) in NO_SHM.items():
        why = debug(environment, before=shm(how))
        assert re.match(r"\w+Error: \[%s\] " % said, why), (what, why)


@pytest.mark.parametrize("what", NO_SHM)
def test_start_without_shared_memory_is_an_oserror(python, tmp_path, what):
    seen, names = ask(python, tmp_path, "unusable", before=shm(NO_SHM[what][0]))
    kind, number, text = seen["error"]
    assert kind in ("OSError", "PermissionError") and number and text
    assert seen["status"] == NOT_TRACED
    assert not [name for name in names if name.startswith("pyauditd")], "it left something"


WRONG = [
    ({"PYAUDITD": "0"}, "PYAUDITD is 0"),
    ({"PYAUDITD": ""}, "PYAUDITD is not set"),
    ({"PYAUDITD": "on"}, "ValueError: PYAUDITD is neither 0 nor 1: 'on'"),
    ({"PYAUDITD_MODE": "?"}, "ValueError: mode must be drop, overwrite or block, not '?'"),
    ({"PYAUDITD_STACK": "65"}, "ValueError: stack must be from 0 to 64, not 65"),
    ({"PYAUDITD_STACK": "x"}, "ValueError: PYAUDITD_STACK is not a number: 'x'"),
    ({"PYAUDITD_RING": "1k"}, "ValueError: ring_bytes must be a power of two from 262144 to "
                              "1073741824, not 1024"),
    ({"PYAUDITD_RING": "9" * 30}, "ValueError: ring_bytes must be"),
    ({"PYAUDITD_EVENTS": "opne"}, "ValueError: unknown event 'opne'"),
    ({"PYAUDITD_REVEAL": "a.b," * 200}, "ValueError: the list of what to reveal is too long"),
]


def test_what_is_wrong_with_the_settings_is_said(environment):
    environment.install()
    for env, why in WRONG:
        assert debug(environment, env).startswith(why), env


def test_what_else_keeps_it_from_loading_is_said(environment):
    environment.install()

    def no_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    assert "the size of files is limited" in debug(environment, preexec_fn=no_files)

    hook = [path for path in (environment.site / "pyauditd").glob("_hook*")
            if "cpython-%s-" % environment.name.replace(".", "") in path.name][0]
    other = next(path for path in (environment.site / "pyauditd").glob("_hook*") if path != hook) \
        if len(harness.interpreters()) > 1 else None
    if other:  # one version's under the other one's name
        shutil.copyfile(other, str(hook) + ".new")
        os.rename(str(hook) + ".new", hook)
        why = debug(environment)
        assert why.startswith("ImportError: "), why
    hook.write_bytes(b"no library")
    os.utime(hook)
    assert debug(environment).startswith("ImportError: ")
    hook.unlink()
    assert "no hook for cpython %s in %s" % (environment.name, hook.parent) in debug(environment)
    environment.install()


REFUSES = """
import sys
def hook(event, args):
    if event == "sys.addaudithook":
        raise RuntimeError("we have one")
def go():
    sys.addaudithook(hook)
"""


def test_a_refusal_before_site_reaches_us_is_said(environment):
    environment.install()
    theirs = {"theirs.py": REFUSES, "a_first.pth": "import theirs; theirs.go()\n",
              "a_first.start": "theirs:go\n"}
    for name, text in theirs.items():
        (environment.site / name).write_text(text)
    try:
        if environment.minor >= 15:  # asks nobody before site is done
            assert environment.coverage(PYAUDITD="1") == "site"
        else:
            assert debug(environment) == \
                "RuntimeError: another audit hook of this process refused ours"
    finally:
        for name in theirs:
            (environment.site / name).unlink()


# The functions


def test_the_types_agree_with_the_module(python, tmp_path):
    """The stub is source of its own: names, parameters and defaults, and the keys of status()."""
    with open(os.path.join(PACKAGE, "pyauditd/__init__.pyi")) as file:
        stub = ast.parse(file.read())
    seen = ask(python, tmp_path, "signatures")
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    assert sorted(functions) == seen["all"] == seen["documented"]
    for name, node in functions.items():
        declared = [[argument.arg, "POSITIONAL_OR_KEYWORD"] for argument in node.args.args]
        assert declared == [parameter[:2] for parameter in seen["parameters"][name]]
        for argument, default, (_, _, value) in zip(
                node.args.args, node.args.defaults, seen["parameters"][name]):
            assert argument.annotation is not None
            if not isinstance(default.value, type(...)):
                assert default.value == value, name
        assert len(node.args.defaults) == len(declared) and node.returns is not None
    [status] = [node for node in stub.body if isinstance(node, ast.ClassDef)]
    assert [field.target.id for field in status.body] == sorted(
        seen["status"], key=[field.target.id for field in status.body].index)
    py_compile.compile(os.path.join(PACKAGE, "pyauditd/__init__.pyi"), str(tmp_path / "stub.pyc"),
                       doraise=True)
    assert os.path.exists(os.path.join(PACKAGE, "pyauditd/py.typed"))


def test_the_documentation_names_every_key_of_the_status(python, tmp_path):
    code = "import pyauditd, json; print(json.dumps(pyauditd.status.__doc__))"
    text = json.loads(run([python.path, "-c", code], tmp_path, {"PYTHONPATH": PACKAGE}).stdout)
    assert set(NOT_TRACED) == set(re.findall(r"^ *(\w+)  +\w", text, re.M))


def test_a_life_of_starts_and_stops(python, tmp_path):
    before, *started, stopped, again_stopped, again = ask(python, tmp_path, "life")
    assert before == NOT_TRACED
    assert len(started) == 3
    for status in started + [again]:
        assert status["running"] and status["coverage"] == "api" and status["mode"] == "drop"
        assert status["segment"] == started[0]["segment"]
        assert status["ring_bytes"] == 4 << 20
    for status in (stopped, again_stopped):
        assert status == dict(started[0], running=False)
    assert started[0]["segment"].startswith("/pyauditd.%d." % os.geteuid())
    assert not os.path.exists("/dev/shm" + started[0]["segment"]), "left at a clean exit"


def test_bad_arguments_are_refused_with_a_sentence(python, tmp_path):
    cases, status = ask(python, tmp_path, "bad")
    assert status == NOT_TRACED
    for case in cases:
        kind, _, text = case["error"]
        assert case["status"] == NOT_TRACED, case
        assert kind in ("TypeError", "ValueError", "UnicodeEncodeError"), case
        assert len(text.split()) >= 3 and "\n" not in text, case
        [argument] = ast.literal_eval(case["settings"]) if case["settings"] != "eleven" \
            else ["eleven"]
        if argument in ("stack", "ring_bytes", "mode", "backend", "calls_level", "max_depth"):
            assert text.startswith(argument + " must be "), case
        value = case["settings"].split(": ")[-1].rstrip("}")
        wrong_type = value == "None" or value[0] == "b" or \
            (argument in ("stack", "ring_bytes", "max_depth")) \
            != value.lstrip("-").isdigit() or argument in ("colour", "eleven")
        assert (kind == "TypeError") == wrong_type, case


def test_the_defaults_of_start_are_no_wish(python, tmp_path):
    said = "import pyauditd; pyauditd.start(events='open'); print(pyauditd.status())"
    run = harness.collect([python.path, "-c", said], tmp_path, check=False,
                          env={"PYAUDITD_RING": "1m", "PYAUDITD_MODE": "block"})
    status = ast.literal_eval(run.stdout.decode())
    assert (status["ring_bytes"], status["mode"]) == (1 << 20, "block")


def test_what_was_started_keeps_its_ring_and_mode(python, tmp_path):
    mode, ring, events = ask(python, tmp_path, "restarted")
    for case, kind in ((mode, "RuntimeError"), (ring, "RuntimeError"), (events, "ValueError")):
        assert case["error"][0] == kind and case["status"]["running"], case
        assert (case["status"]["mode"], case["status"]["ring_bytes"]) == ("drop", 4 << 20)


def grew(row):
    assert account(row["after"]) == row["after"]["attempted"], row["after"]
    return {name: row["after"][name] - row["before"][name]
            for name in ("attempted", "counted", "recorded")}


@pytest.mark.parametrize("options", [[], ["-e", "custom:early.*"], ["--stack", "5"],
                                     ["--calls=nothing", "--calls-level", "count"]],
                         ids=lambda options: (options or ["nothing"])[0].strip("-"))
@harness.minors(8, 12, 13, 15)
def test_what_the_collector_leaves_open_the_program_says(python, tmp_path, options):
    """Also where it says so before the collector that started it has come."""
    run = harness.collect(
        ["sh", "-c", "collector=$PPID; kill -STOP $PPID; exec \"$@\" $collector", "sh", python.path,
         harness.target("start_early.py")], tmp_path, options, check=False)
    events = [line["event"] for line in run.of_type("audit") if line["event"].startswith("early.")]
    assert events == ["early.mark", "early.other"][:1 + ("-e" in options)]
    n_calls = 0 if "--calls=nothing" in options else 10
    assert [line["func"] for line in run.of_type("call")] == ["wanted"] * n_calls
    at = [line.get("at", {}).get("func") for line in run.of_type("audit")
          if line["event"] == "early.mark"]
    assert at == ["<module>" if "--stack" in options else None]


def test_the_numbers_are_those_of_the_oracle(python, tmp_path):
    seen = ask(python, tmp_path, "oracle")
    for events, row in seen.items():
        counts = Counter(row["events"])
        assert counts["package.custom"] == counts["builtins.id"] == 100 and counts["open"] == 1
        n, everything = grew(row), sum(counts.values())
        assert row["after"]["lost"] == {}
        expected = {
            "all": (everything, 0), "": None, "open,@custom": (101, 0),
            "all,builtins.id=count": (everything, 100),
            "all,-custom:package.custom": (everything - 100, 0),
            "all=count": (everything, everything), "all,-all": (0, 0), "stopped": (0, 0)}[events]
        if expected is None:  # the table says what each gets
            levels = {event: harness.event_table().get(event, {}).get("default_mode", "record")
                      for event in counts}
            counted = sum(n for event, n in counts.items() if levels[event] == "count")
            off = sum(n for event, n in counts.items() if levels[event] == "off")
            expected = everything - off, counted
        assert (n["attempted"], n["counted"]) == expected, events


def test_a_fork_child_has_an_account_of_its_own(python, tmp_path):
    seen = ask(python, tmp_path, "fork")
    fresh, first, later, stopped = seen["child"]
    assert fresh == NOT_TRACED, "before its first event"
    assert first["running"] and first["segment"] != seen["parent"]["segment"]
    assert (first["attempted"], first["coverage"]) == (1, "api")
    assert later["attempted"] == later["recorded"] == first["attempted"] + \
        seen["parent"]["attempted"], "the same job again"
    assert stopped == dict(later, running=False)
    # The parent's: os.fork itself and nothing of the child's; the wait raises nothing.
    assert seen["again"]["segment"] == seen["parent"]["segment"] and seen["again"]["running"]
    assert seen["again"]["attempted"] - seen["parent"]["attempted"] == 1


def test_a_fork_child_of_a_stopped_program_is_stopped(python, tmp_path):
    idle, started = ask(python, tmp_path, "fork_of_stopped")
    assert idle == NOT_TRACED
    assert started["running"] and started["attempted"] == 1


def test_what_a_fork_child_does_first_is_done(python, tmp_path):
    seen = ask(python, tmp_path, "first_deeds")
    stopped, started = seen["traced"]
    assert not stopped["running"] and not stopped["recorded"]
    for status in (started, *seen["stopped"]):
        assert status["running"] and status["recorded"] == 1
        assert (status["mode"], status["ring_bytes"]) == ("block", 1 << 20), "as its parent's"
    assert seen["refused"]["error"][0] == "RuntimeError" and not seen["refused"]["running"]


def test_two_starts_at_once_are_one(python, tmp_path):
    assert ask(python, tmp_path, "at_once") == 1


WHERE = """import sysconfig
of = sysconfig.get_config_var
print("%s/%s -I%s %s %s %s" % tuple(map(of, (
    "LIBPL", "LIBRARY", "INCLUDEPY", "LINKFORSHARED", "LIBS", "SYSLIBS"))))
"""
LIFE = """import os, sys
import pyauditd
pyauditd.start()
sys.audit("package.life")
status = pyauditd.status()
print(status["segment"], status["running"], status["recorded"],
      os.path.exists("/dev/shm" + status["segment"]), flush=True)
"""


@harness.minors(8, 12, 13, 15)
def test_each_life_of_an_interpreter_is_traced(python, tmp_path):
    """As with programs that embed Python and end it now and then. The object of the one before is gone."""
    library, *flags = run([python.path, "-c", WHERE], tmp_path).stdout.split()
    if not os.path.exists(library):  # Debian's, which come without
        assert python.minor >= 14
        return
    subprocess.run(["gcc", "-o", tmp_path / "lives", harness.target("lives.c"), library, *flags],
                   check=True)
    prefix = os.path.dirname(os.path.dirname(python.path))
    done = run([tmp_path / "lives", LIFE, LIFE, LIFE], tmp_path,
               {"PYTHONPATH": PACKAGE, "PYTHONHOME": prefix})
    lives = [line.split() for line in done.stdout.splitlines()]
    assert [life[1:] for life in lives] == [["True", "1", "True"]] * 3, done
    assert len({life[0] for life in lives}) == 3


def test_started_in_a_thread_it_traces_them_all(python, tmp_path):
    row, alive = ask(python, tmp_path, "thread")
    assert alive == 1
    assert Counter(row["events"])["package.custom"] == 800
    assert grew(row) == {"attempted": 800, "counted": 0, "recorded": 800}


@pytest.mark.parametrize("mode", ["drop", "overwrite", "block"])
def test_a_full_ring_does_as_its_mode_says(python, tmp_path, mode):
    status = ask(python, tmp_path, "mode", mode)
    assert (status["mode"], status["ring_bytes"], status["attempted"]) == (mode, 1 << 18, 20000)
    assert account(status) == 20000 and status["counted"] == 0
    if mode == "overwrite":
        assert status["recorded"] == 20000 and status["lost"] == {}
        os.unlink("/dev/shm" + status["segment"])  # a flight recorder stays to be read
    else:  # nobody will come: it does not wait
        assert 0 < status["recorded"] <= (1 << 18) // 64
        assert set(status["lost"]) == {"no_reader"}
        assert not os.path.exists("/dev/shm" + status["segment"])


@pytest.mark.parametrize("mode", ["drop", "overwrite", "block"])
def test_with_a_collector_each_mode_accounts_for_all(python, tmp_path, mode):
    """The collector's account of what the program's own says; `block` loses nothing."""
    env = {"PYTHONPATH": PACKAGE}
    run = harness.collect([python.path, TARGET, "mode", mode, "12000"], tmp_path, lossy=True,
                          env=dict(env, PYAUDITD_MODE=mode, PYAUDITD_RING="256k"))
    [key] = run.keys
    status = json.loads(run.stdout)
    seen = run.events("package.full", key=key)
    lost = sum(line["count"] for line in run.of_type("lost"))
    assert len(seen) + lost >= 12000
    numbers = [line["args"]["_0"] for line in seen]
    assert numbers == sorted(set(numbers))
    if mode == "block":
        assert not lost and status["lost"] == {}


@pytest.mark.parametrize("error", ["RuntimeError", "ValueError", "SystemExit", "KeyboardInterrupt"])
def test_a_refusal_is_noticed_and_leaves_nothing(python, tmp_path, error):
    """Up to 3.13 CPython keeps a RuntimeError of an earlier hook to itself: only the self-check
    can tell that ours was never installed."""
    seen = ask(python, tmp_path, "refused", error)
    assert seen["first"] == {"status": NOT_TRACED, "error": [
        "RuntimeError", None, "another audit hook of this process refused ours"]}
    assert seen["left"] == []
    # When it is allowed it starts as if it had never been tried.
    assert seen["second"]["error"] is None and seen["second"]["status"]["mode"] == "block"
    assert seen["then"]["attempted"] == seen["then"]["recorded"] == 1


def test_switched_off_start_does_nothing(python, tmp_path):
    for case in ask(python, tmp_path, "switched_off"):
        assert case == {"error": None, "status": NOT_TRACED}


def test_without_a_hook_start_is_an_importerror_and_status_an_answer(python, tmp_path):
    tree = Tree(tmp_path, hook=False)
    done = run([python.path, TARGET, "life"], tmp_path, {"PYTHONPATH": str(tree.path)})
    assert done.returncode == 1
    assert "ImportError: no hook for cpython %s in %s" % (
        python.name, tree.path / "pyauditd") in done.stderr
    code = "import pyauditd, json; pyauditd.stop(); print(json.dumps(pyauditd.status()))"
    done = run([python.path, "-c", code], tmp_path, {"PYTHONPATH": str(tree.path)})
    assert json.loads(done.stdout) == NOT_TRACED


def test_the_start_up_file_starts_the_real_hook(python, tmp_path):
    """test_site.py looks at the session; here it is enough that the hook takes the start."""
    done = run([python.path, "-i"], tmp_path, {"PYTHONSTARTUP": PACKAGE + "/startup.py"},
               input=COVERAGE + "\n")
    assert done.stdout == "startup\n", done
    done = run([python.path, "-c", COVERAGE], tmp_path, {"PYTHONSTARTUP": PACKAGE + "/startup.py"})
    assert (done.stdout, done.stderr) == ("None\n", ""), "not interactive"
