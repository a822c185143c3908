# SPDX-License-Identifier: MIT
"""Each fuzz target for two seconds; PYAUDITD_TEST_LONG=1: 10 million executions of each, and AFL++."""
import os
import re
import shutil
import subprocess

import pytest

import harness

LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))
TARGETS = sorted(name[:-2] for name in os.listdir(os.path.join(harness.ROOT, "tests", "fuzz"))
                 if name.startswith("fuzz_") and name.endswith(".c"))


def fuzz(engine, seconds, runs=-1):
    """What was said; {target: executions}"""
    compiler = {"libfuzzer": "clang", "afl": "afl-clang-fast"}[engine]
    if shutil.which(compiler) is None:
        assert not os.environ.get("CI"), "no %s: tools/bootstrap ci" % compiler
        pytest.skip("no %s: tools/bootstrap ci installs it" % compiler)
    done = subprocess.run([os.path.join(harness.ROOT, "tests", "fuzz", "run"), "--engine", engine,
                           "--seconds", str(seconds), "--runs", str(runs)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode("utf-8", "replace")
    print(text)
    assert done.returncode == 0, text[-8000:]
    return dict((name, int(n)) for name, n in
                re.findall(r"^(\w+): (\d+) executions", text, re.MULTILINE))


def test_nothing_is_found_by_libfuzzer():
    counts = fuzz("libfuzzer", 7200 if LONG else 2, 10_000_000 if LONG else -1)
    assert sorted(counts) == TARGETS
    assert all(n >= (10_000_000 if LONG else 200) for n in counts.values()), counts


@pytest.mark.skipif(not LONG, reason="PYAUDITD_TEST_LONG=1 runs AFL++ for ten minutes a target")
def test_nothing_is_found_by_afl():
    counts = fuzz("afl", 600)
    assert sorted(counts) == TARGETS and all(n > 1000 for n in counts.values()), counts
