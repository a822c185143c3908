# SPDX-License-Identifier: MIT
"""What a program does with files, in every way the standard library offers."""
import bz2
import configparser
import contextlib
import dbm.dumb
import fcntl
import filecmp
import fileinput
import glob
import gzip
import io
import linecache
import logging.handlers
import mmap
import os
import pathlib
import shelve
import shutil
import struct
import sys
import tarfile
import tempfile
import termios
import zipfile

import oracle

may_fail = contextlib.suppress(OSError)


def opens(path):
    with open(path, "w") as f:
        f.write("line 1\nline 2\n")
    open(path, "rb").close()
    open(os.fsencode(path)).close()
    open(pathlib.Path(path)).close()
    io.FileIO(path, "a").close()
    io.open(path, "r+", encoding="latin-1").close()
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC, 0o640)
    open(fd, closefd=False).close()
    os.close(fd)
    io.open_code(path).close()
    for bad in (path + "/nowhere", path + ".missing", b"\xff\xfe/missing"):
        with may_fail:
            open(bad)
    with contextlib.suppress(TypeError):
        open(object())


def odd_names(folder):
    for name in ("caf\u00e9", "100%", "%41", "a b\tc\n", "\u2028", "\U0001f40d", "\udcff\udc80x",
                 "quote\"back\\slash", "\x01\x1f\x7f", "n" * 255):
        path = os.path.join(folder, name)
        open(path, "w").close()
        os.stat(path)
        os.rename(path, path[:-1] + "r")
        os.remove(path[:-1] + "r")
    with contextlib.suppress(ValueError):
        open("nul\0inside")
    with contextlib.suppress(UnicodeEncodeError, OSError):
        open("lone\ud800surrogate")


def os_calls(folder):
    old = os.getcwd()
    os.mkdir(os.path.join(folder, "d"), 0o700)
    os.makedirs(os.path.join(folder, "d/e/f"))
    path = os.path.join(folder, "d/file")
    open(path, "w").close()
    os.link(path, path + ".link")
    os.symlink("file", path + ".symlink")
    os.replace(path + ".link", path + ".moved")
    os.rename(path + ".moved", path + ".moved2")
    os.chmod(path, 0o600)
    os.chown(path, -1, -1)
    os.lchown(path, os.getuid(), os.getgid())
    os.utime(path)
    os.utime(path, (1.5, 2.5))
    os.utime(path, ns=(1, 2**40))
    os.truncate(path, 10)
    fd = os.open(folder, os.O_RDONLY)
    os.chmod("d/file", 0o644, dir_fd=fd)
    os.mkdir("by-fd", dir_fd=fd)
    os.rmdir("by-fd", dir_fd=fd)
    os.listdir(fd)
    os.fchdir(fd)
    os.listdir()
    os.chdir(os.fsencode(old))
    os.close(fd)
    with open(path, "r+b") as f:
        os.ftruncate(f.fileno(), 5)
        os.fchmod(f.fileno(), 0o600)
        os.lockf(f.fileno(), os.F_LOCK, 1)
    for name in ("user.a", b"user.b"):
        with may_fail:
            os.setxattr(path, name, b"value")
            os.getxattr(path, name)
            os.listxattr(path)
            os.removexattr(path, name)
    os.listdir(folder)
    os.listdir(os.fsencode(folder))
    list(os.scandir(folder))
    list(os.walk(folder))
    list(os.walk(folder, topdown=False, followlinks=True))
    list(os.fwalk(folder))
    os.remove(path + ".symlink")
    os.unlink(path + ".moved2")
    os.removedirs(os.path.join(folder, "d/e/f"))


def descriptors(path):
    with open(path, "r+b") as f:
        fcntl.fcntl(f, fcntl.F_GETFD)
        fcntl.fcntl(f.fileno(), fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        fcntl.flock(f, fcntl.LOCK_EX)
        fcntl.flock(f, fcntl.LOCK_UN)
        fcntl.lockf(f, fcntl.LOCK_EX, 1, 0, 0)
        with may_fail:
            fcntl.ioctl(f, termios.FIONREAD, struct.pack("i", 0))
        mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ).close()
    mmap.mmap(-1, 4096).close()


def searching(folder):
    here = pathlib.Path(folder)
    glob.glob(os.path.join(folder, "*"))
    list(glob.iglob(os.path.join(glob.escape(folder), "**"), recursive=True))
    if sys.version_info >= (3, 10):
        glob.glob("*", root_dir=folder)
    list(here.glob("*.txt"))
    list(here.rglob("*"))
    list(here.iterdir())
    if sys.version_info >= (3, 12):
        list(here.walk())
    (here / "p").write_text("text")
    (here / "p").read_bytes()
    (here / "p").rename(here / "q").unlink()
    filecmp.cmp(folder + "/text", folder + "/text", shallow=False)


def copies(folder):
    source, copy = folder + "/text", folder + "/copy"
    shutil.copyfile(source, copy)
    shutil.copy(source, copy)
    shutil.copy2(source, pathlib.Path(copy))
    shutil.copymode(source, copy)
    shutil.copystat(source, copy)
    with contextlib.suppress(OSError, LookupError):
        shutil.chown(copy, os.getuid(), os.getgid())
    os.mkdir(folder + "/tree")
    shutil.copy(source, folder + "/tree")
    shutil.copytree(folder + "/tree", folder + "/tree2")
    shutil.move(folder + "/tree2", folder + "/tree3")
    archive = shutil.make_archive(folder + "/archive", "gztar", folder, "tree")
    shutil.unpack_archive(archive, folder + "/unpacked")
    shutil.rmtree(folder + "/unpacked")
    shutil.rmtree(folder + "/nowhere", ignore_errors=True)
    shutil.disk_usage(folder)
    shutil.which("sh")


def temporary(folder):
    fd, path = tempfile.mkstemp(dir=folder)
    os.close(fd)
    os.remove(path)
    os.rmdir(tempfile.mkdtemp(b".suffix", dir=os.fsencode(folder)))
    with tempfile.NamedTemporaryFile("w", dir=folder):
        pass
    with tempfile.TemporaryFile(dir=folder):
        pass
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        open(inner + "/x", "w").close()
    with tempfile.SpooledTemporaryFile(max_size=1, dir=folder) as spool:
        spool.write(b"over the limit")


def formats(folder):
    text = folder + "/text"
    with zipfile.ZipFile(folder + "/z.zip", "w") as z:
        z.write(text, "text")
    with zipfile.ZipFile(folder + "/z.zip") as z:
        z.extractall(folder + "/z")
        z.read("text")
    with tarfile.open(folder + "/t.tar.bz2", "w:bz2") as t:
        t.add(text)
    with gzip.open(folder + "/g.gz", "wt") as g:
        g.write("x")
    bz2.open(folder + "/b.bz2", "wb").close()
    with fileinput.input([text]) as f:
        list(f)
    linecache.getline(text, 1)
    configparser.ConfigParser().read([text + ".none", os.fsencode(text) + b".none"])
    with dbm.dumb.open(folder + "/db") as db:
        db[b"k"] = b"v"
    with contextlib.closing(shelve.Shelf(dbm.dumb.open(folder + "/db"))) as s:
        s["k2"] = {"a": 1}
    handler = logging.handlers.RotatingFileHandler(folder + "/log", maxBytes=20, backupCount=1)
    logger = logging.getLogger("files")
    logger.addHandler(handler)
    for i in range(3):
        logger.error("a line of text %d", i)
    handler.close()


def main():
    folder = tempfile.mkdtemp()
    try:
        opens(folder + "/text")
        odd_names(folder)
        os_calls(folder)
        descriptors(folder + "/text")
        searching(folder)
        copies(folder)
        temporary(folder)
        formats(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    oracle.run(main)
