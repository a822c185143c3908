# SPDX-License-Identifier: MIT
"""Programs and packages that we did not write, from the package index, into a folder of the cache
(see tools/interpreters). What is there is taken as it is: remove the folder to get the newest."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"  # the machine's own, which has pip
CACHE = Path(os.environ.get("PYAUDITD_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyauditd")


def unavailable(why):
    """Continuous integration does without nothing."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def fetch(folder, what, *commands):
    """The folder, after these commands were run once, successfully; they are to make it."""
    made = folder / "made"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for command in commands:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True)
            if done.returncode:
                unavailable("%s cannot be installed: %s" % (what, done.stdout.strip().splitlines()[-1:]))
        made.touch()
    return folder


def programs(folder, *names):
    """The bin of an environment that these are installed in, beside pip."""
    folder = CACHE / folder
    install = [[folder / "bin/pip", "-q", "install", *names]] if names else []
    return fetch(folder, ", ".join(names), [PYTHON, "-m", "venv", folder], *install) / "bin"


def package(python, name):
    """For PYTHONPATH of this interpreter: its newest wheel of a package, and what that needs."""
    words = ["--implementation", "cp", "--python-version", "3.%d" % python.minor,
             "--abi", "cp3%s" % python.name.partition(".")[2]]
    folder = CACHE / "packages" / python.name / name
    pip = programs("pip-venv") / "pip"
    return fetch(folder, "%s for %s" % (name, python.name),
                 [pip, "-q", "install", "--only-binary", ":all:", "--target", folder, *words, name])
