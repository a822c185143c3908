# SPDX-License-Identifier: MIT
"""Code that makes code, native code, and programs that look at themselves."""
import array
import ast
import builtins
import contextlib
import copy
import ctypes
import gc
import importlib
import io
import marshal
import os
import pdb
import pickle
import sqlite3
import sys
import syslog
import tempfile
import time
import types
import webbrowser

import oracle


class Plain:
    """A class to pickle and to change."""

    def __del__(self):
        if getattr(self, "angry", False):
            raise ValueError("in __del__")


class Other(Plain):
    pass


def importing(folder):
    import colorsys
    import this_module_is_missing_on_purpose as _  # noqa
    return colorsys


def imports(folder):
    with contextlib.suppress(ImportError):
        importing(folder)
    import plistlib
    import wave  # noqa: F401
    importlib.reload(plistlib)
    importlib.import_module("xml.dom.minidom")
    importlib.invalidate_caches()
    with open(folder + "/fresh_module.py", "w") as f:
        f.write("import sys\nsys.audit('fresh', __name__)\n")
    sys.path.insert(0, folder)
    importlib.import_module("fresh_module")
    sys.path.remove(folder)
    import _testcapi as _  # noqa: a native module, where it is installed


def compiling():
    exec("x = 1")
    exec(compile("y = 2", "<made up>", "exec"))
    eval("1 + 1")
    eval(b"2 + 2")
    compile(ast.parse("z = 3"), "from a tree", "exec")
    compile("a = '%s'" % ("m" * (1 << 20)), "one megabyte", "exec")
    compile("\u00e9 = '\U0001f40d'", "caf\u00e9 \udcff", "exec")
    for bad in ("1 +", "a\0b", "\ud800"):
        with contextlib.suppress(SyntaxError, ValueError):
            compile(bad, "bad", "exec")
    code = compiling.__code__
    code.replace(co_name="renamed")
    types.FunctionType(code, {})
    lambda_code = (lambda: 0).__code__
    compiling_copy = types.FunctionType(lambda_code, globals(), "copied")
    compiling_copy.__code__ = lambda_code
    compiling_copy.__defaults__ = (1,)


def serialising():
    pickle.loads(pickle.dumps(Plain()))
    pickle.loads(pickle.dumps([len, Other, {"a": (1, b"x")}], 4))
    pickle.Unpickler(io.BytesIO(pickle.dumps(Other()))).load()
    with contextlib.suppress(AttributeError):
        pickle.loads(b"cbuiltins\nnothing_of_this_name\n.")
    data = marshal.dumps((1, "two", [3.0], compiling.__code__))
    marshal.loads(data)
    marshal.load(io.BytesIO(data))
    copy.deepcopy({"a": [1, {2}], "b": Plain()})


def native():
    libc = ctypes.CDLL(None)
    libc.getpid()
    libc.abs.argtypes = [ctypes.c_int]
    libc.abs(-3)
    with contextlib.suppress(AttributeError):
        libc.no_function_of_this_name
    with contextlib.suppress(OSError):
        ctypes.CDLL("/nowhere/lib.so")
    buffer = ctypes.create_string_buffer(b"text", 10)
    ctypes.create_string_buffer(5)
    ctypes.create_unicode_buffer("t\u00e9xt")
    ctypes.addressof(buffer)
    ctypes.string_at(buffer, 4)
    ctypes.string_at(ctypes.addressof(buffer))
    ctypes.wstring_at(ctypes.create_unicode_buffer("w"), 1)
    ctypes.c_char.from_address(ctypes.addressof(buffer))
    ctypes.c_char.from_buffer(bytearray(b"x"), 0)
    ctypes.c_char.from_buffer_copy(b"x")
    ctypes.cast(buffer, ctypes.c_void_p)
    ctypes.set_errno(3)
    ctypes.get_errno()
    ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x)(1)
    ctypes.c_int.in_dll(ctypes.pythonapi, "Py_DebugFlag") if sys.version_info < (3, 12) else None
    array.array("i", [1, 2])
    array.array("u" if sys.version_info < (3, 13) else "w", "text")
    array.array("B", b"bytes")


def looking():
    id(object())
    sys._getframe()
    sys._getframe(1)
    sys._current_frames()
    if sys.version_info >= (3, 10):
        sys._current_exceptions()
    if sys.version_info >= (3, 12):
        sys._getframemodulename()
        sys.monitoring.use_tool_id(3, "oracle")
        sys.monitoring.register_callback(3, sys.monitoring.events.PY_START, None)
        sys.monitoring.free_tool_id(3)
    gc.get_objects()
    gc.get_objects(generation=0)
    gc.get_referrers(Plain)
    gc.get_referents({}, [])
    looking.__code__, looking.__defaults__, looking.__kwdefaults__
    generator = (x for x in ())
    generator.gi_code, generator.gi_frame
    try:
        raise ValueError
    except ValueError as e:
        e.__traceback__.tb_frame.f_code
    plain = Other()
    plain.__class__ = Plain
    Other.__bases__ = (Plain, )
    Other.__name__ = "Another"
    Other.__qualname__ = "Out.Other"
    Other.__module__ = "elsewhere"
    with contextlib.suppress(TypeError):
        del looking.__code__
    sys.settrace(None)
    sys.setprofile(None)
    sys.set_asyncgen_hooks(firstiter=None, finalizer=None)
    sys.addaudithook(lambda *_: None)
    sys.unraisablehook = lambda *_: None
    Plain().angry = True
    angry = Plain()
    angry.angry = True
    del angry
    sys.unraisablehook = sys.__unraisablehook__
    pdb.Pdb()
    sys.breakpointhook = lambda: None
    breakpoint()
    sys.breakpointhook = sys.__breakpointhook__
    with contextlib.suppress(EOFError):
        builtins.input("prompt \u00e9% ")
    time.sleep(0)


def other(folder):
    with contextlib.closing(sqlite3.connect(folder + "/caf\u00e9.db")) as db:
        db.execute("create table t (a)")
        db.executemany("insert into t values (?)", [(1,), ("two",)])
        db.commit()
    sqlite3.connect(":memory:").close()
    sqlite3.connect(os.fsencode(folder + "/bytes.db")).close()
    sqlite3.connect("file:%s/uri.db?mode=rwc" % folder, uri=True).close()
    syslog.openlog("oracle", syslog.LOG_PID)
    syslog.syslog("a message")
    syslog.syslog(syslog.LOG_DEBUG, "another %")
    syslog.setlogmask(syslog.LOG_UPTO(syslog.LOG_ERR))
    syslog.closelog()
    webbrowser.GenericBrowser("true").open("http://user:password@host/?token=x")


def main():
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(ImportError):
            imports(folder)
        compiling()
        serialising()
        native()
        looking()
        other(folder)


if __name__ == "__main__":
    oracle.run(main)
