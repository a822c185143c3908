# SPDX-License-Identifier: MIT
"""doc/schema.md, doc/schema.json, the manual and what the collector prints agree: every field that
is printed is documented, and every one that is documented is printed here, or is said why not."""
import json
import os
import re
import subprocess
from collections import defaultdict

import pytest

import harness
from world import HAVE_WORLDS

TYPES = ["process", "audit", "call", "return", "lost", "func", "counts", "stats", "notice"]

with open(os.path.join(harness.ROOT, "doc", "schema.json")) as schema_file:
    SCHEMA = json.load(schema_file)["$defs"]

# Documented and not printed by this version, or not here.
NOT_YET = {
    ("call", "greenlet"), ("return", "greenlet"),              # test_call_greenlets.py
    ("notice", "lane"), ("notice", "seq"), ("notice", "tid"),  # sources that give notice in order
    ("notice", "enc"), ("notice", "trunc"),                    # sentences of our own
    ("lost", "enc"), ("lost", "trunc"), ("counts", "enc"), ("counts", "trunc"),
    ("stats", "enc"), ("stats", "trunc"), ("process", "trunc"),
    ("call", "trunc"), ("return", "trunc"), ("func", "trunc"),
}
NOT_YET_VALUES = {
    ("coverage", "full"), ("coverage", "attach"),  # ways in that this version does not have
    ("reason", "no_gil"),     # needs a broken extension module, up to 3.11
    ("reason", "reentrant"),  # only while a level is looked up in a signal handler
    ("reason", "no_lane"), ("reason", "no_memory"), ("reason", "killed"),  # tested where they arise
    ("reason", "damaged"), ("reason", "too_deep"), ("reason", "collector_killed"), ("exit", "unknown"), ("exit", "exited"), ("exit", "exec"),
    ("coverage", "startup"),
    ("enc", "hex"),           # the hook records no integer that is so large
    ("cat", "misc"),          # syslog, and input() on a terminal
}


# schema.md


def sections():
    """Title of each part of schema.md -> its rows: [fields, type, meaning, ...]"""
    with open(os.path.join(harness.ROOT, "doc", "schema.md")) as file:
        parts = re.split(r"^## (.*)\n", file.read(), flags=re.M)
    tables = {}
    for title, text in zip(parts[1::2], parts[2::2]):
        # A | in code does not end a cell.
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")]
                for line in text.splitlines() if line.startswith("|")]
        tables[title.strip("`")] = rows[2:]
    return tables


SECTIONS = sections()


def documented(title):
    """field -> the type that the table has for it"""
    found = {}
    for row in SECTIONS[title]:
        for name in re.findall(r"`(\w+)`", row[0]):
            assert name not in found
            found[name] = row[1]
    return found


EVERYWHERE = documented("All lines")
# Fields of all lines that some types have no use for.
NO_USE = {"process": set(), "audit": set(), "lost": {"enc", "trunc"}, "counts": {"enc", "trunc"},
          "stats": {"enc", "trunc"}, "notice": {"enc", "trunc"}, "call": {"trunc"},
          "return": {"trunc"}, "func": {"trunc"}}
OF_POSITION = {"lost": {"lane"}, "notice": {"lane", "seq", "tid"}}


@pytest.mark.parametrize("type", TYPES)
def test_the_text_and_the_schema_name_the_same_fields(type):
    text = set(EVERYWHERE) - NO_USE[type] | set(documented(type))
    assert text == set(SCHEMA[type]["properties"])


JSON_TYPES = {"integer": int, "number": (int, float), "string": str, "object": dict,
              "array of strings": list, "array of objects": list}


def words(text):
    """Those in the text that stand in code, up to the first that is no plain word."""
    return set(re.findall(r"`([a-z_]+)`", text))


@pytest.mark.parametrize("title, field, where", [
    ("All lines", "type", None), ("process", "action", "process"), ("process", "exit", "process"),
    ("audit", "cat", "audit"), ("call", "kind", "call"), ("return", "kind", "return"),
    ("return", "how", "return"), ("lost", "reason", "lost")])
def test_the_text_and_the_schema_name_the_same_words(title, field, where):
    [row] = [row for row in SECTIONS[title] if row[0] == "`%s`" % field]
    if where is None:
        expected = TYPES
    else:
        expected = SCHEMA[where]["properties"][field]["enum"]
    assert words(row[2]) >= set(expected)
    assert not words(row[2]) - set(expected) - {"overwrite"}, "a word too many"


def test_the_text_explains_each_coverage_and_each_enc():
    with open(os.path.join(harness.ROOT, "doc", "schema.md")) as file:
        text = file.read()
    paragraph = re.search(r"^`coverage`: (.*?)\n\n", text, re.M | re.S).group(1)
    for word in SCHEMA["coverage"]["enum"]:
        assert "`%s`" % word in paragraph, word
    rows = SECTIONS["What is not what it seems"]
    explained = {word for row in rows for word in words(row[0])}
    pattern = SCHEMA["enc"]["additionalProperties"]["pattern"]
    assert explained == set(re.match(r"\^\(([a-z|]+)\)", pattern).group(1).split("|"))


def test_the_categories_are_those_of_the_table_of_events():
    used = {row["category"] for row in harness.event_table().values()}
    assert used | {"custom"} == set(SCHEMA["audit"]["properties"]["cat"]["enum"])


def test_the_reasons_are_those_of_the_hook_and_of_the_manual():
    with open(os.path.join(harness.ROOT, "common", "lane.h")) as file:
        source = set(re.findall(r'X\([A-Z_]+, \d+, "([a-z_]+)"\)', file.read()))
    assert source == set(SCHEMA["lost"]["properties"]["reason"]["enum"])
    with open(os.path.join(harness.ROOT, "doc", "auditd-collect.1")) as file:
        section = file.read().split(".Sh LOSSES")[1].split(".Sh ")[0]
    assert source == set(re.findall(r"^\.It Cm (\w+)", section, re.M))


# What is printed


# Before anybody reads it, WHAT happens to the ring: damage, or more than it holds.
HELD = """
import os, sys, pyauditd
pyauditd.start(events="custom:here.*", ring_bytes=1 << 18)
for i in range(100 if sys.argv[1] == "damage" else 5000): sys.audit("here.it", "find me")
if sys.argv[1] == "damage":
    with open("/dev/shm" + pyauditd.status()["segment"], "r+b") as file:
        data = file.read()
        file.seek(data.index(b"find me") // 64 * 64); file.write(b"\\xff" * 64)
print("ready", flush=True); sys.stdin.read()
"""

VALUES = """
import os, pathlib, subprocess, sys
sys.audit("here.values", 2**70, -2**300, 2**5000, float("nan"), b"x\\xff", "\\udc80%", {1: 2}, [[[[[[1]]]]]],
          ..., 2**100000, "long" * 5000, list(range(100)), None, True, 1.5, object())
try: open("\\udcff%")
except OSError: pass
try: os.rename("one", "two")
except OSError: pass
subprocess.run([sys.executable, "-c", "pass", "--password=secret"], stdout=subprocess.DEVNULL)
try: subprocess.run([pathlib.Path("/nowhere"), b"x"])
except OSError: pass
os.close(os.dup(0)); os.truncate(os.open("file", os.O_RDWR | os.O_CREAT), 0)
def deep(n):
    if n: deep(n - 1)
    else: sys.audit("here.deep")
deep(5)
if os.fork() == 0:
    sys.audit("here.child"); os._exit(0)
os.wait()
import ctypes, sqlite3
sqlite3.connect(":memory:").close(); ctypes.CDLL(None)
"""


CALLS = """
def pauses(): yield 1; yield 2
def fails(): raise KeyError
sum(pauses())
try: fails()
except KeyError: pass
try: int("x")
except ValueError: pass
exec(compile("pass", "\\udcff%", "exec").replace(co_name="\\udcff", co_qualname="\\udcff"))
"""


def collect_file(tmp, *arguments, **more):
    """Lines of a run that need not add up: it may begin or end in the middle."""
    out = tmp / ("lines%d" % len(list(tmp.glob("lines*"))))
    subprocess.run([harness.COLLECTOR, "-q", "-o", str(out), *map(str, arguments)], cwd=tmp,
                   timeout=60, **more)
    return [harness.parse_line(raw) for raw in out.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """All lines of many programs, on one interpreter."""
    python = harness.interpreters()[-1].path
    tmp = tmp_path_factory.mktemp("printed")
    env = harness.environment(tmp)
    quiet = {"env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    lines = []
    for name, arguments in (("small.py", []), ("net.py", []), ("procs.py", []),
                            ("children.py", ["hidden"]), ("ends.py", ["kill"])):
        lines += collect_file(tmp, "--", python, harness.target(name), *arguments, **quiet)
    if HAVE_WORLDS:
        lines += collect_file(tmp, "--", "unshare", "--pid", "--fork", python,
                              harness.target("small.py"), **quiet)
    lines += collect_file(tmp, "--stack", "4", "--stats-interval", "0.05", "-e", "all", "--",
                          python, "-c", VALUES, **quiet)
    for level in ("record", "stats", "count"):
        lines += collect_file(tmp, "--calls", "--calls-level", level, "--", python, "-c", CALLS,
                              **quiet)
    for mode in ("drop", "overwrite"):
        lines += collect_file(tmp, "--", python, harness.target("burst.py"), "20000", **dict(
            quiet, env=dict(env, PYAUDITD_RING="256k", PYAUDITD_MODE=mode)))
    # So many that a reader comes in the middle, on any machine; the filter leaves their lines out.
    lines += collect_file(tmp, "-P", "/nowhere", "--", python, harness.target("burst.py"), "2000000",
                          **dict(quiet, env=dict(env, PYAUDITD_RING="256k")))
    env["PYTHONPATH"] = os.path.join(harness.BUILD, "python")
    (tmp / "held.py").write_text(HELD)
    for what in ("damage", "fill"):
        target = subprocess.Popen([python, "held.py", what], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, env=env, cwd=tmp)
        assert target.stdout.readline() == b"ready\n"
        lines += collect_file(tmp, "--pid", target.pid, "--backlog", "--duration", "1", **quiet)
        target.communicate(b"", timeout=20)
    return lines


def test_every_field_that_is_printed_is_documented(printed):
    for line in printed:
        unknown = set(line) - set(SCHEMA[line["type"]]["properties"])
        assert not unknown, line
        for place in [line.get("at"), line.get("caller"), *line.get("stack", [])]:
            assert place is None or set(place) == set(SCHEMA["site"]["properties"]), line


def test_every_field_that_is_documented_is_printed_or_is_said_why_not(printed):
    seen = {(line["type"], name) for line in printed for name in line}
    expected = {(type, name) for type in TYPES for name in
                set(EVERYWHERE) | set(documented(type)) | set(SCHEMA[type]["properties"])}
    assert expected - seen == NOT_YET | (set() if HAVE_WORLDS else {("process", "ns_pid")})


def test_every_word_that_is_documented_is_printed_or_is_said_why_not(printed):
    seen, expected = set(), set()
    for type, field, schema in [
            ("process", "action", SCHEMA["process"]["properties"]["action"]),
            ("process", "exit", SCHEMA["process"]["properties"]["exit"]),
            ("process", "coverage", SCHEMA["coverage"]),
            ("audit", "cat", SCHEMA["audit"]["properties"]["cat"]),
            ("lost", "reason", SCHEMA["lost"]["properties"]["reason"])]:
        expected |= {(field, word) for word in schema["enum"]}
        seen |= {(field, line[field]) for line in printed if line["type"] == type and field in line}
    seen |= {("enc", word) for line in printed for how in line.get("enc", {}).values()
             for word in how.split("+")}
    pattern = SCHEMA["enc"]["additionalProperties"]["pattern"]
    expected |= {("enc", word) for word in re.findall("[a-z]+", pattern)}
    missing = expected - seen - NOT_YET_VALUES
    assert not missing


def test_the_types_of_the_text_are_those_that_are_printed(printed):
    types = defaultdict(set)
    for line in printed:
        for name, value in line.items():
            types[line["type"], name].add(type(value))
    for (kind, name), found in types.items():
        declared = documented(kind).get(name) or EVERYWHERE[name]
        allowed = JSON_TYPES[declared]
        assert all(issubclass(t, allowed) and t is not bool for t in found), (kind, name, found)


def example(cell):
    return json.loads(re.fullmatch(r"`(.*)`", cell).group(1))


def test_the_examples_of_the_text_are_valid():
    """Of each field the example, where it is JSON, against the schema of that field."""
    import jsonschema
    n = 0
    for title in ["All lines"] + TYPES:
        for row in SECTIONS[title]:
            for name in re.findall(r"`(\w+)`", row[0]):
                if "..." in row[3] or not row[3].startswith("`"):
                    continue
                if name == "type":
                    continue  # each has its own
                for type in TYPES if title == "All lines" else [title]:
                    schema = SCHEMA[type]["properties"].get(name)
                    if schema is not None:
                        whole = dict(schema, **{"$defs": SCHEMA})
                        jsonschema.Draft202012Validator(whole).validate(example(row[3]))
                        n += 1
    assert n > 50


def keys_of_the_manual(verb):
    with open(os.path.join(harness.ROOT, "doc", "auditd-collect.1")) as file:
        section = re.split(r"^\.It Cm (?=list|events|top)", file.read(), flags=re.M)[
            {"list": 1, "events": 2}[verb]].split("\n.Sh ")[0]
    return set(re.findall(r"Li ([a-z_]\w*)", section))


def test_the_manual_names_every_field_of_the_verbs(tmp_path):
    python = harness.interpreters()[-1].path
    env = harness.environment(tmp_path, PYTHONPATH=os.path.join(harness.BUILD, "python"))
    target = subprocess.Popen([python, "-c", "import pyauditd, sys; pyauditd.start(); "
                               "print(flush=True); sys.stdin.read()", "\udcff"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=tmp_path)
    target.stdout.readline()
    rows = [json.loads(line) for line in subprocess.run(
        [harness.COLLECTOR, "list", "--format", "json"], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL).stdout.splitlines()]
    target.communicate(b"")
    [row] = [row for row in rows if row["pid"] == target.pid]
    assert set(row) | {"reader", "detail", "ns_pid"} == keys_of_the_manual("list") | {"reader"}
    rows = [json.loads(line) for line in subprocess.run(
        [harness.COLLECTOR, "events", "--format", "json"], stdout=subprocess.PIPE,
        check=True).stdout.splitlines()]
    names = {name for row in rows for name in row} | \
        {name for row in rows for argument in row["args"] for name in argument}
    assert names == keys_of_the_manual("events") - {"host", "port", "path"}
