# SPDX-License-Identifier: MIT
"""What README.md and the manual show: their blocks, and how an output is compared with another."""
import collections
import os
import re

import harness

README = os.path.join(harness.ROOT, "README.md")
MANUAL = os.path.join(harness.ROOT, "doc", "auditd-collect.1")

# line: where it stands; name: of the file that its first line names, `# app.py`
Block = collections.namedtuple("Block", "line kind name text")


def readme_blocks():
    blocks, open_at, kind, lines = [], None, None, []
    with open(README) as file:
        for number, line in enumerate(file, 1):
            if not line.startswith("```"):
                lines.append(line)
            elif open_at is None:
                open_at, kind, lines = number, line.strip("`\n"), []
            else:
                name = re.match(r"# (\S+\.\S+|Dockerfile)\n", lines[0])
                blocks.append(Block(open_at, kind, name and name.group(1), "".join(lines)))
                open_at = None
    assert open_at is None, "README.md:%d: the block has no end" % open_at
    return blocks


def manual_examples():
    """The literal blocks of EXAMPLES, as they are printed."""
    with open(MANUAL) as file:
        section = file.read().split(".Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    return [text.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\") for text in
            re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", section, re.M | re.S)]


def steps(text):
    """A console block: [(command, its output)]"""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


# What differs from one run, machine and version of Python to the next.
CHANGES = [(re.compile(pattern, re.M), to) for pattern, to in [
    (r"\x1b\[[\d;]*m", ""),  # jq likes colours
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", "TIME"),
    (r"^\d\d:\d\d:\d\d\.\d{6} +\d+(/\d+)?", "TIME PID"),
    (r'"ts":\d+(\.\d+)?', '"ts":N'),
    (r'"(pid|ppid|tid|uid|seq)":\d+', r'"\1":N'),
    (r'"key":"[^"]*"', '"key":KEY'),
    (r'"python":"[^"]*"', '"python":VERSION'),
    (r"/[^ \"]*/lib/python3[.\d]*/", "LIB/"),
    (r"/[^ \",]*/bin/python3[.\d]*", "PYTHON"),
    (r'(LIB/[^"]*","line":)\d+', r"\1N"),
    # `list`: PID USER VERSION ... AGE
    (r"^ *\d+ +\w+ +3\.[\w.]+ +(\w+) +(\w+) +\d+ +\d+ +\d+ +(\d+) +(\w+) +\S+ +\d+[smhd]",
     r"PID USER VERSION \1 \2 \3 \4"),
    (r'"dur_ns":\d+', '"dur_ns":N'),
    # --summary: functions; numbers and shares
    (r"^ *(\d+) +\d+\.\d{3} +\d+\.\d{3} ", r"\1 MS MS "),
    (r"^ *\d+ +\d+\.\d% ", "N N% "),
    (r"^ *\d+ +(in \d+ process)", r"N \1"),
    # top: its first line, and rows of functions
    (r"^\d\d:\d\d:\d\d +(\d+ process\w*)(, \d+ ended)? .*", r"TIME \1\2 RATES"),
    (r"^ *[\d.kM]+ +(\d+) +\d+\.\d{6} +\d+\.\d{6} +\d+\.\d{3} ", r"RATE \1 S S US "),
    (r"[ \t]+", " "),
    (r"^ | $", ""),
]]


def normal(text):
    for pattern, to in CHANGES:
        text = pattern.sub(to, text)
    return text.splitlines()


def check_shown(shown, printed):
    """Each line that is shown was printed, in this order, but for rows that are sorted by time; some
    may have been left out."""
    printed = normal(printed)
    rest = iter(printed)
    for line in normal("\n".join(shown)):
        assert line in (printed if " MS " in line else rest), "not printed: %s\nprinted:\n%s" % (line, "\n".join(printed))
