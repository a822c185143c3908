# SPDX-License-Identifier: MIT
"""Start tracing as the environment says. Whatever is wrong, the program goes on as without us.

    PYAUDITD            0 never, 1 trace; unset or empty: as the caller's `unset` says
    PYAUDITD_EVENTS     as the arguments of pyauditd.start()
    PYAUDITD_STACK
    PYAUDITD_RING       bytes; 256k, 4m and 1g are understood too
    PYAUDITD_MODE
    PYAUDITD_BLOCK_MS
    PYAUDITD_CALLS      1, or globs: calls and returns, too
    PYAUDITD_C_CALLS    0: but not those of C functions
    PYAUDITD_BACKEND
    PYAUDITD_CALLS_LEVEL
    PYAUDITD_CALLS_FILE
    PYAUDITD_MAX_DEPTH
    PYAUDITD_REVEAL     EVENT.ARG[,...]: secret arguments to show
    PYAUDITD_KEEP       1: the shared memory stays when the program has ended
    PYAUDITD_LAUNCH     who started the program (auditd-collect sets it)
    PYAUDITD_DEBUG      1: say on stderr why nothing was loaded
"""
import os
import sys

import pyauditd


def activate(coverage, unset):
    """Trace this process unless it is traced already, or was and has been stopped.

    coverage is since when: "site", "startup", "attach". Never raises, but for a Ctrl-C that
    would have hit the program anyway.
    """
    try:
        switch = os.environ.get("PYAUDITD") or unset
        if switch == "0":
            return say("PYAUDITD is 0" if os.environ.get("PYAUDITD") else "PYAUDITD is not set")
        if switch != "1":
            raise ValueError("PYAUDITD is neither 0 nor 1: %r" % switch)
        settings = read_settings(os.environ)
        hook = pyauditd._load_hook()
        # One process, many activations: a sub-interpreter runs site again, and an interactive
        # session the start-up file. The program may have made other settings meanwhile.
        if not hook.status()["segment"]:
            pyauditd._start(hook, coverage, **settings)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an audit hook of the program may raise anything
        say("%s: %s" % (type(error).__name__, error))


def if_asked():
    """For the files that `python -m pyauditd install` writes."""
    activate("site", unset="0")


def always():
    """The same, for `install --always`."""
    activate("site", unset="1")


def read_settings(env):
    """The arguments of start() that are set in `env`, a dict. Raises ValueError."""
    settings = {}
    for name, key, convert in (("EVENTS", "events", str), ("STACK", "stack", int),
                               ("RING", "ring_bytes", parse_bytes), ("MODE", "mode", str),
                               ("BLOCK_MS", "block_ms", int),
                               ("CALLS", "calls", parse_calls), ("C_CALLS", "c_calls", int),
                               ("BACKEND", "backend", str), ("CALLS_LEVEL", "calls_level", str),
                               ("CALLS_FILE", "calls_file", str), ("MAX_DEPTH", "max_depth", int),
                               ("REVEAL", "reveal", str)):
        value = env.get("PYAUDITD_" + name)
        if value:
            try:
                settings[key] = convert(value)
            except ValueError:
                raise ValueError("PYAUDITD_%s is not a number: %r" % (name, value))
    return settings


def parse_bytes(text):
    shift = {"k": 10, "m": 20, "g": 30}.get(text[-1].lower(), 0)
    return int(text[:-1] if shift else text) << shift


def parse_calls(text):
    return text != "0" if text in ("0", "1") else text


said = set()


def say(why):
    """Once: in a virtual environment, site reads each .pth file twice."""
    if os.environ.get("PYAUDITD_DEBUG") == "1" and why not in said:
        said.add(why)
        try:
            sys.stderr.write("pyauditd: not loaded: %s\n" % why)
        except Exception:  # there may be no stderr
            pass
