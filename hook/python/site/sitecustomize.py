# SPDX-License-Identifier: MIT
"""Trace the Python that has this folder in PYTHONPATH, and then be gone from it.

site imports `sitecustomize` once, the first one on sys.path. This one starts the tracing, takes
its folder off the path and imports the next one, which thus becomes the only one: what it is,
and what it raises, site sees as if it had imported it itself. PYTHONPATH itself stays as it is,
for the program's children. So any Python may read this file: it must parse on 2.7.
"""


def trace(parent):
    import os
    import sys
    sys.path.insert(0, parent)
    try:
        import pyauditd._activate
        pyauditd._activate.activate("site", unset="1")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if os.environ.get("PYAUDITD_DEBUG") == "1" and sys.stderr:
            sys.stderr.write("pyauditd: not loaded: %s\n" % error)
    finally:
        sys.path.remove(parent)
        sys.path_importer_cache.pop(parent, None)


def is_at(entry, folder):
    import os
    try:
        return isinstance(entry, str) and os.path.abspath(entry) == folder
    except OSError:  # a relative one, and the working directory is gone
        return False


def give_way(folder):
    import sys
    entries = [entry for entry in sys.path if is_at(entry, folder)]
    if not entries:
        return  # somebody found us in another way, and would find us again
    for entry in entries:
        sys.path.remove(entry)
        sys.path_importer_cache.pop(entry, None)
    # Python 2 clears the globals of a module that nobody holds. Python 3 takes whatever module
    # it then finds under this name, or the exception, for the outcome of importing this file.
    this = sys.modules.pop("sitecustomize", None)
    import sitecustomize
    del this, sitecustomize


def run(path):
    import os
    folder = os.path.dirname(os.path.abspath(path))
    trace(os.path.dirname(folder))
    give_way(folder)


run(__file__)
