# SPDX-License-Identifier: MIT
"""Two greenlets call the same function from memory that the first one, which lives, has given back:
from the same frame (up to 3.10 a function's is kept for its next call), and from the same piece of
a greenlet's stack (from 3.11 on). Between the two, no call of `seen` begins or ends. The thread's own
stack calls it before and after, and nothing is open there meanwhile."""
import greenlet


def seen():
    pass


def near():
    seen()


def deep(n):
    return deep(n - 1) if n else seen()


def one(call, *arguments):
    call(*arguments)
    main.switch()


main = greenlet.getcurrent()
alive = []
seen()
for call in [(near,)] + [(deep, n) for n in range(340, 0, -10)]:
    for _ in range(2):
        alive.append(greenlet.greenlet(one))
        alive[-1].switch(*call)
seen()
print(len(alive))
