# SPDX-License-Identifier: MIT
"""C functions whose names are not told by what they are bound to alone: of a capsule, of types that
share a method table, of a metaclass, of a module as an object, of classes derived from the one that
has the method. Each is called twice, in turn with its like; prints the names."""
import ctypes
import types

import _sha3


class Method(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int),
                ("doc", ctypes.c_char_p)]


api = ctypes.pythonapi
METH_NOARGS = 4
new_capsule, new_function = api.PyCapsule_New, api.PyCFunction_NewEx
new_capsule.restype = new_function.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
new_function.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
methods = [Method(b"compute", ctypes.cast(api.PyObject_Repr, ctypes.c_void_p), METH_NOARGS)
           for _ in range(2)]
first, second = (new_function(ctypes.addressof(method), new_capsule(1, b"of the tests", None), module)
                 for method, module in zip(methods, ("names.first", "names.second")))


class Plain(list):
    pass


class Derived(Plain):
    pass


class Meta(type):
    pass


class Made(metaclass=Meta):
    pass


def main():
    small, large = _sha3.sha3_224(), _sha3.sha3_512()
    items, plain, derived = [], Plain(), Derived()
    for _ in range(2):
        first()
        second()
        small.update(b"")
        large.update(b"")
        bound, also_bound = small.copy, large.copy
        bound()
        also_bound()
        items.reverse()
        plain.reverse()
        derived.reverse()
        Made.mro()
        int.mro()
        types.__dir__()
        types.ModuleType.__dir__(types)
        dict.fromkeys(())
        int.from_bytes(b"", "little")
        bool.from_bytes(b"", "little")


SHA3 = [type(_sha3.sha3_224()).__name__, type(_sha3.sha3_512()).__name__]
main()
print("\n".join(["names.first.compute", "names.second.compute",
                 "_sha3.%s.update" % SHA3[0], "_sha3.%s.update" % SHA3[1],
                 "_sha3.%s.copy" % SHA3[0], "_sha3.%s.copy" % SHA3[1]] +
                ["builtins.list.reverse"] * 3 + ["builtins.type.mro"] * 2 +
                ["builtins.module.__dir__"] * 2 +
                ["builtins.dict.fromkeys"] + ["builtins.int.from_bytes"] * 2))
