# SPDX-License-Identifier: MIT
"""What a fork child has of its parent's tracing of calls, before it has raised an event."""
from collections import Counter

import calls
import harness

pytest_generate_tests = calls.parametrize

# What is due every 300 ms comes up at the event of os.fork() itself, and is done in the child.
DUE = """import os, time
def work(): pass
time.sleep(0.7)
pid = os.fork()
if pid == 0:
    for _ in range(10): work()
    os._exit(0)
os.waitpid(pid, 0)
work()
"""

# Who has our place in the parent has it in the child.
TAKEN = {
    "profile": "sys.setprofile(lambda *a: None)",
    "monitoring": """
for tool in 3, 4:
    if sys.monitoring.get_tool(tool): sys.monitoring.free_tool_id(tool)
    sys.monitoring.use_tool_id(tool, "other")
sys.monitoring.register_callback(3, sys.monitoring.events.PY_START, lambda *a: None)""",
}
EVICTED = """import os, sys, time
%s
for _ in range(8): time.sleep(0.05); open("/dev/null").close()
pid = os.fork()
if pid == 0:
    for _ in range(8): time.sleep(0.05); open("/dev/null").close()
    os._exit(0)
os.waitpid(pid, 0)
"""


def trace(case, tmp_path, program, *options):
    return harness.collect([case.python.path, "-c", program], tmp_path, [
        "--calls", "--calls-backend", case.backend, "-e", "open,os.fork", *options])


@calls.on(minors=(8, 11, 13, 15))
def test_what_is_due_at_the_fork_is_done_in_the_child(case, tmp_path):
    run = trace(case, tmp_path, DUE)
    seen = Counter(line["key"] for line in run.of_type("call") if line["func"] == "work")
    assert sorted(seen.values()) == [1, 10]


@calls.on(minors=(8, 11, 12, 13, 15), backends=("profile", "monitoring"))
def test_child_says_too_that_another_tool_has_our_place(case, tmp_path):
    run = trace(case, tmp_path, EVICTED % TAKEN[case.backend], "--no-c-calls")
    said = Counter(line["key"] for line in run.of_type("notice") if line["what"] == "evicted")
    assert len(said) == 2, run.of_type("notice")
