# SPDX-License-Identifier: MIT
"""Confines itself by seccomp to the system calls of its arguments (numbers of x86-64), and goes on:
any other one ends it by SIGSYS. Then it does all that makes the hook work: events until the ring
has grown, calls, threads, a fork child, a quiet end."""
import ctypes
import os
import struct
import sys
import threading

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
AUDIT_ARCH_X86_64 = 0xc000003e
KILL, ALLOW = 0x80000000, 0x7fff0000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of struct seccomp_data: 0 the number, 4 the architecture


def instruction(code, k, if_true=0, if_false=0):
    return struct.pack("=HBBI", code, if_true, if_false, k)


def confine(numbers):
    code = [instruction(LOAD, 4), instruction(EQUAL, AUDIT_ARCH_X86_64, 1, 0),
            instruction(RETURN, KILL), instruction(LOAD, 0)]
    for number in numbers:
        code += [instruction(EQUAL, number, 0, 1), instruction(RETURN, ALLOW)]
    code.append(instruction(RETURN, KILL))
    filters = ctypes.create_string_buffer(b"".join(code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                      (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
        if libc.prctl(*arguments) != 0:
            sys.exit("prctl: %s" % os.strerror(ctypes.get_errno()))


def step(i):
    return i


def work():
    for i in range(20000):
        sys.audit("x.y", i)
        step(i)
    namespace = {}
    exec("\n".join("def f%d(): sys.audit('x.z%d')" % (i, i) for i in range(300)),
         {"sys": sys}, namespace)
    for function in namespace.values():
        function()


def main():
    confine(map(int, sys.argv[1:]))
    work()
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("child", os.waitpid(pid, 0)[1])


main()
