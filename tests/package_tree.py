# SPDX-License-Identifier: MIT
"""For test_site.py and test_package.py: interpreters, and a tree like build/python whose hook is
a stand-in in Python, so that every Python can run it, also those that have no hook."""
import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_HOOK = ["2.7", "3.6", "3.7"]
WITH_HOOK = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
VERSIONS = WITHOUT_HOOK + WITH_HOOK

# What it is told goes to $FAKE_HOOK_LOG, a line each; $FAKE_HOOK_RAISES is what start() raises.
FAKE_HOOK = '''
import os
state = {"segment": None, "running": False}

def log(*what):
    if os.environ.get("FAKE_HOOK_LOG"):  # not open(): that may import modules
        line = repr(what) + "\\n"
        file = os.open(os.environ["FAKE_HOOK_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line if str is bytes else line.encode())
        os.close(file)

def start(**settings):
    log("start", settings)
    if os.environ.get("FAKE_HOOK_RAISES"):
        raise eval(os.environ["FAKE_HOOK_RAISES"])
    state.update(segment="/pyauditd.fake", running=True)

def stop():
    log("stop")
    state.update(running=False)

def status():
    return dict(state)
'''


def interpreters():
    found = {python.name: python.path for python in harness.interpreters()}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in WITHOUT_HOOK:
        for path in pyenv.glob(version + ".*/bin/python" + version):
            found[version] = str(path)
    return found


INTERPRETERS = interpreters()


def interpreter(version):
    if version not in INTERPRETERS:
        pytest.skip("no Python %s here" % version)
    return INTERPRETERS[version]


class Tree:
    """A copy of hook/python in folder/python, with the stand-in for a hook unless `hook` is
    false, and how to run programs with it."""

    def __init__(self, folder, hook=True):
        self.folder = folder
        self.path = folder / "python"
        self.site = self.path / "site"
        self.log = folder / "hook.log"
        shutil.copytree(ROOT / "hook/python", self.path,
                        ignore=shutil.ignore_patterns("__pycache__", "_hook*"))
        if hook:
            (self.path / "pyauditd/_hook.py").write_text(FAKE_HOOK)

    def run(self, command, env={}, stdin="", cwd=None):
        """Run it with nothing of the test's own environment that Python would look at."""
        clean = dict({"PATH": os.environ["PATH"], "HOME": str(self.folder),
                      "FAKE_HOOK_LOG": str(self.log)}, **env)
        return subprocess.run([str(word) for word in command], env=clean, input=stdin, cwd=cwd,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120)

    def traced(self, command, env={}, **how):
        """The same, as `auditd-collect -- command` starts it."""
        path = os.pathsep.join(filter(None, [str(self.site), env.get("PYTHONPATH")]))
        return self.run(command, dict(env, PYTHONPATH=path), **how)

    def calls(self):
        """What the hook was told since the last time this was asked."""
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines()
        self.log.unlink()
        return [ast.literal_eval(line) for line in lines]


def listing(folder):
    return sorted((str(path.relative_to(folder)), path.is_file() and path.read_bytes())
                  for path in Path(folder).rglob("*"))
