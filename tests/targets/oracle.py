# SPDX-License-Identifier: MIT
"""The oracle: a recorder of audit events in Python, in the same process as the hook.

It knows nothing of pyauditd. Each argument is kept in a lossless form of its own, by exact type,
taken while the event happens; tests/test_fidelity.py says what the stream should make of it.

	["none"] ["bool", 1] ["int", "-5"] ["float", "0x1.8p+0"] ["str", text] ["bytes", hex]
	["ellipsis"] ["tuple", [...]] ["list", [...]] ["dict", [[key, value], ...]]
	["object", module, qualified name]

The hook makes no event itself: no look-up in objects that are not its own, no id(), no import.
"""
import gc
import os
import sys
from _thread import get_native_id

BEGIN = "pyauditd.test.begin"
END = "pyauditd.test.end"

_records = []  # [tid, event, arguments]
_active = False
_installed = False
_module_of = type.__dict__["__module__"].__get__
_name_of = type.__dict__["__qualname__"].__get__
_hex = float.hex
_digits = int.__repr__
_pairs = dict.items
sys.set_int_max_str_digits(0) if hasattr(sys, "set_int_max_str_digits") else None


def _form(value, depth=0):
    kind = type(value)
    if kind is str:
        return ["str", value]
    if kind is int:
        return ["int", _digits(value)]
    if value is None:
        return ["none"]
    if kind is bool:
        return ["bool", 1 if value else 0]
    if kind is bytes:
        return ["bytes", value.hex()]
    if kind is float:
        return ["float", _hex(value)]
    if value is ...:
        return ["ellipsis"]
    if depth < 8:
        if kind is tuple:
            return ["tuple", [_form(v, depth + 1) for v in value]]
        if kind is list:
            return ["list", [_form(v, depth + 1) for v in value]]
        if kind is dict:
            return ["dict", [[_form(k, depth + 1), _form(v, depth + 1)] for k, v in _pairs(value)]]
    return ["object", str(_module_of(kind)), _name_of(kind)]


def _hook(event, args):
    global _active
    if event == BEGIN:
        _active = True
    if _active:
        record = [get_native_id(), event, None]
        _records.append(record)  # before anything that could let another event happen
        record[2] = [_form(v) for v in args]
        if event == END:
            _active = False


def start():
    global _installed
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True


def save():
    """One log per process, beside the others of the run."""
    path = "%s.%d" % (os.environ["PYAUDITD_TEST_LOG"], os.getpid())
    with open(path, "w") as f:
        f.write(ascii(_records))  # JSON would join lone surrogates


def run(body, *args):
    """Record what body does, between two events that mark the window, and save it."""
    del _records[:]
    gc.disable()  # a collection inside the hook would make events in the middle of another
    start()
    sys.audit(BEGIN)
    try:
        return body(*args)
    finally:
        sys.audit(END)
        save()
