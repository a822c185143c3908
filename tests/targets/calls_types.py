# SPDX-License-Identifier: MIT
"""C types that die, and others that come in their places: __new__ of each is called once. Each line
printed is the name of one, in their order."""
import gc
import importlib
import os
import sys

KINDS = [("_struct", "Struct"), ("_random", "Random"), ("_csv", "Dialect"), ("_queue", "SimpleQueue"),
         ("_lsprof", "Profiler"), ("_zoneinfo", "ZoneInfo"), ("_bz2", "BZ2Compressor"),
         ("_json", "make_scanner"), ("_json", "make_encoder")]


def probe(new):
    try:
        new(int)
    except TypeError:
        pass


for _ in range(30):
    for module, name in KINDS:
        sys.modules.pop(module, None)
        try:
            kind = getattr(importlib.import_module(module), name)
        except ImportError:
            continue
        new = kind.__dict__.get("__new__")
        if new is None:
            continue
        print("%s.%s.__new__" % (kind.__module__, kind.__name__))
        probe(new)
        sys.modules.pop(module, None)
        del new, kind
        gc.collect()
sys.stdout.flush()
os._exit(0)  # 3.10 and 3.11 abort in the end, traced or not
