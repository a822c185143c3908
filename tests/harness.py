# SPDX-License-Identifier: MIT
"""Run a program under auditd-collect and read what came out.

Every run is checked for what holds of any stream: each line is UTF-8 and JSON, and the
first of each kind are valid by doc/schema.json; sequence numbers rise, and each gap is a loss that
is told at its place; the account (`stats` in doc/schema.md) adds up. What a test then looks at is in the Run.
"""
import ast
import collections
import csv
import functools
import json
import os
import subprocess
import sys

import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("PYAUDITD_TEST_BUILD", "build"))
COLLECTOR = os.path.join(BUILD, "bin", "auditd-collect")
TARGETS = os.path.join(ROOT, "tests", "targets")

Python = collections.namedtuple("Python", "name minor path")


@functools.lru_cache(None)
def interpreters():
    """The interpreters to test with, as tools/interpreters finds them."""
    found = subprocess.run([os.path.join(ROOT, "tools", "interpreters")], text=True,
                           stdout=subprocess.PIPE, check=True).stdout
    wanted = os.environ.get("PYAUDITD_TEST_PYTHONS")
    rows = [line.split(None, 1) for line in found.splitlines()]
    return [Python(name, int(name.rstrip("t").split(".")[1]), path) for name, path in rows
            if not wanted or name in wanted.replace(",", " ").split()]


def free_threaded(python):
    """3.13t: no GIL, and each thread has a lane of its own."""
    return python.name.endswith("t")


@functools.lru_cache(None)
def event_table():
    """common/audit-events.tsv by event, read by rules of our own."""
    table = {}
    with open(os.path.join(ROOT, "common", "audit-events.tsv"), newline="") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["platform"] == "windows" or row["default_mode"] == "alias":
                continue
            row["args"] = [a for a in row["args"].split(",") if a]
            row["roles"] = dict(r.split("=") for r in row["roles"].split(",") if r)
            row["secret"] = set(row["secret_args"].split(",")) - {""}
            table[row["event"]] = row
    return table


@functools.lru_cache(None)
def validators():
    """One per line type: several times faster than the schema as a whole."""
    with open(os.path.join(ROOT, "doc", "schema.json")) as f:
        schema = json.load(f)
    make = jsonschema.validators.validator_for(schema)
    make.check_schema(schema)
    by_type = {name: make({"$ref": "#/$defs/" + name, "$defs": schema["$defs"]})
               for name in schema["properties"]["type"]["enum"]}
    return make(schema), by_type


# The schema is slow: of many lines alike, it sees so many.
ALIKE_MAX = 5
NO_DIGITS = str.maketrans("", "", "0123456789")


def kind_of(line):
    """What lines alike have in common: type, event (whatever its number), fields, types of arguments."""
    args = line.get("args") or {}
    return (line.get("type"), str(line.get("event")).translate(NO_DIGITS), tuple(line),
            tuple((tuple(v) if type(v) is dict else type(v)) for v in args.values()))


def parse_line(raw, alike=None):
    """One line of the stream, as bytes without its newline. alike, a Counter, counts the lines
    of a kind."""
    text = raw.decode("utf-8")  # strict: surrogates are not UTF-8
    line = STRICT.decode(text)
    if alike is not None:
        kind = kind_of(line)
        alike[kind] += 1
        if alike[kind] > ALIKE_MAX:
            return line
    whole, by_type = validators()
    errors = list(by_type.get(line.get("type"), whole).iter_errors(line))
    assert not errors, "%s\nin %.2000s" % (jsonschema.exceptions.best_match(errors), text)
    return line


def refuse(why):
    raise AssertionError(why)


def without_twins(pairs):
    fields = dict(pairs)
    assert len(fields) == len(pairs), "a name stands twice: %r" % pairs
    return fields


STRICT = json.JSONDecoder(parse_constant=lambda word: refuse("no JSON: " + word),
                          object_pairs_hook=without_twins)


class Run:
    """What one run of the collector left behind."""

    def __init__(self, status, stdout, stderr, raw):
        self.status, self.stdout, self.stderr = status, stdout, stderr
        assert not raw or raw.endswith(b"\n"), "the last line is cut: %r" % raw[-200:]
        alike = collections.Counter()
        self.hold([parse_line(line, alike) for line in raw.split(b"\n")[:-1]])

    def hold(self, lines):
        self.lines = lines
        self.by_type = collections.defaultdict(list)
        for line in lines:
            self.by_type[line["type"]].append(line)

    def of_type(self, type, **fields):
        return [line for line in self.by_type[type]
                if all(line.get(k) == v for k, v in fields.items())]

    def events(self, event=None, **fields):
        """The audit lines of an event, of all when it is None."""
        if event is not None:
            fields["event"] = event
        return self.of_type("audit", **fields)

    @property
    def keys(self):
        """Keys of the traced processes in the order of their start lines."""
        return [p["key"] for p in self.of_type("process", action="start")
                if p["coverage"] != "none"]

    def start(self, key):
        [line] = self.of_type("process", action="start", key=key)
        return line

    def exit(self, key):
        [line] = self.of_type("process", action="exit", key=key)
        return line

    def stats(self, key):
        """The last stats line of a process."""
        return self.of_type("stats", key=key)[-1]

    def counts(self, key):
        return self.of_type("counts", key=key)[-1]["events"]


def check_sequences(run, filtered=False):
    """Per lane: numbers rise, and what is missing was said to be lost (or filtered)."""
    following = {}
    for line in run.lines:
        if "seq" in line:
            first = last = line["seq"]
        elif "seq_from" in line:
            first, last = line["seq_from"], line["seq_to"]
            if not filtered:
                assert line["count"] == last - first + 1, line
        else:
            continue
        lane = line["key"], line["lane"]
        expected = following.get(lane, 0)
        assert first >= expected, "seq %d after %d: %r" % (first, expected - 1, line)
        if not filtered:
            assert first == expected, "seq %d is missing: %r" % (expected, line)
        following[lane] = last + 1


HOOK_LOSSES = {"lane_full", "no_reader", "no_memory", "reentrant", "no_gil", "no_lane", "too_deep"}


def check_account(run, filtered=False):
    """attempted = counted + recorded + lost_hook; recorded = emitted + filtered + lost_collector"""
    for key in run.keys:
        stats = run.stats(key)
        assert stats["attempted"] == stats["counted"] + stats["recorded"] + stats["lost_hook"], stats
        assert stats["recorded"] == \
            stats["emitted"] + stats["filtered"] + stats["lost_collector"], stats
        assert stats["emitted"] == sum("seq" in line for line in run.lines
                                       if line.get("key") == key), stats
        if not filtered:
            assert stats["filtered"] == 0, stats
        lost = run.of_type("lost", key=key)
        by_hook = sum(line["count"] for line in lost if line["reason"] in HOOK_LOSSES)
        assert stats["lost_hook"] == by_hook, (stats, lost)
        assert stats["lost_collector"] == sum(line["count"] for line in lost) - by_hook, stats
        for line in run.of_type("process", action="exit", key=key):
            for name in ("attempted", "lost_hook", "lost_collector"):
                assert line[name] == stats[name], (line, stats)


def minors(*which):
    """For these interpreters: the test is about what is the same for all, and takes its time."""
    def mark(function):
        function.minors = which
        return function
    return mark


def environment(tmp, **more):
    """What a target runs in: nothing of ours but what the collector adds."""
    env = {name: value for name, value in os.environ.items()
           if name in ("PATH", "TZ", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS")}
    env.update(HOME=str(tmp), TMPDIR=str(tmp), LANG="C.UTF-8", PYTHONDONTWRITEBYTECODE="1",
               PYTHONHASHSEED="0", PYAUDITD_TEST_LOG=os.path.join(str(tmp), "oracle"))
    env.update(more)
    return env


def target(name):
    return os.path.join(TARGETS, name)


def run_collector(arguments, tmp, env=None, input=b"", cwd=None, timeout=60):
    """auditd-collect with these arguments; a CompletedProcess."""
    return subprocess.run([COLLECTOR] + [str(a) for a in arguments], input=input, cwd=cwd or tmp,
                          env=env or environment(tmp), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)


def collect(command, tmp, options=(), env=None, input=b"", status=0, lossy=False, filtered=False,
            check=True):
    """Trace a command to its end, and check what holds of every stream.

    status is the exit status it must have; lossy allows lost lines, filtered allows lines that
    were left out on purpose.
    """
    out = os.path.join(str(tmp), "out.jsonl")
    done = run_collector([*options, "-o", out, "--", *command], tmp,
                         env=environment(tmp, **(env or {})), input=input)
    raw = b""
    if os.path.exists(out):
        with open(out, "rb") as f:
            raw = f.read()
    if status is not None:
        assert done.returncode == status, "exit status %d\nstdout: %s\nstderr: %s" % (
            done.returncode, done.stdout[-2000:].decode(errors="replace"),
            done.stderr[-4000:].decode(errors="replace"))
    run = Run(done.returncode, done.stdout, done.stderr, raw)
    if check:
        if not lossy:
            assert not run.of_type("lost"), run.of_type("lost")
        check_sequences(run, filtered)
        check_account(run, filtered)
    return run


def oracle_log(tmp, pid):
    """What the oracle of tests/targets/oracle.py wrote in that process."""
    with open(os.path.join(str(tmp), "oracle.%d" % pid)) as f:
        return ast.literal_eval(f.read())


def main():
    """Check lines on stdin, as the tests do: tests/harness.py < FILE"""
    n = 0
    for raw in sys.stdin.buffer:
        parse_line(raw[:-1])
        n += 1
    print("%d lines are valid" % n)


if __name__ == "__main__":
    main()
