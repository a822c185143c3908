# SPDX-License-Identifier: MIT
# PYTHONSTARTUP=this file: trace interactive sessions. PYAUDITD_STARTUP names the start-up file
# that would have been in its place; it is run as that one would (but for what it says with
# `from __future__`, which reaches the file alone and not the prompt).
#
# It runs in the session's own __main__. So no docstring (it would become __main__'s), no name
# that stays, and nothing that 2.7 cannot parse.


def _pyauditd():
    import os
    import sys
    names = globals()
    del names["_pyauditd"]
    this = os.path.abspath(sys._getframe().f_code.co_filename)  # not every prompt sets __file__
    parent = os.path.dirname(this)
    sys.path.insert(0, parent)
    try:
        import pyauditd._activate
        pyauditd._activate.activate("startup", unset="1")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if os.environ.get("PYAUDITD_DEBUG") == "1" and sys.stderr:
            sys.stderr.write("pyauditd: not loaded: %s\n" % error)
    finally:
        sys.path.remove(parent)
        sys.path_importer_cache.pop(parent, None)

    path = os.environ.get("PYAUDITD_STARTUP")
    if path and os.path.realpath(path) != os.path.realpath(this):
        try:
            with open(path, "rb") as file:
                source = file.read()
        except (IOError, OSError) as error:
            sys.stderr.write("Could not open PYAUDITD_STARTUP\n%s: %s\n"
                             % (type(error).__name__, error))
            return
        code = compile(source, path, "exec", 0, True)
        if "__file__" in names:
            names["__file__"] = path  # the interpreter deletes it afterwards
        exec(code, names)


_pyauditd()
