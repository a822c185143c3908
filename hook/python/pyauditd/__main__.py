# SPDX-License-Identifier: MIT
"""python -m pyauditd install|uninstall|status: have this environment's Python trace itself.

install copies this package into site-packages, with the hooks of all versions, and puts beside it

    pyauditd.pth          an import line, for Python up to 3.17
    pyauditd.start        an entry point, for Python from 3.15 on, which ignores the import line then
    _pyauditd_start.py    that entry point

The first two are read whenever a Python of this environment starts. The copy has a file INSTALLED
in it: only a folder with this file is overwritten or removed.
"""
import argparse
import compileall
import os
import shutil
import site
import sys
import sysconfig
import textwrap

import pyauditd

# This is run by every Python of the environment, so it does not so much as import the package
# unless asked, and catches what would otherwise be printed each time, were the package gone. site
# imports what a .start file names in any case: so that is a module of its own.
CODE = """\
if os.environ.get('PYAUDITD') {condition} or os.environ.get('PYAUDITD_DEBUG'):
    try:
        import pyauditd._activate
        pyauditd._activate.{call}()
    except Exception as error:
        if os.environ.get('PYAUDITD_DEBUG') == '1' and sys.stderr:
            sys.stderr.write('pyauditd: not loaded: %s\\n' % error)
"""
IF_ASKED = {"call": "if_asked", "condition": "", "what": "programs that run with PYAUDITD=1"}
ALWAYS = {"call": "always", "condition": "!= '0'",
          "what": "all programs but those that run with PYAUDITD=0"}

PTH, START, ENTRY = "pyauditd.pth", "pyauditd.start", "_pyauditd_start.py"


def pth_content(how):
    return "import os, sys; exec(%r)\n" % CODE.format(**how)


def start_content(how):
    return "_pyauditd_start:%s\n" % how["call"]


def entry_content():
    """The same in each folder: of several of one name, Python imports the first."""
    return "import os\nimport sys\n" + "".join(
        "\n\ndef %s():\n%s" % (how["call"], textwrap.indent(CODE.format(**how), "    "))
        for how in (IF_ASKED, ALWAYS))


HERE = os.path.dirname(os.path.abspath(pyauditd.__file__))


class Refused(Exception):
    """What was asked for cannot be done; the text is the line for the user."""


def main(argv=None):
    """Returns the exit status: 0 done, 1 failed (with `status`: not installed), 2 usage."""
    parser = argparse.ArgumentParser(
        prog="python -m pyauditd",
        description="Have every Python program of this environment (%s) trace itself, or not."
                    % sys.prefix.replace("%", "%%"))
    verbs = parser.add_subparsers(dest="verb", metavar="install|uninstall|status")
    verbs.required = True
    for verb, what in (("install", "trace the programs that run with PYAUDITD=1"),
                       ("uninstall", "remove all that install made"),
                       ("status", "say what is installed; exit status 1 when nothing is")):
        sub = verbs.add_parser(verb, help=what, description=what)
        sub.add_argument("--user", action="store_true", help="in your own site-packages")
        if verb == "install":
            sub.add_argument("--always", action="store_true",
                             help="trace all programs but those that run with PYAUDITD=0")
    args = parser.parse_args(argv)
    try:
        folder = site_folder(args.user)
        if args.verb == "install":
            return install(folder, ALWAYS if args.always else IF_ASKED)
        return uninstall(folder) if args.verb == "uninstall" else status(folder)
    except (Refused, ImportError, EnvironmentError) as error:
        sys.stderr.write("pyauditd: %s: %s\n" % (args.verb, error))
        return 1


def site_folder(user):
    """The folder of this environment whose .pth files are read."""
    if user:
        if not site.ENABLE_USER_SITE:
            raise Refused("this environment does not use your own site-packages")
        return site.getusersitepackages()
    folder, read = sysconfig.get_path("purelib"), site.getsitepackages()
    if os.path.realpath(folder) in map(os.path.realpath, read):
        return folder
    for folder in read:  # Debian's own up to 3.9 says site-packages there, too, and has none
        if folder.endswith("dist-packages"):
            return folder
    raise Refused("Python does not read .pth files in %s" % folder)


def install(folder, how):
    pyauditd._load_hook()
    os.umask(0o022)  # for the programs of all who may use this environment
    new = not is_installed(folder)
    try:
        copy_package(folder)
        # By any version, for those of other versions that read the same folder.
        write({os.path.join(folder, ENTRY): entry_content()})
        if sys.version_info >= (3, 15):
            compileall.compile_file(os.path.join(folder, ENTRY), quiet=2)
        write({os.path.join(folder, PTH): pth_content(how),
               os.path.join(folder, START): start_content(how)})
    except BaseException:
        if new:
            remove(folder)
        raise
    print("installed in %s: traces %s" % (folder, how["what"]))
    return 0


def uninstall(folder):
    if is_installed(folder):
        remove(folder)
        print("uninstalled from %s" % folder)
    else:
        print("not installed in %s" % folder)
    return 0


def status(folder):
    if not is_installed(folder):
        print("not installed in %s" % folder)
        return 1
    for name in PTH, "pyauditd/__init__.py":
        if not os.path.exists(os.path.join(folder, name)):
            raise Refused("%s is gone: install again, or uninstall" % os.path.join(folder, name))
    with open(os.path.join(folder, PTH)) as file:
        how = ALWAYS if "always" in file.read() else IF_ASKED
    pyauditd._load_hook()
    print("installed in %s: traces %s" % (folder, how["what"]))
    return 0


def is_installed(folder):
    return any(os.path.lexists(os.path.join(folder, name))
               for name in (PTH, START, ENTRY, "pyauditd/INSTALLED"))


def copy_package(folder):
    """Make folder/pyauditd what this package is, file by file: other processes may use it."""
    package = os.path.join(folder, "pyauditd")
    marker = os.path.join(package, "INSTALLED")
    if os.path.realpath(package) == os.path.realpath(HERE):
        return
    if not os.path.exists(marker):
        if os.path.lexists(package) and (not os.path.isdir(package) or files_of(package)):
            raise Refused("%s is there already, and not from here" % package)
        made = make_folders(package)
        try:
            write({marker: b"".join(os.fsencode(path) + b"\n" for path in made)})
        except BaseException:
            remove_folders(made)
            raise
    names = [name for name in os.listdir(HERE)
             if name.endswith((".py", ".pyi", ".so")) or name == "py.typed"]
    contents = {}
    for name in names:
        with open(os.path.join(HERE, name), "rb") as file:
            contents[os.path.join(package, name)] = file.read()
    write(contents)
    for name in files_of(package):
        if name not in names and name != "INSTALLED":
            os.unlink(os.path.join(package, name))
    # Who runs programs here may not be allowed to write here.
    compileall.compile_dir(package, quiet=2)


def files_of(package):
    """But the byte code, and what NFS keeps of a removed file that somebody has open yet."""
    return [name for name in os.listdir(package)
            if name != "__pycache__" and not name.startswith(".nfs")]


def make_folders(path):
    """Returns those that were not there, the innermost first. All or none."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for i in reversed(range(len(missing))):
        try:
            os.mkdir(missing[i])
        except EnvironmentError:
            remove_folders(missing[i + 1:])
            raise
    return missing


def remove_folders(paths):
    for path in paths:
        try:
            os.rmdir(path)
        except EnvironmentError:
            break  # somebody uses it by now


def write(contents):
    """Replace the files, never change them: a process that has one mapped would crash. `contents`
    by path; all are written before the first one is in its place."""
    written = {}
    try:
        for path, content in contents.items():
            written[path] = os.path.join(os.path.dirname(path), ".pyauditd.%d.%d.tmp" % (
                os.getpid(), len(written)))
            with open(written[path], "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode("ascii"))
        for path in contents:
            os.rename(written[path], path)
    finally:
        for temporary in written.values():
            if os.path.lexists(temporary):
                os.unlink(temporary)


def remove(folder):
    """Take away what install made, also if it did not finish; after an error, again. The entry
    point comes last: a Python that is starting may have read already that it is to be called."""
    for name in (PTH, START):
        if os.path.lexists(os.path.join(folder, name)):
            os.unlink(os.path.join(folder, name))
    package = os.path.join(folder, "pyauditd")
    if os.path.exists(os.path.join(package, "INSTALLED")) and not os.path.islink(package):
        remove_package(package)
    if os.path.lexists(os.path.join(folder, ENTRY)):
        os.unlink(os.path.join(folder, ENTRY))
    cache = os.path.join(folder, "__pycache__")
    ours = [name for name in (os.listdir(cache) if os.path.isdir(cache) else [])
            if name.startswith("_pyauditd_start.")]
    for name in ours:
        os.unlink(os.path.join(cache, name))
    if ours:
        remove_folders([cache])  # if nothing else is in it


def remove_package(package):
    """The marker goes last: as long as it is there, this can be done again."""
    marker = os.path.join(package, "INSTALLED")
    with open(marker, "rb") as file:
        made = [os.fsdecode(line) for line in file.read().splitlines()]
    if os.path.isdir(os.path.join(package, "__pycache__")):
        shutil.rmtree(os.path.join(package, "__pycache__"))
    for name in files_of(package):
        if name != "INSTALLED":
            os.unlink(os.path.join(package, name))
    os.unlink(marker)
    remove_folders([package] + made[1:])


if __name__ == "__main__":
    sys.exit(main())
