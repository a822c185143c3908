# SPDX-License-Identifier: MIT
"""Lines of calls and returns, put together again: per thread and greenlet, what was open when.

Every walk through a thread checks what holds of any: a return ends the innermost open call, the
depth is right, a call whose beginning was seen has a time, and one takes no less than those in it.
"""
import collections
import json
import os

import harness

SINCE = {"profile": 8, "monitoring": 12, "eval": 9}
LONG = bool(os.environ.get("PYAUDITD_TEST_LONG"))

Case = collections.namedtuple("Case", "python backend")


def has(python, backend):
    return backend == "monitoring" if harness.free_threaded(python) else \
        python.minor >= SINCE[backend]


CASES = [Case(python, backend) for python in harness.interpreters() for backend in SINCE
         if has(python, backend)]


def name_of(case):
    return "%s-%s" % (case.python.name, case.backend)


def parametrize(metafunc):
    """A module's pytest_generate_tests: what asks for `case` runs for each back end on each
    interpreter, or what @on says."""
    if "case" in metafunc.fixturenames:
        chosen = getattr(metafunc.function, "chosen", CASES)
        metafunc.parametrize("case", chosen, ids=map(name_of, chosen), scope="module")


def on(minors=range(99), backends=SINCE):
    """For these back ends, which the test is about, on enough interpreters for `make check`:
    tests/long/calls has them all."""
    def mark(function):
        function.chosen = [case for case in CASES if case.backend in backends and
                           (LONG or case.python.minor in minors)]
        return function
    return mark


def one_each(function):
    """For one back end of each interpreter."""
    function.chosen = [next(case for case in CASES if case.python == python)
                       for python in harness.interpreters()]
    return function


def trace(case, tmp, program, *words, options=(), calls="--calls", env=None, **more):
    """A target with --calls; the Run, its `said` what the target's last line says."""
    run = harness.collect([case.python.path, harness.target(program), *words], tmp,
                          ["-e", "custom:calls.mark", calls, "--calls-backend", case.backend, *options],
                          env, **more)
    lines = run.stdout.splitlines()
    run.said = json.loads(lines[-1]) if lines else None
    return run


class Open:
    """A call that is open; `inner_ns`: what those in it took."""

    def __init__(self, line):
        self.line, self.inner_ns, self.n_inner = line, 0, 0
        self.is_c = line["kind"] == "c"


class Thread:
    """The calls and returns of one thread, or of one greenlet of it, in their order."""

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


def by_greenlet(lines):
    greenlets = collections.defaultdict(list)
    for line in lines:
        if line["type"] in ("call", "return"):
            greenlets[line["tid"], line.get("greenlet", 0)].append(line)
    return greenlets


def behind_mark(lines):
    """What follows a target's sys.audit("calls.mark"); all of it where there is none."""
    for i in reversed(range(len(lines))):
        if lines[i].get("event") == "calls.mark":
            lines = lines[i + 1:]
            # The C function that made the mark returns.
            return lines[1:] if lines and lines[0].get("func") == "audit" else lines
    return lines


def parts(lines, names, file):
    """The lines from the call of each of these functions to its return, by name."""
    found, name, depth = {}, None, 0
    for line in lines:
        begins = line["type"] == "call"
        if name is None:
            if not (begins and line["func"] in names and line.get("file") == file):
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


def without(rows, names):
    """The rows without calls of functions of these names, and what is called in them."""
    kept, depth = [], 0
    for row in rows:
        begins = row[0] in ("call", "c_call")
        if depth or begins and row[2 if row[0] == "call" else 1].rpartition(".")[2] in names:
            depth += 1 if begins else -1
        else:
            kept.append(row)
    return kept


def without_closing(rows):
    """The rows without resumptions in which nothing is called, and which end by an exception."""
    kept = []
    for row in rows:
        if kept and row[0] == "return" and row[3] in ("?", "unwind") and \
                kept[-1][:3] == ["call", "resume", row[2]]:
            kept.pop()
        else:
            kept.append(row)
    return kept
