# SPDX-License-Identifier: MIT
"""The oracle: cProfile, and a recorder of calls in Python (sys.setprofile), in this process.

It knows nothing of pyauditd. What it saves, as JSON:

    threads   per thread a list of events, of the frames of the program's own code and the C
              functions that they call:
                  ["call", kind, name, line]  kind is py, resume, or ? where something is
                                              thrown into a generator that did not begin yet
                  ["return", "py", name, how] how is return, yield, unwind, or ? where it could
                                              be a `yield None` or an exception
                  ["c_call", name] ["c_return", name] ["c_exception", name]
    counts    [[name, line], calls, primitive] as cProfile has it
    c_counts  [text, calls] of C functions, from wherever
    begins    as counts, without the third, by a tool of sys.monitoring that asks for beginnings
              only; null before 3.12. Since 3.14, the close() of a generator that has nothing to
              do is no call of it unless a tool asks for exceptions; on 3.13 it never is one
    limit     how many calls there were room for, under cProfile

A name is qualified where code objects know theirs, from 3.11 on. C functions are named by the
class that defines them, as cProfile does.
"""
import cProfile
import dis
import json
import sys
import threading
import types
from _thread import get_native_id

RESUME = dis.opmap.get("RESUME")
IS_GENERATOR = 0x20 | 0x80 | 0x200  # of co_flags: generators, coroutines, both
BEGIN_OR_RESUME = 3  # bits of RESUME's argument: 0 is a beginning
RETURNS = {dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap}
YIELDS = {dis.opmap[name] for name in ("YIELD_VALUE", "YIELD_FROM", "RESUME", "SEND")
          if name in dis.opmap}
YIELD_FROM = bytes([dis.opmap.get("YIELD_FROM", 0)])
NAME = "co_qualname" if sys.version_info >= (3, 11) else "co_name"

records = []  # (thread, event), of all threads
own_file = sys.modules["__main__"].__file__


def is_own(file):
    return file == own_file or file.startswith("<made")


def kind_of_call(code, last):
    """Has the frame run before? A throw() comes to it where it was."""
    if RESUME is None:
        return "resume" if last >= 0 else "py" if code.co_flags & IS_GENERATOR == 0 else "?"
    at = code.co_code[last:last + 2]
    if at[0] == RESUME:
        return "resume" if at[1] & BEGIN_OR_RESUME else "py"
    return "resume" if at[0] in YIELDS else "?"


def how_it_ended(code, last, value):
    op = code.co_code[last] if last >= 0 else None
    if RESUME is None and code.co_code[last + 2:last + 3] == YIELD_FROM:
        op = YIELD_FROM[0]  # it will be executed again
    if op in RETURNS:
        return "return"
    if op in YIELDS:
        return "?" if value is None else "yield"
    return "unwind"


def c_name(function):
    this = function.__self__
    if this is None or isinstance(this, types.ModuleType):
        return "%s.%s" % (function.__module__, function.__name__)
    kind = this if isinstance(this, type) else type(this)
    for base in type.__dict__["__mro__"].__get__(kind):
        if function.__name__ in type.__dict__["__dict__"].__get__(base):
            return "%s.%s.%s" % (base.__module__, base.__qualname__, function.__name__)
    return "%s.%s.%s" % (kind.__module__, kind.__qualname__, function.__name__)


def recorder(frame, event, arg):
    code = frame.f_code
    if not is_own(code.co_filename):
        return
    if event == "call":
        row = ["call", kind_of_call(code, frame.f_lasti), getattr(code, NAME),
               code.co_firstlineno]
    elif event == "return":
        row = ["return", "py", getattr(code, NAME), how_it_ended(code, frame.f_lasti, arg)]
    else:
        row = [event, c_name(arg)]
    records.append((get_native_id(), row))


def record(body):
    """Run it under the recorder; what it says, per thread in the order of their beginnings."""
    del records[:]
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    body()
    sys.setprofile(None)
    threading.setprofile(None)
    threads = {}
    for thread, row in records:
        threads.setdefault(thread, []).append(row)
    return list(threads.values())


def profile(body):
    """Run it under cProfile; what it says of our own functions, and of C functions."""
    profiler = cProfile.Profile()
    profiler.enable()
    body()
    profiler.disable()
    own, c = [], []
    for entry in profiler.getstats():
        primitive = entry.callcount - entry.reccallcount
        if isinstance(entry.code, str):
            c.append([entry.code, entry.callcount])
        elif is_own(entry.code.co_filename):
            own.append([[getattr(entry.code, NAME), entry.code.co_firstlineno],
                        entry.callcount, primitive])
    return own, c


def begins(body):
    """Run it under sys.monitoring, where it is."""
    if not hasattr(sys, "monitoring"):
        return None
    monitoring, counts = sys.monitoring, {}
    events = (monitoring.events.PY_START, monitoring.events.PY_RESUME, monitoring.events.PY_THROW)

    def seen(code, *more):
        if is_own(code.co_filename):
            key = getattr(code, NAME), code.co_firstlineno
            counts[key] = counts.get(key, 0) + 1
    monitoring.use_tool_id(4, "oracle")
    for event in events:
        monitoring.register_callback(4, event, seen)
    monitoring.set_events(4, events[0] | events[1] | events[2])
    body()
    monitoring.set_events(4, 0)
    monitoring.free_tool_id(4)
    return [[key, n] for key, n in counts.items()]


def save(path, body, body_with_threads, limit):
    [main] = record(body)
    threads = record(body_with_threads)
    counts, c_counts = profile(body)
    entered = []
    profile(lambda: entered.append(limit()))
    with open(path, "w") as f:
        json.dump({"main": main, "threads": threads, "counts": counts, "c_counts": c_counts,
                   "begins": begins(body),
                   "limit": entered[0]}, f)
