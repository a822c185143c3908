# SPDX-License-Identifier: MIT
"""The ways in, sitecustomize.py and startup.py: they start the hook, and a program that looks
around cannot tell. The oracle is the same program started without them."""
import ast
import os
import pty
import select
import subprocess
import sys
import time
import zipfile

import pytest

from package_tree import VERSIONS, WITH_HOOK, Tree, interpreter

# All that a program could notice, less what is ours by right: modules named pyauditd, and what
# lies in our tree.
SNAPSHOT = r'''
import sys as _sys
def _snapshot():
    import os
    main = sorted(_sys.modules["__main__"].__dict__)
    documentation = _sys.modules["__main__"].__doc__
    names = sorted(name for name in _sys.modules if name.split(".")[0] != "pyauditd")
    builtins = _sys.modules.get("builtins") or _sys.modules["__builtin__"]
    site = _sys.modules.get("site")
    custom = _sys.modules.get("sitecustomize")
    tree = os.environ["TREE"]
    return {
        "argv": _sys.argv, "path": _sys.path, "modules": names, "main": main,
        "doc": documentation,
        "builtins": sorted(builtins.__dict__), "sys": sorted(_sys.__dict__),
        "flags": repr(_sys.flags), "warnings": repr(_sys.warnoptions),
        "xoptions": repr(getattr(_sys, "_xoptions", None)),
        "site": sorted(set(site.__dict__) - {"__warningregistry__"}) if site else None,
        "cache": sorted(key for key in _sys.path_importer_cache
                        if key and not key.startswith(tree + "/python/pyauditd")),
        "finders": [[getattr(f, "__name__", type(f).__name__) for f in _sys.meta_path],
                    len(_sys.path_hooks)],
        "excepthook": _sys.excepthook is _sys.__excepthook__,
        "filters": repr([[getattr(part, "pattern", part) for part in rule] for rule in
                         getattr(_sys.modules.get("warnings"), "filters", [])]),
        "environ": sorted(item for item in os.environ.items() if item[0] not in
                          ("PYTHONPATH", "PYTHONSTARTUP", "FAKE_HOOK_LOG", "_")),
        "sitecustomize": custom and sorted((key, value if isinstance(value, (str, int)) else "")
                                           for key, value in custom.__dict__.items()
                                           if key != "__builtins__"),
        "usercustomize": "usercustomize" in _sys.modules,
    }
'''
PROGRAM = SNAPSHOT + "print(repr(_snapshot()))\n"


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture(params=VERSIONS)
def any_python(request):
    return interpreter(request.param)


# What takes its time: the first and the last of each kind.
SOME = pytest.mark.parametrize("any_python", ["2.7", "3.7", "3.8", "3.12", "3.13", "3.15"], indirect=True)


@pytest.fixture(params=WITH_HOOK)
def hook_python(request):
    return interpreter(request.param)


def differences(expected, seen):
    """Of two snapshots: for each key what only one of them has, or both in full."""
    found = {}
    for key in expected:
        a, b = expected[key], seen[key]
        if a != b and isinstance(a, list) and key != "path":
            found[key] = [x for x in a if x not in b], [x for x in b if x not in a]
        elif a != b:
            found[key] = a, b
    return found


def compare(tree, command, env={}, activated=True, runs=1, **how):
    """Run it without us and with us: no difference, and the hook was started once, or not."""
    env = dict(env, TREE=str(tree.folder))
    tree.run(command, env, **how)   # for the .pyc files
    without = tree.run(command, env, **how)
    assert without.returncode == 0 and tree.calls() == []
    for _ in range(runs):
        traced = tree.traced(command, env, **how)
        if "_snapshot" in command[-1]:
            expected, seen = (ast.literal_eval(run.stdout) for run in (without, traced))
            assert differences(expected, seen) == {}
        assert (traced.stdout, traced.stderr, traced.returncode) == \
            (without.stdout, without.stderr, without.returncode)
        assert [(what, settings["coverage"]) for what, settings in tree.calls()] == \
            [("start", "site")] * activated
    return without


def make_next(tree, kind):
    """A PYTHONPATH with another sitecustomize on it."""
    folder = tree.folder / "next"
    folder.mkdir()
    files = {
        "module": {"sitecustomize.py": "marker = 1; import pyauditd_was_here"},
        "package": {"sitecustomize/__init__.py": "from . import part", "sitecustomize/part.py": ""},
        "namespace": {"sitecustomize/part.py": ""},
        "raises": {"sitecustomize.py": "raise ValueError('boom')"},
        "imports nothing": {"sitecustomize.py": "import not_there"},
        "names itself": {"sitecustomize.py": "raise ImportError('no', name='sitecustomize')"},
        "does not parse": {"sitecustomize.py": "def ("},
        "changes the path": {"sitecustomize.py": "import sys; sys.path[:0] = ['/first', '/two']"},
        "replaces itself": {"sitecustomize.py": "import sys, types\n"
                            "sys.modules[__name__] = types.ModuleType('else')"},
        "prints": {"sitecustomize.py": "import sys; sys.stderr.write('hello %s' % __name__)"},
        "user": {"usercustomize.py": "import sys; sys.marker = 1"},
        "two": {"sitecustomize.py": "first = 1", "more/sitecustomize.py": "second = 1"},
    }.get(kind, {})
    files = dict(files, **{"pyauditd_was_here.py": ""})
    if kind == "zip":
        with zipfile.ZipFile(folder / "next.zip", "w") as file:
            file.writestr("sitecustomize.py", "marker = 'from the zip'")
        return str(folder / "next.zip")
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text + "\n")
    return str(folder) + (os.pathsep + str(folder / "more") if kind == "two" else "")


@pytest.mark.parametrize("hook_python", ["3.8", "3.9", "3.10"], indirect=True)
def test_where_the_working_directory_is_gone_there_is_no_difference(tree, hook_python):
    """And the path has an element that means it; later versions do not start there by themselves."""
    path = make_next(tree, "module")
    compare(tree, ["sh", "-c", "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" -c "
                   "'import sitecustomize; print(sitecustomize.__name__)'", hook_python],
            {"PYTHONPATH": path + os.pathsep})


@pytest.mark.parametrize("options", [
    "", "-E", "-s", "-B", "-O", "-I", "-bb", "-Werror", "-P", "-Xdev", "-Xlazy_imports=all",
    "-Xfrozen_modules=off", "-Xgil=0"])
def test_a_program_sees_no_difference(tree, any_python, options):
    if tree.run([any_python, *options.split(), "-c", ""]).returncode:
        pytest.skip("%s has no %s" % (any_python, options))
    compare(tree, [any_python, *options.split(), "-c", PROGRAM], activated=options not in ("-E", "-I"),
            runs=1 if options else 2)  # without our .pyc files and with them


def test_without_site_nothing_happens(tree, any_python):
    program = "import sys; print(len(sys.modules))"
    without = tree.run([any_python, "-S", "-c", program])
    traced = tree.traced([any_python, "-S", "-c", program])
    assert (traced.stdout, traced.stderr) == (without.stdout, without.stderr)
    assert tree.calls() == []


@pytest.mark.parametrize("kind", [
    "module", "package", "namespace", "zip", "raises", "imports nothing", "names itself",
    "does not parse", "changes the path", "replaces itself", "prints", "user", "two"])
def test_the_next_sitecustomize_runs_as_if_alone(tree, any_python, kind):
    path = make_next(tree, kind)
    without = compare(tree, [any_python, "-c", PROGRAM], {"PYTHONPATH": path})
    # That it ran at all, and what site makes of its errors.
    text = without.stdout + without.stderr
    if not any_python.endswith("2.7"):
        assert {"module": "pyauditd_was_here", "zip": "from the zip", "prints": "hello",
                "raises": "ValueError: boom", "imports nothing": "No module named 'not_there'",
                "does not parse": "SyntaxError", "user": "'usercustomize': True",
                }.get(kind, "") in text


def test_a_program_that_imports_sitecustomize_finds_the_next_one(tree, any_python):
    program = "import sitecustomize; print([sitecustomize.marker])"
    compare(tree, [any_python, "-c", program], {"PYTHONPATH": make_next(tree, "module")})


def test_a_sitecustomize_that_exits_ends_the_program(tree, any_python):
    (tree.folder / "sitecustomize.py").write_text("raise SystemExit(3)")
    env = {"PYTHONPATH": str(tree.folder)}
    without = tree.run([any_python, "-c", "print('on')"], env)
    traced = tree.traced([any_python, "-c", "print('on')"], env)
    assert (traced.returncode, traced.stdout) == (without.returncode, without.stdout)


@pytest.mark.parametrize("env", [
    {"PYTHONPATH": "next:."}, {"PYTHONPATH": ":/not/there:next"}, {"PYTHONSAFEPATH": "1"},
    {"PYTHONNOUSERSITE": "1"}, {"PYTHONDONTWRITEBYTECODE": "1"}, {"PYTHONHASHSEED": "0"}])
def test_the_rest_of_the_environment_works_as_before(tree, any_python, env):
    make_next(tree, "module")
    compare(tree, [any_python, "-c", PROGRAM], env, cwd=tree.folder)


def test_a_script_and_a_module_see_no_difference(tree, any_python):
    (tree.folder / "program.py").write_text(PROGRAM)
    compare(tree, [any_python, tree.folder / "program.py", "one"])
    compare(tree, [any_python, "-m", "program"], cwd=tree.folder)


def test_two_entries_for_us_are_both_taken_away(tree, any_python):
    (tree.folder / "link").symlink_to(tree.path)
    path = os.pathsep.join([str(tree.folder / "link/site"), str(tree.site), make_next(tree, "module")])
    env = {"TREE": str(tree.folder)}
    for _ in range(2):  # Python 2 says of a module whether it had a .pyc
        without = tree.run([any_python, "-c", PROGRAM],
                           dict(env, PYTHONPATH=str(tree.folder / "next")))
    traced = tree.traced([any_python, "-c", PROGRAM], dict(env, PYTHONPATH=path))
    assert differences(ast.literal_eval(without.stdout), ast.literal_eval(traced.stdout)) == {}
    assert traced.stderr == without.stderr
    assert len(tree.calls()) == 1


def test_a_folder_in_which_nothing_can_be_written_does(tree, any_python):
    for folder in (tree.path, tree.site, tree.path / "pyauditd"):
        (folder / "__pycache__").write_text("a file in the place of the folder")
    compare(tree, [any_python, "-c", PROGRAM])


def test_a_virtual_environment_sees_no_difference(tree, hook_python):
    environment = tree.folder / "environment"
    made = tree.traced([hook_python, "-m", "venv", "--without-pip", environment])
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert len(tree.calls()) == 1
    inner = environment / "bin/python"
    compare(tree, [inner, "-c", PROGRAM])
    # One that has a sitecustomize of its own. (Debian's, in the standard library, comes first.)
    [purelib] = environment.glob("lib/python3*/site-packages")
    (purelib / "sitecustomize.py").write_text("marker = 'environment'")
    seen = ast.literal_eval(compare(tree, [inner, "-c", PROGRAM]).stdout)["sitecustomize"]
    assert ("marker", "environment") in seen or ("marker" not in dict(seen) and
                                                 not dict(seen)["__file__"].startswith(str(tree.folder)))


def test_children_are_traced_too(tree, hook_python):
    program = "import subprocess, sys; subprocess.check_call([sys.executable, '-c', ''])"
    assert tree.traced([hook_python, "-c", program]).returncode == 0
    assert len(tree.calls()) == 2


def test_a_sub_interpreter_does_not_start_the_hook_again(tree, hook_python):
    # Each one has its own modules, so its stand-in does not know of the first one's start: the
    # real hook, one per process, does. What can be seen here is that it asks.
    program = ("import sys, pyauditd, pyauditd._activate as a\n"
               "a.activate('site', '1'); pyauditd.stop(); a.activate('site', '1')")
    assert tree.traced([hook_python, "-c", program]).returncode == 0
    assert [call[0] for call in tree.calls()] == ["start", "stop"]


SETTINGS = {"PYAUDITD_EVENTS": "open,@net", "PYAUDITD_STACK": "3", "PYAUDITD_RING": "512k",
            "PYAUDITD_MODE": "overwrite", "PYAUDITD_REVEAL": "os.putenv.value",
            "PYAUDITD_KEEP": "1", "PYAUDITD_LAUNCH": "77aa"}


def test_the_environment_says_how_to_trace(tree, any_python):
    stdlib = tree.run([any_python, "-c", "import os; print(os.path.dirname(os.__file__))"])
    tree.traced([any_python, "-c", ""], SETTINGS)
    assert tree.calls() == [("start", {
        "coverage": "site", "events": "open,@net", "stack": 3, "ring_bytes": 512 << 10,
        "mode": "overwrite", "reveal": "os.putenv.value", "keep": True, "launch": "77aa",
        "stdlib": stdlib.stdout.strip()})]
    tree.traced([any_python, "-c", ""], {name: "" for name in SETTINGS})
    assert tree.calls() == [("start", {"coverage": "site", "keep": False, "launch": "",
                                       "stdlib": stdlib.stdout.strip()})]


@pytest.mark.parametrize("ring, ring_bytes", [("4194304", 4 << 20), ("1M", 1 << 20), ("256k", 1 << 18)])
def test_a_ring_size_has_a_suffix_or_none(tree, hook_python, ring, ring_bytes):
    tree.traced([hook_python, "-c", ""], {"PYAUDITD_RING": ring})
    assert tree.calls()[0][1]["ring_bytes"] == ring_bytes


# What is wrong, and what PYAUDITD_DEBUG makes of it.
WRONG = [
    ({"PYAUDITD": "0"}, "PYAUDITD is 0"),
    ({"PYAUDITD": "yes"}, "PYAUDITD is neither 0 nor 1: 'yes'"),
    ({"PYAUDITD_STACK": "two"}, "PYAUDITD_STACK is not a number: 'two'"),
    ({"PYAUDITD_RING": "k"}, "PYAUDITD_RING is not a number: 'k'"),
    ({"PYAUDITD_RING": "4 MB"}, "PYAUDITD_RING is not a number: '4 MB'"),
    ({"FAKE_HOOK_RAISES": "OSError(28, 'No space left on device')"},
     "OSError: [Errno 28] No space left on device"),
    ({"FAKE_HOOK_RAISES": "ValueError('events: no such name')"}, "ValueError: events: no such name"),
    ({"FAKE_HOOK_RAISES": "RuntimeError('no')"}, "RuntimeError: no"),
    ({"FAKE_HOOK_RAISES": "SystemExit(5)"}, "SystemExit: 5"),
]


@pytest.mark.parametrize("env, why", WRONG, ids=lambda value: "-".join(value) if value else None)
def test_whatever_is_wrong_the_program_goes_on(tree, any_python, env, why):
    command = [any_python, "-c", "print('on')"]
    traced = tree.traced(command, env)
    assert (traced.returncode, traced.stdout, traced.stderr) == (0, "on\n", "")
    traced = tree.traced(command, dict(env, PYAUDITD_DEBUG="1"))
    assert (traced.returncode, traced.stdout) == (0, "on\n")
    if not any_python.endswith("2.7"):
        assert traced.stderr.endswith(why + "\n")
    assert traced.stderr.startswith("pyauditd: not loaded: ") and traced.stderr.count("\n") == 1


def damage(tree, what):
    package = tree.path / "pyauditd"
    if what == "no hook for this version":
        (package / "_hook.py").unlink()
        (package / "_hook.cpython-99-x86_64-linux-gnu.so").write_bytes(b"")
    elif what == "not a hook":
        (package / "_hook.py").write_text("import not_there")
    elif what == "no package":
        package.rename(package.with_name("elsewhere"))
    elif what == "does not parse":
        (package / "_activate.py").write_text("def (")


@pytest.mark.parametrize("what, why", [
    ("no hook for this version", "no hook for "), ("not a hook", "not_there"),
    ("no package", "pyauditd"), ("does not parse", "_activate.py, line 1")])
def test_a_damaged_installation_is_silent(tree, any_python, what, why):
    damage(tree, what)
    compare(tree, [any_python, "-c", PROGRAM], activated=False)
    debug = tree.traced([any_python, "-c", ""], {"PYAUDITD_DEBUG": "1"}).stderr
    assert debug.startswith("pyauditd: not loaded: ") and debug.count("\n") == 1
    assert why in debug or any_python.endswith("2.7")
    if what == "no hook for this version":
        assert debug.endswith("in %s\n" % (tree.path / "pyauditd"))


def test_no_stderr_is_no_problem(tree, any_python):
    program = 'exec "$0" -c "print(1)" 2>&-'
    env = {"PYAUDITD_DEBUG": "1", "PYAUDITD": "wrong"}
    traced = tree.traced(["sh", "-c", program, any_python], env)
    assert (traced.returncode, traced.stdout) == (0, "1\n")


def test_nothing_but_the_package_is_imported(tree, any_python):
    """What keeps the start-up cheap; the time itself is measured by `make bench`."""
    names = "import sys; print(len([n for n in sys.modules if n[:8] == 'pyauditd']), len(sys.modules))"
    before = tree.run([any_python, "-c", names]).stdout.split()
    after = tree.traced([any_python, "-c", names]).stdout.split()
    ours = [int(after[i].strip("(),")) - int(before[i].strip("(),")) for i in (0, 1)]
    # Python 2 notes a failed relative import in sys.modules, with None.
    assert ours[0] == ours[1] and (ours[0] == 3 or any_python.endswith("2.7"))


# Interactive sessions

def session(tree, python, env, terminal=False, text=""):
    """What a session sees, and what it wrote: on a terminal of its own, or `-i` from a pipe."""
    out = tree.folder / "out"
    program = tree.folder / "snapshot.py"
    program.write_text(SNAPSHOT + "with open(%r, 'w') as _file: _file.write(repr(_snapshot()))"
                       % str(out))
    lines = text + "exec(open(%r).read())\nexit()\n" % str(program)
    env = dict(env, TREE=str(tree.folder))
    if terminal:
        written = on_terminal(tree, [python], env, lines)
    else:
        run = tree.run([python, "-i"], env, stdin=lines)
        written = run.stdout + run.stderr
    seen = ast.literal_eval(out.read_text())
    out.unlink()
    return seen, written


def on_terminal(tree, command, env, lines):
    pid, terminal = pty.fork()
    if pid == 0:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PY")}
        os.execve(command[0], command, dict(clean, TERM="xterm", HOME=str(tree.folder),
                                            FAKE_HOOK_LOG=str(tree.log), **env))
    written, pending, deadline = b"", lines.encode(), time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.3)[0]:
                # It waits for input: the next line.
                line, _, pending = pending.partition(b"\n")
                os.write(terminal, line + b"\r")
                continue
            written += os.read(terminal, 65536)
    except OSError:
        pass  # it has ended
    os.close(terminal)
    os.waitpid(pid, 0)
    return written.decode(errors="replace")


@SOME
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_an_interactive_session_sees_no_difference(tree, any_python, terminal):
    (tree.folder / "empty.py").write_text("")
    without, _ = session(tree, any_python, {"PYTHONSTARTUP": str(tree.folder / "empty.py")}, terminal)
    assert tree.calls() == []
    traced, _ = session(tree, any_python, {"PYTHONSTARTUP": str(tree.path / "startup.py")}, terminal)
    assert differences(without, traced) == {}
    assert [(what, settings["coverage"]) for what, settings in tree.calls()] == [("start", "startup")]


USERS = "import sys as mine\nwhere = __file__ if '__file__' in globals() else None\nhere = __name__\n"


@SOME
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_the_users_own_start_up_file_runs_as_before(tree, any_python, terminal):
    users = tree.folder / "users.py"
    users.write_text(USERS)
    line = "print((where, here))\n"
    without, said = session(tree, any_python, {"PYTHONSTARTUP": str(users)}, terminal, line)
    assert str(users) in said or terminal
    env = {"PYTHONSTARTUP": str(tree.path / "startup.py"), "PYAUDITD_STARTUP": str(users)}
    traced, said = session(tree, any_python, env, terminal, line)
    del without["environ"]  # where PYAUDITD_STARTUP is not
    assert differences(without, traced) == {} and "mine" in traced["main"]
    assert str(users) in said or terminal


def test_both_ways_in_start_the_hook_once(tree, any_python):
    env = {"PYTHONSTARTUP": str(tree.path / "startup.py"), "PYTHONPATH": str(tree.site)}
    session(tree, any_python, env)
    assert [(what, settings["coverage"]) for what, settings in tree.calls()] == [("start", "site")]


def test_what_is_wrong_in_the_users_start_up_file_is_shown(tree, any_python):
    users = tree.folder / "users.py"
    users.write_text("before = 1\nraise ValueError('boom')\n")
    env = {"PYTHONSTARTUP": str(tree.path / "startup.py"), "PYAUDITD_STARTUP": str(users)}
    seen, said = session(tree, any_python, env)
    assert "users.py\", line 2" in said and "ValueError: boom" in said
    assert "before" in seen["main"] and "_pyauditd" not in seen["main"]
    users.unlink()
    seen, said = session(tree, any_python, env)
    assert "Could not open PYAUDITD_STARTUP\n" in said and "Traceback" not in said
    env["PYAUDITD_STARTUP"] = env["PYTHONSTARTUP"]
    seen, said = session(tree, any_python, env)
    assert "Traceback" not in said and seen


@pytest.mark.parametrize("what", ["no hook for this version", "no package", "does not parse"])
def test_a_session_without_a_hook_is_silent(tree, any_python, what):
    damage(tree, what)
    (tree.folder / "empty.py").write_text("")
    without, quiet = session(tree, any_python, {"PYTHONSTARTUP": str(tree.folder / "empty.py")})
    traced, said = session(tree, any_python, {"PYTHONSTARTUP": str(tree.path / "startup.py")})
    assert differences(without, traced) == {} and said == quiet
