# SPDX-License-Identifier: MIT
"""Each test that asks for `python` runs once per interpreter that the machine has, or for those of
@harness.minors().

PYAUDITD_TEST_PYTHONS=3.11,3.13 limits them. Where CI is set, none of them may be missing.
"""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

SUPPORTED = ["3.%d" % minor for minor in range(8, 16)] + ["3.13t"]


def pytest_generate_tests(metafunc):
    if "python" in metafunc.fixturenames:
        minors = getattr(metafunc.function, "minors", range(99))
        pythons = [p for p in harness.interpreters() if p.minor in minors]
        metafunc.parametrize("python", pythons, ids=[p.name for p in pythons], scope="module")


def missing():
    if os.environ.get("PYAUDITD_TEST_PYTHONS"):
        return []
    return [v for v in SUPPORTED if v not in {p.name for p in harness.interpreters()}]


def pytest_report_header(config):
    return "interpreters: %s%s" % (" ".join(p.name for p in harness.interpreters()), "".join(
        "; skipped, not on this machine: %s" % v for v in missing()))


def pytest_sessionstart(session):
    # A job in the background of a script ignores it, one under nohup the other, and so would all
    # that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if os.environ.get("CI") and missing():
        pytest.exit("no CPython " + ", ".join(missing()), 1)
    if not os.access(harness.COLLECTOR, os.X_OK):
        pytest.exit("no %s: run make hooks" % os.path.relpath(harness.COLLECTOR, harness.ROOT), 1)


@pytest.fixture(scope="module")
def shared_tmp(tmp_path_factory):
    """A folder for what several tests of a module look at."""
    return tmp_path_factory.mktemp("shared")
