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


def start(events="", stack=1, ring_bytes=4 << 20, mode="drop"):
    """Start tracing this process; while it is traced, change `events` and `stack` alone.

    events      what to record, as `auditd-collect --events` has it: names, globs and categories
                ("open,@net"), changes to the default ("+import,-exec=off"), "all". "" is the
                default: files, network, processes, native code.
    stack       frames of context per event, 0 to 64.
    ring_bytes  size of the ring in bytes, a power of two from 256 KiB to 1 GiB. It gets smaller
                where /dev/shm has little room.
    mode        when the ring is full: "drop" the newest events, "overwrite" the oldest, or
                "block", which waits a bounded time for a collector.

    Raises ImportError where there is no hook for this interpreter, TypeError or ValueError for a
    bad setting, OSError (with errno) where there is no shared memory, RuntimeError where another
    audit hook refuses ours, and for another mode or ring than those that it was started with.
    The program may catch any of them and go on: nothing has changed then.
    Does nothing at all where the environment says PYAUDITD=0.
    """
    if os.environ.get("PYAUDITD") != "0":
        _start(_load_hook(), "api", events=events, stack=stack, ring_bytes=ring_bytes, mode=mode)


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
    """
    try:
        return _load_hook().status()
    except ImportError:
        return {"running": False, "segment": None, "coverage": "none", "attempted": 0,
                "counted": 0, "recorded": 0, "lost": {}, "mode": "drop", "ring_bytes": 0}


def _load_hook():
    try:
        import pyauditd._hook as hook
        return hook
    except ImportError as error:
        # Python 2 has no name; there is no hook for it, so what is missing is the file.
        if getattr(error, "name", __name__ + "._hook") != __name__ + "._hook" \
                or getattr(error, "path", None):
            raise
    raise ImportError("no hook for %s %d.%d in %s" % (
        (sys.implementation.name if hasattr(sys, "implementation") else "python",)
        + sys.version_info[:2] + (os.path.dirname(__file__),)))


def _start(hook, coverage, **settings):
    hook.start(
        coverage=coverage,
        # A frame in here is the library's, not the program's. No other module's place will do:
        # they may be frozen or lie in lib-dynload.
        stdlib=os.path.dirname(getattr(os, "__file__", "")),
        launch=os.environ.get("PYAUDITD_LAUNCH", ""),
        keep=os.environ.get("PYAUDITD_KEEP") == "1",
        **settings)
