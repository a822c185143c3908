# SPDX-License-Identifier: MIT
"""Another tool takes our place in a way that raises no audit event. argv: how, of HOW."""
import ctypes
import json
import sys

from calls_ten import call_ten_times, raise_events


def our_id():
    return [i for i in range(6) if sys.monitoring.get_tool(i) == "pyauditd"][0]


def take_events():
    sys.monitoring.set_events(our_id(), 0)


def free_id():
    sys.monitoring.free_tool_id(our_id())


def take_id():
    taken = our_id()
    sys.monitoring.free_tool_id(taken)
    sys.monitoring.use_tool_id(taken, "another")
    sys.monitoring.set_events(taken, sys.monitoring.events.PY_START)


class Evaluator:
    """Of frames: CPython's own instead of ours, and ours again."""
    def __init__(self):
        api = ctypes.pythonapi
        self.main = ctypes.c_void_p(ctypes.cast(api.PyInterpreterState_Main, ctypes.CFUNCTYPE(
            ctypes.c_void_p))())
        self.set = api._PyInterpreterState_SetEvalFrameFunc
        self.set.argtypes, self.set.restype = [ctypes.c_void_p, ctypes.c_void_p], None
        get = api._PyInterpreterState_GetEvalFrameFunc
        get.argtypes, get.restype = [ctypes.c_void_p], ctypes.c_void_p
        self.ours = get(self.main)

    def take(self):
        self.set(self.main, ctypes.cast(ctypes.pythonapi._PyEval_EvalFrameDefault,
                                        ctypes.c_void_p))

    def give_back(self):
        self.set(self.main, self.ours)


def main(how):
    evaluator = Evaluator() if how == "evaluator" else None
    call_ten_times("before")
    {"events": take_events, "free": free_id, "id": take_id,
     "evaluator": evaluator and evaluator.take}[how]()
    call_ten_times("meanwhile")
    raise_events()
    call_ten_times("after")
    if evaluator:
        evaluator.give_back()
        raise_events()
        call_ten_times("again")
    import pyauditd
    pyauditd.stop()
    tools = [sys.monitoring.get_tool(i) for i in (3, 4)] if not evaluator else []
    print(json.dumps({"tools": tools}))


main(sys.argv[1])
