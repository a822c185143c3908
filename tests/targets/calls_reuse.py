# SPDX-License-Identifier: MIT
"""calls_reuse.py N: functions with a name each, whose code objects die at once, so that the next
ones lie at their addresses. Says how many addresses there were."""
import json
import sys


def main(n):
    addresses = set()
    for i in range(n):
        scope = {"__name__": "reused_%d" % i}
        exec("\n" * (i % 50) + "def made_%d(a): return a\nmade_%d(%d)" % (i, i, i), scope)
        addresses.add(id(scope["made_%d" % i].__code__))
        del scope
    print(json.dumps({"addresses": len(addresses)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
