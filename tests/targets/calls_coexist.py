# SPDX-License-Identifier: MIT
"""Other tools that look at calls, begun before pyauditd and after it. The last line printed says
what each tool saw, and which functions were called how often; without pyauditd on the path, it
says what a tool sees when it is alone.

    before   the tool begins, we begin, NAME_b runs, we end, NAME_c runs, the tool ends
    after    we begin, NAME_a runs, the tool begins, NAME_b runs, it ends, NAME_c runs, we end
"""
import calls_window  # first: what is imported from here on is not traced

import bdb
import cProfile
import json
import sys
import threading

N = 6  # calls of each function
SOURCE = """
def {name}(n):
    for x in numbers(2):
        len([x])
    if n == 3:
        try:
            [].pop()
        except IndexError:
            pass
    if n:
        n = {name}(n - 1)
    return n
def numbers(n):
    for x in range(n):
        yield x
"""


def is_ours(code):
    return code.co_filename.startswith("<case")


def program(name):
    scope = {}
    exec(compile(SOURCE.format(name=name), "<case %s>" % name, "exec"), scope)
    return lambda: scope[name](N - 1)


class Tool:
    def __init__(self):
        self.seen = []

    def run(self, body):
        self.begin()
        body()
        self.end()

    def result(self):
        return self.seen

    def note(self, frame, event, what):
        if is_ours(frame.f_code):
            self.seen.append([event, frame.f_code.co_name, what])


class CProfile(Tool):
    def begin(self):
        self.profiler = cProfile.Profile()
        self.profiler.enable()

    def end(self):
        self.profiler.disable()

    def result(self):
        return sorted([s.code.co_filename, s.code.co_name, s.callcount, s.reccallcount]
                      for s in self.profiler.getstats()
                      if not isinstance(s.code, str) and is_ours(s.code)) + [
            s.callcount for s in self.profiler.getstats() if "method 'pop' of 'list'" in str(s.code)]


class SetProfile(Tool):
    def see(self, frame, event, arg):
        self.note(frame, event, getattr(arg, "__name__", None))

    def begin(self):
        sys.setprofile(self.see)

    def end(self):
        assert sys.getprofile() == self.see
        sys.setprofile(None)


class AllThreads(SetProfile):
    """The function of threads that begin from now on."""
    def run(self, body):
        threading.setprofile(self.see)
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        threading.setprofile(None)


class SetTrace(Tool):
    def see(self, frame, event, arg):
        self.note(frame, event, frame.f_lineno)
        return self.see

    def begin(self):
        sys.settrace(self.see)

    def end(self):
        assert sys.gettrace() == self.see
        sys.settrace(None)


class Debugger(Tool):
    def run(self, body):
        tool = self

        class Bdb(bdb.Bdb):
            def user_line(self, frame):
                tool.note(frame, "line", frame.f_lineno)

            def user_exception(self, frame, info):
                tool.note(frame, "exception", info[0].__name__)
        Bdb().runcall(body)


class Monitoring(Tool):
    """Of sys.monitoring, from 3.12 on."""
    disables = False

    def free_ids(self):
        return [i for i in (3, 4) if not sys.monitoring.get_tool(i)]

    def begin(self):
        monitoring = sys.monitoring
        self.tool_id = self.free_ids()[0]
        monitoring.use_tool_id(self.tool_id, "another")
        self.events = 0
        for name in ("PY_START", "PY_RETURN", "PY_YIELD", "PY_RESUME", "LINE", "CALL", "RAISE"):
            event = getattr(monitoring.events, name)
            self.events |= event
            monitoring.register_callback(self.tool_id, event, self.callback(name))
        monitoring.set_events(self.tool_id, self.events)

    def callback(self, name):
        def see(code, *more):
            if is_ours(code):
                self.seen.append([name, code.co_name])
            return sys.monitoring.DISABLE if self.disables and name != "RAISE" else None
        return see

    def end(self):
        assert sys.monitoring.get_events(self.tool_id) == self.events
        sys.monitoring.set_events(self.tool_id, 0)
        sys.monitoring.free_tool_id(self.tool_id)


class Coverage(Monitoring):
    """Wants to see each place once, as coverage.py does."""
    disables = True

    def free_ids(self):
        return [sys.monitoring.COVERAGE_ID]

    def begin(self):
        super().begin()
        sys.monitoring.restart_events()

    def result(self):
        return sorted(set(map(tuple, self.seen)))


class OtherId(Monitoring):
    def free_ids(self):
        return super().free_ids()[::-1]


class BothIds(Monitoring):
    """Leaves us no id."""
    def begin(self):
        self.ids = self.free_ids()[1:]
        for i in self.ids:
            sys.monitoring.use_tool_id(i, "a third")
        super().begin()

    def end(self):
        super().end()
        for i in self.ids:
            sys.monitoring.free_tool_id(i)


TOOLS = [CProfile, SetProfile, AllThreads, SetTrace, Debugger]
if sys.version_info >= (3, 12):
    TOOLS += [Monitoring, OtherId, Coverage, BothIds]


def before(tool, name):
    first, second = program(name + "_b"), program(name + "_c")

    def body():
        calls_window.start()
        first()
        calls_window.stop()
        second()
    tool.run(body)


def after(tool, name):
    calls_window.start()
    program(name + "_a")()
    tool.run(program(name + "_b"))
    program(name + "_c")()
    calls_window.stop()


def main():
    results = {}
    calls_window.begin()
    calls_window.stop()
    for tool_class in TOOLS:
        for order in (before, after):
            name = "%s_%s" % (tool_class.__name__, order.__name__)
            tool = tool_class()
            order(tool, name)
            results[name] = tool.result()
            assert sys.getprofile() is None and sys.gettrace() is None
    print(json.dumps({"n": N, "results": results}))


if __name__ == "__main__":
    main()
