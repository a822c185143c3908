# SPDX-License-Identifier: MIT
"""Lines of calls and returns, put together again: per thread, what was open when.

Every walk through a thread checks what holds of any: a return ends the innermost open call, the
depth is right, a call whose beginning was seen has a time, and one takes no less than those in it.
"""
import collections
import os

import harness

SINCE = {"profile": 8, "monitoring": 12, "eval": 9}
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))

Case = collections.namedtuple("Case", "python backend")


def cases(backends=tuple(SINCE), minors=None):
    """Each back end on each interpreter that has it. With minors, on these alone, except in
    tests/long/calls."""
    return [Case(python, backend) for python in harness.interpreters() for backend in backends
            if python.minor >= SINCE[backend] and (LONG or not minors or python.minor in minors)]


def name_of(case):
    return "%s-%s" % (case.python.name, case.backend)


class Open:
    """A call that is open; `inner_ns`: what those in it took."""

    def __init__(self, line):
        self.line, self.inner_ns, self.n_inner = line, 0, 0
        self.is_c = line["kind"] == "c"


class Thread:
    """The calls and returns of one thread, in their order."""

    def __init__(self, lines, gaps=False):
        """gaps: calls were left out on purpose, so depths jump."""
        self.gaps, self.open, self.base = gaps, [], None
        self.rows = [(line, self.step(line)) for line in lines]

    def step(self, line):
        """What the line is about: the Open call that it begins or ends, or None where its
        beginning was not seen; and the one around it, or None."""
        if line["type"] == "call":
            return self.begin(line)
        return self.end(line)

    def begin(self, line):
        depth = len(self.open)
        if self.gaps:
            assert not self.open or line["depth"] > self.open[-1].line["depth"], line
        else:
            self.base = line["depth"] - depth if self.base is None else self.base
            assert line["depth"] == self.base + depth, (self.base, depth, line)
        around = self.open[-1] if self.open else None
        self.open.append(Open(line))
        return self.open[-1], around

    def end(self, line):
        if not self.open:
            assert "dur_ns" not in line, line
            self.base = None
            return None, None
        call = self.open.pop()
        assert (line["func"], line["kind"] == "c") == (call.line["func"], call.is_c), \
            "this ends:\n%r\nwhere this is open:\n%r\nin\n%r" % (
                line, call.line, [c.line["func"] for c in self.open])
        assert (line["how"] in ("c_return", "c_exception")) == call.is_c, line
        # Each time is rounded to a nanosecond.
        assert line["dur_ns"] >= call.inner_ns - call.n_inner - 1, (line, call.inner_ns)
        around = self.open[-1] if self.open else None
        if around:
            around.inner_ns += line["dur_ns"]
            around.n_inner += 1
        return call, around


def by_thread(lines):
    threads = collections.defaultdict(list)
    for line in lines:
        if line["type"] in ("call", "return"):
            threads[line["tid"]].append(line)
    return threads


def parts(lines, names, file):
    """The lines from the call of each of these functions to its return, by name."""
    found, name, depth = {}, None, 0
    for line in lines:
        begins = line["type"] == "call"
        if name is None:
            if not (begins and line["func"] in names and line["file"] == file):
                continue
            name = line["func"]
            found[name] = []
        found[name].append(line)
        depth += 1 if begins else -1
        if depth == 0:
            name = None
    assert name is None, "%s does not end" % name
    return found


def is_c(line):
    return line["kind"] == "c"


def full_name(line):
    return "%s.%s" % (line["module"], line["func"])


def rows(lines, own):
    """What the oracle of tests/targets/calls_oracle.py says, from the stream: events of the
    functions in own files, and of the C functions that they call."""
    found = []
    for line, (call, around) in Thread(lines).rows:
        begins = line["type"] == "call"
        home = around if is_c(line) else call
        if home is None or home.is_c or not own(home.line["file"]):
            continue
        if is_c(line):
            found.append(["c_call" if begins else line["how"], full_name(call.line)])
        elif begins:
            found.append(["call", line["kind"], line["func"], line["line"]])
        else:
            found.append(["return", "py", line["func"], line["how"]])
    return found


def agree(said, seen):
    """Two rows of an oracle and of the stream."""
    if said[0] == "return" and said[3] == "?" and seen[3:] in (["yield"], ["unwind"]):
        return said[:3] == seen[:3]
    if said[0] == "call" and said[1] == "?" and seen[1] in ("py", "resume"):
        return (said[0], said[2:]) == (seen[0], seen[2:])
    return said == seen


def compare(said, seen, where):
    for i, (a, b) in enumerate(zip(said, seen)):
        assert agree(a, b), difference(said, seen, i, where)
    assert len(said) == len(seen), difference(said, seen, min(len(said), len(seen)), where)


def difference(said, seen, i, where):
    return "%s: %d events, the oracle has %d; from number %d on\noracle %s\nstream %s\nafter  %s" % (
        where, len(seen), len(said), i, said[i:i + 8], seen[i:i + 8], said[max(0, i - 6):i])
