# SPDX-License-Identifier: MIT
"""So many opens, imports and calls of a function, as argv says, and no others of them; then a line
on stdout, and the end of stdin is waited for."""
import os
import sys

opens, imports, calls = map(int, sys.argv[1:4])
audit = sys.audit


def counted(n):
    return n


name = os.devnull
for _ in range(opens):
    audit("counted.open", name, "r", 0)
for _ in range(imports):
    audit("counted.import", "counted")
for i in range(calls):
    counted(i)
print("done", flush=True)
sys.stdin.read()
