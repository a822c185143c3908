# SPDX-License-Identifier: MIT
"""How calls are asked for: by pyauditd.start(), by the environment, by the command line; and one
clear line about each that cannot be had, with the program untouched."""
import json
import os
import subprocess

import pytest

import calls
import harness

pytest_generate_tests = calls.parametrize
LIBRARY = os.path.join(harness.BUILD, "python")
SITE = os.path.join(LIBRARY, "site")
STATUS = "import json, pyauditd; print(json.dumps(pyauditd.status()))"


one_each = calls.one_each


def run(case, tmp, *words, status=0, **env):
    done = subprocess.run([case.python.path, *words], cwd=tmp, timeout=60,
                          env=harness.environment(tmp, **env), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == status, done.stderr
    return done


@one_each
def test_start_does_as_it_is_told(case, tmp_path):
    done = run(case, tmp_path, harness.target("calls_api.py"), PYTHONPATH=LIBRARY)
    assert (done.stdout, done.stderr) == ("as asked\n", "")


def by_environment(case, tmp, **env):
    done = run(case, tmp, "-c", STATUS, PYAUDITD="1", PYTHONPATH=SITE,
               **{"PYAUDITD_" + name: value for name, value in env.items()})
    assert not done.stderr, done.stderr
    return json.loads(done.stdout)


@one_each
def test_environment_does_as_it_says(case, tmp_path):
    found = by_environment(case, tmp_path)
    assert (found["calls"], found["backend"]) == (None, None)
    found = by_environment(case, tmp_path, CALLS="1", BACKEND=case.backend, CALLS_LEVEL="stats")
    assert (found["calls"], found["backend"]) == ("stats", case.backend)
    found = by_environment(case, tmp_path, CALLS="0", BACKEND=case.backend)
    assert (found["calls"], found["backend"]) == (None, None)
    found = by_environment(case, tmp_path, CALLS="no_such_function", EVENTS="custom:none")
    assert found["calls"] == "record" and found["recorded"] == 0


@one_each
def test_bad_environment_is_one_line_and_no_harm(case, tmp_path):
    for name, value in (("BACKEND", "sideways"), ("CALLS_LEVEL", "sideways"), ("CALLS", "a,,b"),
                        ("MAX_DEPTH", "deep"), ("C_CALLS", "maybe")):
        env = {"PYAUDITD_CALLS": "1", "PYAUDITD_" + name: value}
        done = run(case, tmp_path, "-c", "print(3)", PYAUDITD="1", PYTHONPATH=SITE,
                   PYAUDITD_DEBUG="1", **env)
        assert done.stdout == "3\n" and done.stderr.count("\n") == 1, (name, done.stderr)
        assert done.stderr.startswith("pyauditd: not loaded: "), done.stderr
        if value == "sideways":
            assert value in done.stderr, done.stderr
        done = run(case, tmp_path, "-c", "print(3)", PYAUDITD="1", PYTHONPATH=SITE, **env)
        assert (done.stdout, done.stderr) == ("3\n", ""), name


# ---- the command line ----

MINE = ["--", "python3", "-c", "print(3)"]


@pytest.mark.parametrize("options", [
    ["--calls-backend", "sideways"], ["--calls", "--calls-level", "sideways"],
    ["--calls", "--max-depth", "deep"], ["--calls", "--max-depth", "-1"], ["--calls=a,,b"],
    ["--calls", "--calls-file", "a,,b"], ["--calls=" + "x" * 600], ["--no-c-calls=1"]])
def test_bad_option_is_one_line_and_nothing_runs(options, tmp_path):
    done = harness.run_collector([*options, *MINE], tmp_path)
    assert done.returncode == 2 and not done.stdout, done
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith("auditd-collect: "), lines


@one_each
def test_back_end_that_an_interpreter_lacks_is_said_and_the_program_runs(case, tmp_path):
    for backend in calls.SINCE:
        if calls.has(case.python, backend):
            continue
        out = tmp_path / backend
        done = harness.run_collector(["--calls", "--calls-backend", backend, "-o", out, "--",
                                      case.python.path, "-c", "print(3); raise SystemExit(4)"],
                                     tmp_path)
        assert (done.returncode, done.stdout) == (4, b"3\n"), done
        told = [json.loads(line) for line in out.read_bytes().splitlines()]
        told = [line["detail"] for line in told if line["type"] == "notice"]
        told += done.stderr.decode().splitlines()
        assert told and any(backend in line for line in told), (told, done)
        assert len(done.stderr.splitlines()) <= 1, done.stderr


@pytest.mark.parametrize("level", ["record", "stats", "count"])
def test_glob_that_matches_what_is_over_when_we_come_is_no_error(level, tmp_path):
    done = harness.run_collector(["--calls=__main__", "--calls-level", level, "-o", tmp_path / "out",
                                  "--", "python3", "-c", "def f(): pass\nf()"], tmp_path)
    assert (done.returncode, done.stderr) == (0, b""), done
    assert b'"func":"f"' in (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("options", [[], ["--calls"], ["--calls", "--calls-level", "stats"]])
@pytest.mark.parametrize("level", ["count", "record"])
def test_table_has_the_levels_of_events_that_calls_are_told_by(options, level, tmp_path):
    done = harness.run_collector(["-e", "import=" + level, *options, "--summary-only", *MINE],
                                 tmp_path)
    [row] = [line.split() for line in done.stderr.decode().splitlines() if line.endswith(" import")]
    assert row[2] == level


def test_glob_that_matches_nothing_is_said(tmp_path):
    out = tmp_path / "out"
    done = harness.run_collector(["--calls=no_such_function", "-o", out, *MINE], tmp_path)
    assert (done.returncode, done.stdout) == (0, b"3\n"), done
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1 and "no_such_function" in lines[0], lines
