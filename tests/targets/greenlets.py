# SPDX-License-Identifier: MIT
"""Greenlets that call one another's functions, raise, yield and change at random: SEED STEPS.

Keeps its own account, and prints it as one line of JSON: each call of the functions below as
[function, greenlet, time inside, time outside] (in ns, of the same clock, by the function and by
its caller), in the order in which they began; and the order of all beginnings and ends.
"""
import json
import random
import sys
import threading
import time

import greenlet

clock = time.perf_counter_ns


class Quit(Exception):
    pass


class Inside:
    """The time between, on the account of one call."""

    def __init__(self, walk, number):
        self.walk, self.number = walk, number

    def __enter__(self):
        self.walk.order.append(["call", self.number])
        self.call = self.walk.calls[self.number]
        self.call[1] = getattr(greenlet.getcurrent(), "number", 0)
        self.call[2] = -clock()

    def __exit__(self, *_):
        self.call[2] += clock()
        self.walk.order.append(["return", self.number])


class Walk:
    """One thread's greenlets."""

    def __init__(self, seed, steps):
        self.random = random.Random(seed)
        self.steps, self.made = steps, 0
        self.calls, self.order = [], []
        self.main = greenlet.getcurrent()
        self.alive = []

    def run(self):
        sys.audit("calls.mark")
        while self.steps > 0:
            self.one(0)
        while self.alive:
            self.switch_to(self.random.choice(self.alive))
        return self

    # what is measured

    def measured(self, function, depth):
        number = len(self.calls)
        self.calls.append([function.__name__, None, None, None])
        before = clock()
        try:
            return function(self, number, depth)
        finally:
            self.calls[number][3] = clock() - before

    # what happens

    def one(self, depth):
        dice = self.random.random()
        self.steps -= 1
        if dice < 0.35 and depth < 12:
            try:
                self.measured(self.random.choice(FUNCTIONS), depth + 1)
            except Quit:
                pass
        elif dice < 0.5 and len(self.alive) < 12 and depth < 4:
            self.spawn()
        elif dice < 0.85 and self.alive:
            self.switch_to(self.random.choice(self.alive + [self.main]))
        elif dice < 0.87 and self.alive:
            self.random.choice(self.alive).throw(greenlet.GreenletExit)
        elif dice < 0.9:
            time.sleep(0.0003)
        elif dice < 0.93 and depth > 0:
            raise Quit

    def spawn(self):
        self.made += 1
        new = greenlet.greenlet(self.random.choice([self.body, self.in_a_generator().__next__]))
        new.number = self.made
        self.alive.append(new)
        new.switch()

    def body(self):
        try:
            self.measured(outermost, 0)
        except Quit:
            pass
        finally:
            self.alive.remove(greenlet.getcurrent())

    def in_a_generator(self):
        self.body()
        yield

    def switch_to(self, other):
        if other is not greenlet.getcurrent() and not other.dead:
            other.switch()

    def some(self, depth):
        for _ in range(self.random.randrange(1, 8)):
            if self.steps <= 0:
                return
            self.one(depth)


def first(walk, number, depth):
    with Inside(walk, number):
        walk.some(depth)


def second(walk, number, depth):
    with Inside(walk, number):
        walk.one(depth)
        walk.one(depth)


def outermost(walk, number, depth):
    with Inside(walk, number):
        walk.some(depth)
        for _ in generator(walk, depth):
            walk.some(depth)


def generator(walk, depth):
    for _ in range(3):
        walk.one(depth)
        yield
        walk.one(depth)


FUNCTIONS = [first, first, second]


def walk(accounts, seed, steps):
    done = Walk(seed, steps).run()
    accounts[threading.get_native_id()] = {"calls": done.calls, "order": done.order}


def main(seed, steps):
    accounts = {}
    thread = threading.Thread(target=walk, args=(accounts, seed + 1, steps))
    thread.start()
    walk(accounts, seed, steps)
    thread.join()
    print(json.dumps(accounts))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
