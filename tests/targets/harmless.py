# SPDX-License-Identifier: MIT
"""Print whatever a hook might disturb. The output must be the same with and without one."""
import ctypes
import gc
import os
import signal
import sys
import threading
import warnings

COLLECTIONS = []


class Watched(str):
    """A str that notices whoever compares, hashes or shows it."""
    touched = []

    def __eq__(self, other):
        Watched.touched.append("eq")
        return str.__eq__(self, other)

    def __repr__(self):
        Watched.touched.append("repr")
        return "?"

    def __hash__(self):
        Watched.touched.append("hash")
        return str.__hash__(self)


def values():
    odd = type("Odd", (), {Watched("__module__"): "m", Watched("other"): 2})
    return [object(), "text", "caf\u00e9" * 3, "\u20ac" * 50, "\U0001f40d\udcff", b"bytes" * 9, 2**70,
            12345678901, 1.5, (1, 2), [1, [2, [3]]], {"a": {"b": 1}}, Watched("w"), odd, odd(),
            {Watched("key"): Watched("value")}, [Watched("in a list")], {1, 2}, 3 + 4j, len, sys]


def references():
    for i, value in enumerate(values()):
        Watched.touched.clear()
        before = sys.getrefcount(value), sys.getsizeof(value)
        for _ in range(100):
            sys.audit("harmless", value, "x", value)
        after = sys.getrefcount(value), sys.getsizeof(value)
        print("value", i, [b - a for a, b in zip(before, after)], set(Watched.touched))
    event = "harmless.\u00e9" + str(len(sys.argv))
    sys.audit(event)
    before = sys.getrefcount(event), sys.getsizeof(event)
    for _ in range(100):
        sys.audit(event)
    print("name", [b - a for a, b in zip(before, (sys.getrefcount(event), sys.getsizeof(event)))])


def globals_with_strange_keys():
    scope = {Watched("__name__"): "m", Watched("other"): 1}
    code = compile("import sys\nfor _ in range(3): sys.audit('harmless.globals', 1)\n", "f.py", "exec")
    exec(code, scope)
    Watched.touched.clear()
    exec(code, scope)
    print("globals", Watched.touched)


def collections():
    gc.callbacks.append(lambda phase, info: COLLECTIONS.append(phase))
    argument = [["nested"] * 5] * 5
    gc.collect()
    gc.set_threshold(1)
    del COLLECTIONS[:]
    for _ in range(1000):
        sys.audit("harmless.gc", argument, argument)
    # Any hook at all makes CPython build a tuple per event; a frame object would be a thousand.
    print("collections", len(COLLECTIONS) < 20)
    gc.set_threshold(700)
    del gc.callbacks[:]


def errno_and_exceptions():
    lib = ctypes.PyDLL(None, use_errno=True)
    lib.PySys_Audit.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    lib.PySys_Audit.restype = ctypes.c_int
    seen = set()
    for i in range(3000):
        ctypes.set_errno(77)
        seen.add((lib.PySys_Audit(b"harmless.errno.%d" % i, None), ctypes.get_errno()))
    print("errno", seen)
    try:
        raise KeyError("pending")
    except KeyError as error:
        sys.audit("harmless.except", error)
        print("exception", sys.exc_info()[1] is error, sys.getrefcount(error))
    try:
        sys.audit("harmless.cause")
        raise ValueError
    except ValueError as error:
        print("context", error.__context__, error.__cause__)


def process():
    print("descriptors", sorted(os.listdir("/proc/self/fd"))[:20])
    print("threads", len(os.listdir("/proc/self/task")), threading.active_count())
    handled = [s for s in range(1, 65) if s not in (9, 19)
               and signal.getsignal(s) not in (signal.SIG_DFL, None)]
    print("signals", handled, signal.pthread_sigmask(signal.SIG_BLOCK, []))
    with open("/proc/self/status") as f:
        # 32 and 33 are libc's own: make starts programs with both ignored, and libc lets nobody
        # pass that on.
        print([(line[:6], int(line[7:], 16) & ~(3 << 31)) for line in f
               if line.startswith(("SigCgt", "SigIgn", "SigBlk"))])
    print("main", sorted(vars(sys.modules["__main__"])))
    print("flags", sys.flags, sys.gettrace(), sys.getprofile(), warnings.filters[:3])
    print("path", [p for p in sys.path if "pyauditd" not in p and "build/python" not in p])
    print("recursion", sys.getrecursionlimit(), sys.getswitchinterval())
    print("limits", gc.get_threshold(), gc.isenabled())


FREED = []
FREE_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
# Gone before the last code objects are: then nobody may call it.
free_extra = FREE_TYPE(FREED.append)


def another_tools_code_extras():
    """It hears of its own alone."""
    api = ctypes.pythonapi
    unstable = hasattr(api, "PyUnstable_Code_SetExtra")
    request = api.PyUnstable_Eval_RequestCodeExtraIndex if unstable else \
        api._PyEval_RequestCodeExtraIndex
    set_extra = api.PyUnstable_Code_SetExtra if unstable else api._PyCode_SetExtra
    set_extra.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.c_void_p]
    index = request(free_extra)
    scopes = {}
    for name in "both", "ours", "theirs":
        exec(compile("import sys\ndef f(): sys.audit('harmless.extra')\n", name, "exec"),
             scopes.setdefault(name, {}))
    for name, n in ("both", 5), ("theirs", 6), ("both", 7):
        if name == "both":
            scopes[name]["f"]()
        set_extra(scopes[name]["f"].__code__, index, n)
    scopes["ours"]["f"]()
    for name in "both", "ours", "theirs":
        del scopes[name]
        gc.collect()
        print("freed", FREED)


def deep():
    def down(n):
        try:
            sys.audit("harmless.deep", n)
            return down(n + 1)
        except RecursionError:
            return n
    print("depth", down(0))


if __name__ == "__main__":
    references()
    globals_with_strange_keys()
    collections()
    errno_and_exceptions()
    process()
    another_tools_code_extras()
    deep()
    sys.stdout.flush()
    os.write(2, b"on stderr\n")
