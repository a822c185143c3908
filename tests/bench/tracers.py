# SPDX-License-Identifier: MIT
"""The tracers that the benchmarks of calls compare, each by the name of its side.

none                                  nothing
set-profile                           PyEval_SetProfile, with a function in C that does nothing
monitoring:TYPE:CALLS                 callbacks for sys.monitoring that do nothing; TYPE is
                                      function (built-in), own (a type with tp_vectorcall), or
                                      least (the same, with a look at the clock and 8 bytes)
evaluator                             a frame evaluator that does the same at call and return
ours:BACKEND:LEVEL:CALLS[:GLOB]       pyauditd; GLOB are the functions that are wanted
cprofile:CALLS  viztracer:CALLS  trace0
CALLS is py, Python functions alone, or c, built-in functions too.

start() returns a function that stops it. It raises Missing where the tracer cannot be had, with
the reason.
"""
import os
import sys


class Missing(Exception):
    pass


def start(side, folder, **settings):
    """Start a side in this process. What it writes goes into `folder`."""
    name, _, options = side.partition(":")
    options = options.split(":") if options else []
    return {"none": lambda *_: lambda: None, "set-profile": set_profile, "monitoring": monitoring,
            "evaluator": evaluator, "ours": ours, "cprofile": cprofile, "viztracer": viztracer,
            "trace0": trace0}[name](folder, *options, **settings)


def set_profile(folder):
    import noop_calls
    noop_calls.set_profile(True)
    return lambda: noop_calls.set_profile(False)


def monitoring(folder, kind, calls):
    if not hasattr(sys, "monitoring"):
        raise Missing("sys.monitoring is of 3.12")
    import noop_calls
    callback = {"function": noop_calls.function, "own": noop_calls.callback,
                "least": noop_calls.least}[kind]
    monitor, tool, wanted = sys.monitoring, 4, 0
    names = ["PY_START", "PY_RESUME", "PY_THROW", "PY_RETURN", "PY_YIELD", "PY_UNWIND"]
    monitor.use_tool_id(tool, "no-op")
    for name in names + (["CALL", "C_RETURN", "C_RAISE"] if calls == "c" else []):
        event = getattr(monitor.events, name)
        monitor.register_callback(tool, event, callback)
        wanted |= event
    monitor.set_events(tool, wanted)

    def stop():
        monitor.set_events(tool, 0)
        monitor.free_tool_id(tool)
    return stop


def evaluator(folder):
    import noop_calls
    noop_calls.set_evaluator(True)
    return lambda: noop_calls.set_evaluator(False)


def ours(folder, backend, level, calls, glob=None, mode="overwrite", ring_bytes=4 << 20):
    try:
        import pyauditd
        pyauditd.start(events="all=off", calls=glob or True, c_calls=calls == "c",
                       backend=backend, calls_level=level, mode=mode, ring_bytes=ring_bytes)
    except (ImportError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise Missing("%s: %s" % (type(error).__name__, error))

    def stop():
        pyauditd.stop()
        segment = pyauditd.status()["segment"]
        if segment and os.path.exists("/dev/shm" + segment):  # overwrite mode leaves it there
            os.unlink("/dev/shm" + segment)
    return stop


def cprofile(folder, calls):
    import cProfile
    profile = cProfile.Profile(builtins=calls == "c")
    profile.enable()
    return profile.disable


def imported(name):
    try:
        return __import__(name)
    except ImportError as error:
        raise Missing(os.environ.get("BENCH_NO_" + name.upper()) or str(error))


def viztracer(folder, calls):
    """Into its own ring, of a million entries unless it is told otherwise. Nothing is saved."""
    tracer = imported("viztracer").VizTracer(verbose=0, ignore_c_function=calls == "py",
                                             output_file=folder + "/viztracer.json")
    tracer.start()
    return tracer.stop


def trace0(folder):
    """As it comes: a thread of its own writes a file meanwhile. Its flight recorder costs the
    same."""
    path = folder + "/trace0.pb"
    tracer = imported("trace0").Tracer(path, trace_subprocesses=False)
    tracer.__enter__()

    def stop():
        tracer.__exit__(None, None, None)
        os.unlink(path)
    return stop
