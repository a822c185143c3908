# SPDX-License-Identifier: MIT
"""A program that confines itself by seccomp, and lists what the manual says: it lives on."""
import os
import platform
import re
import subprocess

import pytest

import harness

# What the program itself needs, on some CPython and glibc.
ITS_OWN = """brk clone clone3 close exit exit_group fstat futex getrandom gettid lseek madvise
             mmap mprotect munmap newfstatat openat prctl read rseq rt_sigaction
             rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield
             set_robust_list sigaltstack wait4 write""".split()
HEADER = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
SITE = os.path.join(harness.BUILD, "python", "site")
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter is for x86-64")


def of_the_manual():
    with open(os.path.join(harness.ROOT, "doc", "auditd-collect.1"), encoding="utf-8") as file:
        text = file.read()
    begin = text.index(".Xr seccomp 2")
    names = re.findall(r"^\.Xr (\w+) 2", text[begin:text.index("List them", begin)], re.M)
    # As the kernel calls them on x86-64.
    return {{"stat": "newfstatat", "getdents": "getdents64", "prlimit": "prlimit64"}.get(name, name)
            for name in names}


def confined(python, names):
    with open(HEADER, encoding="utf-8") as file:
        numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", file.read()))
    return [python.path, "-W", "ignore", harness.target("confined.py"),
            *(numbers[name] for name in sorted(names))]


def test_the_program_by_itself_needs_no_more_than_we_think(python, tmp_path):
    done = subprocess.run(confined(python, ITS_OWN), env=harness.environment(tmp_path),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"child 0\n"), done


@harness.minors(8, 15)
@pytest.mark.parametrize("backend", ["", "auto", "eval"])
@pytest.mark.parametrize("level", ["record", "stats"])
def test_a_program_that_lists_what_the_manual_says_lives_on(python, tmp_path, backend, level):
    env = harness.environment(tmp_path, PYAUDITD="1", PYTHONPATH=SITE, PYAUDITD_EVENTS="custom:x.*",
                              PYAUDITD_CALLS="1" if backend else "0", PYAUDITD_CALLS_LEVEL=level,
                              PYAUDITD_BACKEND=backend or "auto")
    done = subprocess.run(confined(python, {*ITS_OWN, *of_the_manual()}), env=env, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"child 0\n"), done


@harness.minors(8, 15)
def test_under_a_collector_that_is_waited_for_too(python, tmp_path):
    run = harness.collect(confined(python, {*ITS_OWN, *of_the_manual()}), tmp_path,
                          ["-e", "custom:x.*"], env={"PYAUDITD_MODE": "block"}, lossy=True)
    assert run.stdout == b"child 0\n"
    assert len(run.events("x.y")) > 20000
