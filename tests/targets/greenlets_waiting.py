# SPDX-License-Identifier: MIT
"""As many greenlets as the argument says wait for one another, each inside two calls. Prints how
many came back."""
import sys

import greenlet


def wait(number):
    main.switch()
    return number


def work(number):
    return wait(number) + 1


main = greenlet.getcurrent()
waiting = [greenlet.greenlet(work) for _ in range(int(sys.argv[1]))]
for number, one in enumerate(waiting):
    one.switch(number)
print(len([one.switch() for one in waiting]))
