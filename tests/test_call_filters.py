# SPDX-License-Identifier: MIT
"""What is left out, by each rule, is what the rule says, and nothing else: the same program with
all its calls, filtered here, is the oracle."""
import fnmatch
import os

import pytest

import calls
import harness

pytest_generate_tests = calls.parametrize
OWN = ("calls_filters.py", "calls_helper.py")
PLACES = OWN + ("textwrap.py", "string.py", "string/__init__.py")


def in_place(line):
    return line["file"].endswith(PLACES)


def events(run, gaps):
    """[line, call, the Python function around a C function] behind the program's mark, in the
    places that we look at."""
    [lines] = calls.by_thread(calls.behind_mark(run.lines)).values()
    found = []
    for line, (call, around) in calls.Thread(lines, gaps).rows:
        home = around if calls.is_c(line) else call
        if home and not home.is_c and in_place(home.line):
            found.append((line, call, home))
    return found


def shown(events):
    return [(line["type"], line["kind"], line["func"], line.get("how")) for line, *_ in events]


def matches(line, globs):
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs
               for name in (line["func"], line["module"], calls.full_name(line)))


def filtered(events, wanted, max_depth=99, c_calls=True):
    """wanted says it of the line of a Python call; depth is that of what is wanted."""
    kept, depth = [], 0
    for event in events:
        line, call, home = event
        if not wanted(home.line) or calls.is_c(line) and not c_calls:
            continue
        depth -= line["type"] == "return"
        if depth < max_depth:
            kept.append(event)
        depth += line["type"] == "call"
    return kept


RULES = {
    "globs": ("--calls=calls_helper.*,run_*,*fails", (),
              {"wanted": lambda line: matches(line, ["calls_helper.*", "run_*", "*fails"])}),
    "no_c": ("--calls", ["--no-c-calls"], {"wanted": lambda line: True, "c_calls": False}),
    "depth": ("--calls", ["--max-depth", "3", "--calls-file=-stdlib,-calls_helper.py"],
              {"wanted": lambda line: line["file"].endswith(OWN[0]), "max_depth": 3}),
    "file": ("--calls", ["--calls-file", "calls_helper.py"],
             {"wanted": lambda line: line["file"].endswith(OWN[1])}),
    "stdlib": ("--calls", ["--calls-file", "stdlib"],
               {"wanted": lambda line: not line["file"].endswith(OWN)}),
    "both": ("--calls=helps,*.method,method", ["--no-c-calls", "--calls-file",
                                               harness.target(OWN[1])],
             {"wanted": lambda line: line["file"].endswith(OWN[1]) and matches(
                 line, ["helps", "*.method", "method"]), "c_calls": False}),
}


@pytest.fixture(scope="module")
def everything(case, tmp_path_factory):
    return events(calls.trace(case, tmp_path_factory.mktemp("all"), "calls_filters.py"), False)


@calls.on(minors=(9, 13))
@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_leaves_out_is_what_it_says(case, everything, rule, tmp_path):
    calls_option, options, how = RULES[rule]
    run = calls.trace(case, tmp_path, "calls_filters.py", calls=calls_option, options=options,
                      filtered=True)
    expected = shown(filtered(everything, **how))
    assert expected and expected != shown(everything) or rule == "no_c"
    assert shown(events(run, True)) == expected


@calls.on(minors=(9, 13))
def test_rules_hold_for_sums_too(case, everything, tmp_path):
    for level in ("count", "stats"):
        calls_option, options, how = RULES["globs"]
        run = calls.trace(case, tmp_path, "calls_filters.py", calls=calls_option,
                          options=[*options, "--calls-level", level])
        kept = filtered(everything, **how)
        seen = {calls.full_name(line): line["calls"] for line in run.of_type("func")}
        expected = {}
        for line, call, _ in kept:
            if line["type"] == "call":
                name = calls.full_name(call.line)
                expected[name] = expected.get(name, 0) + 1
        assert {name: seen.get(name) for name in expected} == expected, level
        assert not any(line["file"].endswith(PLACES) and not how["wanted"](line)
                       for line in run.of_type("func", kind="py")), os.listdir(tmp_path)
