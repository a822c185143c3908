# SPDX-License-Identifier: MIT
"""Say what this program does, event by event, to auditd-collect in another process.

    import pyauditd
    pyauditd.start()

This and the other files of the package are read by every Python that meets them on its path, so
they parse on 2.7 too, and are imported in each traced process, so they import nothing costly.
"""
import os
import sys

__all__ = ["start", "status", "stop"]


def start(events="", stack=1, ring_bytes=4 << 20, mode="drop", calls=False, c_calls=True,
          backend="auto", calls_level="record", calls_file="", max_depth=0, block_ms=100):
    """Start tracing this process; while it is traced, change all but `ring_bytes` and `mode`.

    What `auditd-collect` was told stands, while it reads this process or if it started it: these are
    the settings that it leaves open, and those for when it has gone.

    events      what to record, as `auditd-collect --events` has it: names, globs and categories
                ("open,@net"), changes to the default ("+import,-exec,os.scandir=record"), "all".
                "" is the default, which `auditd-collect events` lists.
    stack       frames of context per event, 0 to 64.
    ring_bytes  size of the ring in bytes, a power of two from 256 KiB to 1 GiB. It gets smaller
                where /dev/shm has little room.
    mode        when the ring is full: "drop" the newest events, "overwrite" the oldest, or
                "block", which waits a bounded time for a collector.
    block_ms    how long an event waits for room then, in milliseconds, 0 to 600000. After one wait
                in vain events are dropped until the collector moves again.

    calls       trace calls and returns too: True, or only those of Python functions that match a
                glob, or several ("json.*,Parser.feed"), in module.function, function or module.
    c_calls     those of C functions, too.
    backend     "monitoring" (3.12 and later), "profile", "eval" (3.9 and later; no C functions),
                or "auto": the first of them that there is.
    calls_level "record" each call and return, "count" the calls of each function, or "stats":
                count them and sum up their time.
    calls_file  only functions of these files or folders ("/srv/app,util.py"), or not of those
                with a minus before them; "stdlib" is the standard library: "-stdlib".
    max_depth   of calls inside one another, only the outermost so many of each thread; 0: all.

    Raises ImportError where there is no hook for this interpreter, TypeError or ValueError for a
    bad setting, OSError (with errno) where there is no shared memory, RuntimeError where another
    audit hook refuses ours, in a sub-interpreter if the main one has not started it, and for
    another mode or ring than those that it was started with (the defaults leave them as they are).
    The program may catch any of them and go on: nothing has changed then.
    Does nothing at all where the environment says PYAUDITD=0.
    """
    if os.environ.get("PYAUDITD") != "0":
        _start(_load_hook(), "api", events=events, stack=stack, ring_bytes=ring_bytes, mode=mode,
               calls=calls, c_calls=c_calls, backend=backend, calls_level=calls_level,
               calls_file=calls_file, max_depth=max_depth, block_ms=block_ms)


def stop():
    """Stop tracing this process. What was recorded stays there to be read. Never raises."""
    hook = sys.modules.get(__name__ + "._hook")
    if hook:
        hook.stop()


def status():
    """Tell, as a dict, what is traced; also where nothing is. Never raises.

    running     is the process traced now?
    segment     name of its shared memory ("/pyauditd.1000.4242.7f3a"), or None
    coverage    since when it was: "full", "site", "startup", "attach", "api", or "none"
    attempted   events seen; the sum of the next three
    counted     events that were only counted
    recorded    events written to the ring
    lost        dict of the others: events by the reason why they were not written
    mode        when the ring is full: "drop", "overwrite" or "block"
    ring_bytes  size of the ring in bytes
    calls       what becomes of calls: "record", "stats", "count", or None
    backend     what sees them: "profile", "monitoring", "eval", or None
    """
    try:
        return _load_hook().status()
    except ImportError:
        return {"running": False, "segment": None, "coverage": "none", "attempted": 0,
                "counted": 0, "recorded": 0, "lost": {}, "mode": "drop", "ring_bytes": 0,
                "calls": None, "backend": None}


def _load_hook():
    try:
        import pyauditd._hook as hook
        return hook
    except ImportError as error:
        # Python 2 has no name; there is no hook for it, so what is missing is the file.
        if getattr(error, "name", __name__ + "._hook") != __name__ + "._hook" \
                or getattr(error, "path", None):
            raise
    free_threaded = "t" if "t" in getattr(sys, "abiflags", "") else ""
    raise ImportError("no hook for %s %d.%d%s in %s" % (
        (sys.implementation.name if hasattr(sys, "implementation") else "python",)
        + sys.version_info[:2] + (free_threaded, os.path.dirname(__file__))))


def _start(hook, coverage, **settings):
    hook.start(
        coverage=coverage,
        # A frame in here is the library's, not the program's. No other module's place will do:
        # they may be frozen or lie in lib-dynload.
        stdlib=os.path.dirname(getattr(os, "__file__", "")),
        launch=os.environ.get("PYAUDITD_LAUNCH", ""),
        keep=os.environ.get("PYAUDITD_KEEP") == "1",
        **settings)
