# SPDX-License-Identifier: MIT
"""Another file of calls_filters.py."""


def helps(n):
    return len([inner(i) for i in range(n)])


def inner(i):
    return abs(i)


class Kept:
    def method(self):
        return max(helps(1), 2)

    def other(self):
        return self.method()
