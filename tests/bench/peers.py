# SPDX-License-Identifier: MIT
"""What the benchmarks need and the tree does not have: other tracers, and programs to trace.

From the package index, by pip, into bench/MINOR/PACKAGE of the cache (see tools/interpreters).
What is there is taken as it is: remove the folder to get the newest.
"""
import glob
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(
    os.environ.get("PYAUDITD_CACHE")
    or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pyauditd"),
    "bench")
PIP = ["-m", "pip", "--disable-pip-version-check", "--retries", "1"]


def interpreters():
    """Those with a GIL: without, calls are not traced, and no peer traces them."""
    out = subprocess.run([ROOT + "/tools/interpreters"], stdout=subprocess.PIPE, check=True)
    rows = [line.split(None, 1) for line in out.stdout.decode().splitlines()]
    return [path for name, path in rows if not name.endswith("t")]


def minor_of(python):
    out = subprocess.run([python, "-I", "-S", "-c",
                          "import sys; print('%d.%d' % sys.version_info[:2])"],
                         stdout=subprocess.PIPE, check=True)
    return out.stdout.decode().strip()


def run_pip(python, arguments, pip=None):
    env = dict(os.environ, PIP_ROOT_USER_ACTION="ignore", **({"PYTHONPATH": pip} if pip else {}))
    out = subprocess.run([python, *PIP, *arguments], env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    if out.returncode == 0:
        return None
    errors = [line for line in out.stdout.decode(errors="replace").splitlines() if line.strip()]
    said = [line[7:] for line in errors if line.startswith("ERROR: ")] or errors or ["pip failed"]
    return said[-1][:120]


def has_pip(python):
    return subprocess.run([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def pip_for(python):
    """A folder with a pip for an interpreter without one (Debian's); None: it has its own."""
    folder = CACHE + "/pip"
    if has_pip(python):
        return None
    if not os.path.isdir(folder + "/pip"):
        for other in [sys.executable] + interpreters()[::-1]:
            if has_pip(other) and not run_pip(other, ["install", "-q", "--target", folder, "pip"]):
                break
    return folder


def package(python, name, sources=False):
    """(folder, what is in it) or (None, why not). `sources`: it is not imported, and all
    interpreters are to have the same version, the newest that one of them may have."""
    folder = os.path.join(CACHE, "any" if sources else minor_of(python), name)
    if not os.path.isdir(folder):
        made = folder + ".%d" % os.getpid()
        shutil.rmtree(made, ignore_errors=True)
        why = "no interpreter"
        for other in [python] if not sources else interpreters()[::-1]:
            why = run_pip(other, ["install", "-q", "--target", made] + (
                ["--no-deps", "--no-compile"] if sources else []) + [name], pip_for(other))
            if not why:
                break
        if why:
            shutil.rmtree(made, ignore_errors=True)
            return None, why
        os.rename(made, folder)
    found = glob.glob(folder + "/%s-*.dist-info" % name)
    what = os.path.basename(found[0])[:-len(".dist-info")].replace("-", " ") if found else name
    return folder, what


def build(python, names, folder):
    """Extension modules of this folder, for one interpreter; `make hook` has been run."""
    def ask(option):
        return subprocess.run([ROOT + "/tools/interpreters", option, python],
                              stdout=subprocess.PIPE, check=True).stdout.decode().split()
    for name in names:
        subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", *ask("--cflags"),
                        "-I" + ROOT + "/common", "-o", folder + "/" + name + ask("--suffix")[0],
                        "%s/tests/bench/%s.c" % (ROOT, name),
                        *glob.glob(ROOT + "/build/common/*.o"), "-lrt"], check=True)


def environment(python, packages, folders):
    """(environment for one_*.py, line that says what was installed). A package that cannot be
    had is said there too, and to the process that would use it."""
    env, paths, said = dict(os.environ), list(folders), []
    for name in packages:
        folder, what = package(python, name)
        if folder:
            paths.append(folder)
            said.append(what)
        else:
            env["BENCH_NO_" + name.upper()] = what
            said.append("no " + name)
    env["PYTHONPATH"] = os.pathsep.join(paths + [ROOT + "/build/python"])
    return env, ", ".join(said)
