# SPDX-License-Identifier: MIT
"""The stream against an oracle: Python's own sys.addaudithook in the same process.

Whatever the oracle saw between its two marks stands in the stream, per thread in the same order,
with the same arguments as doc/schema.md says they are written; and nothing else does.
"""
import collections
import json
import math
import re
import subprocess
import urllib.parse

import pytest

import harness

TEXT_LIMIT, ITEM_LIMIT, DEPTH_LIMIT = 4096, 64, 4
WHOLE_ROLES = {"path", "path2", "argv"}
SURROGATE = re.compile("[\ud800-\udfff]")
RECORD_ROOM = 60000  # an event whose values need less than this must be whole
PROGRAMS = ["files", "net", "procs", "inner", "threads", "values"]


class Mismatch(Exception):
    pass


def need(condition, *what):
    if not condition:
        raise Mismatch(" ".join(str(w) for w in what)[:3000])


def percent(raw, bad):
    """Bytes as ASCII and UTF-8, where those at the positions `bad`, and %, stand as %XX."""
    return b"".join(b"%%%02X" % byte if i in bad or byte == 0x25 else bytes((byte,))
                    for i, byte in enumerate(raw)).decode()


def bad_bytes(raw):
    """Positions of NUL and of what is not UTF-8."""
    bad, at = {i for i, byte in enumerate(raw) if byte == 0} if 0 in raw else set(), 0
    while at < len(raw):
        try:
            raw[at:].decode()
            break
        except UnicodeDecodeError as error:
            bad.update(range(at + error.start, at + error.end))
            at += error.end
    return bad


def shown_text(text):
    """How a str is written, and what "enc" says of it."""
    if "\0" not in text and not SURROGATE.search(text):
        return text, set()
    raw, bad = bytearray(), set()
    for c in text:
        point = ord(c)
        piece = bytes((point - 0xdc00,)) if 0xdc80 <= point <= 0xdcff \
            else c.encode("utf-8", "surrogatepass")
        if point == 0 or 0xd800 <= point <= 0xdfff:
            bad.update(range(len(raw), len(raw) + len(piece)))
        raw += piece
    return (percent(bytes(raw), bad), {"percent"}) if bad else (text, set())


def shown_bytes(raw):
    bad = bad_bytes(raw)
    return (percent(raw, bad), {"bytes", "percent"}) if bad else (raw.decode(), {"bytes"})


def utf8_size(text):
    return len(text.encode("utf-8", "surrogatepass"))


def size_of(form):
    """About what a value takes in a record."""
    kind = form[0]
    if kind == "str":
        return 13 + utf8_size(form[1])
    if kind == "bytes":
        return 13 + len(form[1]) // 2
    if kind in ("tuple", "list"):
        return 13 + sum(map(size_of, form[1]))
    if kind == "dict":
        return 13 + sum(size_of(k) + size_of(v) for k, v in form[1])
    return 600


class Comparison:
    """One line's args against the oracle's forms; uses up the notes of the line."""

    def __init__(self, line, forms):
        self.line, self.forms = line, forms
        self.enc = {k: set(v.split("+")) for k, v in line.get("enc", {}).items()}
        self.trunc = dict(line.get("trunc", {}))
        self.tight = sum(map(size_of, forms)) > RECORD_ROOM

    def cut(self, where, full, shown, limit, slack):
        """Was a truncation said, with the right length, and only where the limits ask for it?"""
        need(self.trunc.pop(where, None) == full, where, "is cut without a word:", shown, full)
        if not self.tight:
            need(limit is not None and limit - slack <= shown <= limit,
                 where, "was cut to", shown, "of", full)

    def text(self, value, where, form, whole):
        limit = None if whole else TEXT_LIMIT
        if form[0] == "str":
            full, show, size = form[1], shown_text, utf8_size
        else:
            full, show, size = bytes.fromhex(form[1]), shown_bytes, len
        need(type(value) is str, where, value)
        expected, notes = show(full)
        if value != expected:
            cut = self.cut_prefix(value, full, show)
            self.cut(where, len(full), size(cut), limit, 3)
            expected, notes = show(cut)
        need(value == expected, where, repr(value), "is not", repr(expected))
        need(self.enc.pop(where, set()) == notes, where, "enc is not", notes)

    @staticmethod
    def cut_prefix(value, full, show):
        """The beginning of `full` that is shown as `value`."""
        low, high = 0, len(full)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if len(show(full[:middle])[0]) < len(value) \
                else (low, middle)
        for n in range(max(0, low - 3), min(len(full), low + 3) + 1):
            if show(full[:n])[0] == value:
                return full[:n]
        raise Mismatch("no beginning of what it was: %.300r, %.300r" % (value, full))

    def number(self, value, where, n):
        if abs(n) < 2**53:
            need(type(value) is int and value == n, where, value, n)
        elif n.bit_length() // 8 + 1 > 512 or isinstance(value, dict) and self.tight:
            need(value == {"_type": "int", "bits": n.bit_length()}, where, value)
        else:
            need(value == str(n), where, value, n)
            need(self.enc.pop(where, None) == {"int"}, where, "has no enc")

    def float(self, value, where, x):
        if math.isfinite(x):
            need(type(value) is float and value == x
                 and math.copysign(1, value) == math.copysign(1, x), where, value, x)
        else:
            need(value == repr(x) and self.enc.pop(where, None) == {"float"}, where, value)

    def shape(self, value, where, form):
        kind, items = form[0], form[1] if form[0] != "bytes" else bytes.fromhex(form[1])
        need(value == {"_type": kind, "len": len(items)}, where, value)
        need(self.trunc.pop(where, None) == len(items), where, "not in trunc")

    def sequence(self, value, where, items, depth, whole):
        need(type(value) is list, where, value)
        if len(value) != len(items):
            self.cut(where, len(items), len(value), None if whole else ITEM_LIMIT, 0)
        need(len(value) <= len(items), where, value)
        for i, (v, form) in enumerate(zip(value, items)):
            self.value(v, "%s[%d]" % (where, i), form, depth + 1, whole)

    def dict(self, value, where, pairs, depth, whole):
        as_pairs = type(value) is dict and set(value) == {"_dict"} \
            and type(value["_dict"]) is list
        n = len(value["_dict"]) if as_pairs else len(value)
        if n != len(pairs):
            self.cut(where, len(pairs), n, None if whole else ITEM_LIMIT, 0)
            pairs = pairs[:n]
        plain = all(k[0] == "str" and k[1] not in ("_type", "_secret", "_dict") for k, _ in pairs)
        need(as_pairs or plain, where, value)
        # The keys of a JSON object must stay different: pairs are always right.
        for i, (k, v) in enumerate(pairs):
            if as_pairs:
                need(len(value["_dict"][i]) == 2, where, value)
                self.value(value["_dict"][i][0], "%s[%d][0]" % (where, i), k, depth + 1, whole)
                self.value(value["_dict"][i][1], "%s[%d][1]" % (where, i), v, depth + 1, whole)
            else:
                name, inner = list(value.items())[i]
                self.value(name, "%s[%d].key" % (where, i), k, depth + 1, whole)
                self.value(inner, "%s[%d]" % (where, i), v, depth + 1, whole)

    def value(self, value, where, form, depth=0, whole=False):
        kind = form[0]
        if kind == "none":
            need(value is None, where, value)
        elif kind == "bool":
            need(value is bool(form[1]), where, value)
        elif kind == "int":
            self.number(value, where, int(form[1]))
        elif kind == "float":
            self.float(value, where, float.fromhex(form[1]))
        elif kind == "ellipsis":
            need(value == {"_type": "ellipsis"}, where, value)
        elif kind == "object":
            module = "" if form[1] == "builtins" else form[1] + "."
            need(value in ({"_type": module + form[2]}, {"_type": form[1] + "." + form[2]},
                           {"_type": form[2]}), where, value, form)
        elif type(value) is dict and "_type" in value and (self.tight or depth >= DEPTH_LIMIT):
            self.shape(value, where, form)
        elif kind in ("str", "bytes"):
            self.text(value, where, form, whole)
        else:
            need(depth < DEPTH_LIMIT, where, "deeper than documented", value)
            if kind == "dict":
                self.dict(value, where, form[1], depth, whole)
            else:
                self.sequence(value, where, form[1], depth, whole)

    def secret(self, value, where, form):
        kind = form[0]
        if kind == "none":
            need(value is None, where, value)
            return
        lengths = {"str": lambda: len(form[1]), "bytes": lambda: len(form[1]) // 2,
                   "tuple": lambda: len(form[1]), "list": lambda: len(form[1]),
                   "dict": lambda: len(form[1])}
        expected = {"_secret": kind if kind in lengths or kind == "int" else "object"}
        if kind in lengths:
            expected["len"] = lengths[kind]()
        need(value == expected, where, value, "is not", expected)

    def run(self):
        row = harness.event_table().get(self.line["event"])
        names = [a.partition("@")[0] for a in row["args"]] if row else []
        args = self.line["args"]
        for i, form in enumerate(self.forms):
            name = names[i] if i < len(names) else "_%d" % i
            if i >= 255 or name not in args:
                need(i >= 255 or self.tight, name, "is missing")
                need(self.trunc.pop("args", None) == len(self.forms), "args not in trunc")
                need(len(args) == i, "more args than were")
                break
            where = "args." + name
            if row and name in row["secret"]:
                self.secret(args[name], where, form)
            else:
                whole = bool(row) and row["roles"].get(name) in WHOLE_ROLES
                self.value(args[name], where, form, 0, whole)
        else:
            need(len(args) == len(self.forms), "too many args", args)
        self.roles(row, names)
        left = [k for k in list(self.enc) + list(self.trunc) if k.startswith("args")]
        need(not left, "notes that nothing accounts for:", left)

    def roles(self, row, names):
        """The top-level fields say what the arguments with a role say."""
        args, notes = self.line["args"], self.line.get("enc", {})
        expected = {}
        for name, form in zip(names, self.forms):
            role, kind, value = row["roles"].get(name), form[0], args.get(name)
            if role == "url" and kind in ("str", "bytes"):
                parts = urllib.parse.urlsplit(value)
                if parts.scheme in ("http", "https", "ftp"):
                    need(self.line.get("host") == parts.hostname, "host", self.line)
                    expected["host"] = None
                    port = parts.port or {"http": 80, "https": 443, "ftp": 21}[parts.scheme]
                    expected["port"] = port
            elif role == "address" and kind in ("str", "bytes"):
                expected["path"] = name
            elif role == "address" and kind in ("tuple", "list") and len(form[1]) >= 2 and \
                    form[1][0][0] in ("str", "bytes") and form[1][1][0] == "int":
                need(self.line.get("host") == value[0], "host", self.line)
                expected["host"] = None
                if 0 <= value[1] <= 65535:
                    expected["port"] = value[1]
            elif role in ("path", "path2", "host") and kind in ("str", "bytes"):
                expected[role] = name
            elif role in ("path", "fd") and kind == "int":
                expected.setdefault("fd", int(form[1]))
            elif role == "port" and self.is_port(form):
                expected[role] = int(form[1])
            elif role == "argv" and kind in ("list", "tuple"):
                self.argv(value, form[1])
                expected["argv"] = None
            elif role == "argv" and kind in ("str", "bytes"):
                need(self.line.get("argv") == [value], "argv", self.line.get("argv"))
                expected["argv"] = None
        for field in ("path", "path2", "fd", "host", "port", "argv"):
            name = expected.get(field, 0)
            if field not in expected:
                need(field not in self.line, field, "stands there for nothing")
            elif isinstance(name, str):
                need(self.line.get(field) == args[name], field, self.line.get(field), args[name])
                enc = set(notes.get("args." + name, "").split("+"))
                need(set(notes.get(field, "").split("+")) == enc, field, "enc", notes)
            elif name is not None:
                need(self.line.get(field) == name, field, self.line.get(field), name)

    @staticmethod
    def is_port(form):
        digits = form[1] if form[0] in ("int", "str") else ""
        return digits.isascii() and digits.isdigit() and int(digits) <= 65535

    def argv(self, value, forms):
        argv = self.line["argv"]
        need(len(argv) == len(value), "argv", argv)
        for i, (shown, v, form) in enumerate(zip(argv, value, forms)):
            if form[0] in ("str", "bytes"):
                need(shown == v, "argv", i, shown, v)
            else:
                need(shown == "<%s>" % v["_type"] if form[0] == "object" else True, shown, v)
                need(self.line["enc"].get("argv[%d]" % i) == "type", self.line["enc"])


def window(lines):
    """The audit lines between the marks, marks included."""
    names = [line["event"] for line in lines]
    assert names.count("pyauditd.test.begin") == names.count("pyauditd.test.end") == 1, \
        collections.Counter(names).most_common(20)
    return lines[names.index("pyauditd.test.begin"):names.index("pyauditd.test.end") + 1]


def by_thread(rows):
    threads = collections.defaultdict(list)
    for tid, row in rows:
        threads[tid].append(row)
    return threads


def name_shown(event):
    """An event's name, which is a C string to the hook."""
    return shown_text(event)[0]


def compare(lines, log):
    seen = by_thread((line["tid"], line) for line in window(lines))
    said = by_thread((tid, (event, forms)) for tid, event, forms in log)
    assert {t: len(v) for t, v in seen.items()} == {t: len(v) for t, v in said.items()} or \
        first_difference(seen, said)
    for tid, rows in said.items():
        for i, ((event, forms), line) in enumerate(zip(rows, seen[tid])):
            shown = name_shown(event)
            assert line["event"] == shown or line["event"] in shown and len(event) > 4096, \
                "event %d of thread %d is %r, not %r" % (i, tid, line["event"], event)
            try:
                Comparison(line, forms).run()
            except Mismatch as error:
                pytest.fail("%s: %s\nthe line: %.1500s\nthe oracle: %.1500s" % (
                    shown[:80], error, line, forms))


def first_difference(seen, said):
    for tid in set(seen) | set(said):
        a = [line["event"] for line in seen.get(tid, [])]
        b = [name_shown(event) for event, _ in said.get(tid, [])]
        i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        if a != b:
            raise AssertionError("thread %d: %d events, the oracle has %d; from number %d on\n"
                                 "stream %s\noracle %s" % (tid, len(a), len(b), i,
                                                           a[i:i + 8], b[i:i + 8]))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_stream_says_what_the_oracle_saw(python, program, tmp_path):
    run = harness.collect([python.path, harness.target(program + ".py")], tmp_path,
                          ["-e", "all", "--no-redact"], {"PYAUDITD_RING": "64m"},
                          input=b"typed\n", status=7 if program == "procs" else 0)
    main = run.of_type("process", action="start", coverage="site")[0]
    assert re.fullmatch(r"%s\.\d+.*" % re.escape(python.name.rstrip("t")), main["python"]), main
    compare(run.events(key=main["key"]), harness.oracle_log(tmp_path, main["pid"]))


def numbers_in(value):
    """Every number of a line, in order."""
    if isinstance(value, dict):
        return [n for key in sorted(value) for n in numbers_in(value[key])]
    if isinstance(value, list):
        return [n for item in value for n in numbers_in(item)]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return [float(value)] if is_number else []


def test_jq_reads_every_number_as_it_was(tmp_path):
    """jq has doubles only: what does not fit one must stand there as a string."""
    python = harness.interpreters()[-1]
    run = harness.collect([python.path, harness.target("values.py")], tmp_path,
                          ["-e", "all", "--no-redact"], {"PYAUDITD_RING": "64m"})
    with open(tmp_path / "out.jsonl", "rb") as f:
        done = subprocess.run(["jq", "-c", "."], stdin=f, stdout=subprocess.PIPE, check=True)
    echoed = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(echoed) == len(run.lines) > 5000
    for line, again in zip(run.lines, echoed):
        assert numbers_in(line) == numbers_in(again), line
        for number in re.findall(r'[:\[,](-?\d+)(?=[,\]}])', json.dumps(line, separators=(",", ":"))):
            assert abs(int(number)) < 2**53, line
