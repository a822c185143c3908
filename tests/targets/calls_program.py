# SPDX-License-Identifier: MIT
"""A program that makes the same calls each time it runs, and what an oracle says these are.

    calls_program.py traced PART...   under auditd-collect --calls: body, threads, limit, times,
                                      raw=N (N threads), waiting, audits; the last line printed
                                      is a JSON object
    calls_program.py said FILE        without: under the oracle of calls_oracle.py

Nothing here dies by `del` of a local variable: up to 3.10, CPython copies the locals of a frame
into a dict for each event of a sys.setprofile function, so that such an object lives until the
next event and dies inside the recorder, unseen. No yield of ours yields None where it could be
taken for an exception.
"""
import calls_window  # first: what is imported from here on is not traced

import _thread
import asyncio
import bisect
import collections
import contextlib
import ctypes
import functools
import gc
import json
import re
import sys
import threading
import time
import types
import weakref


# ---- calls ----

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def is_even(n):
    return n == 0 or is_odd(n - 1)


def is_odd(n):
    return n != 0 and is_even(n - 1)


def recursion():
    fib(9)
    is_even(25)

    def closure(n):
        return n and closure(n - 1)
    closure(5)
    (lambda x: (
        lambda y: x + y)(1))(2)
    ackermann = lambda m, n: n + 1 if m == 0 else ackermann(m - 1, 1) if n == 0 \
        else ackermann(m - 1, ackermann(m, n - 1))  # noqa: E731
    ackermann(2, 2)


def arguments(a, b=2, *rest, c=3, **more):
    return a, b, rest, c, more


def forms_of_calls():
    arguments(1)
    arguments(1, 2, 3, c=4, d=5)
    arguments(*[1, 2], **{"c": 3})
    functools.partial(arguments, 1)(2)
    len([])
    len(*[[]])
    print(end="", *[])
    [].append(1)
    list.append([], 1)
    append = [].append
    for i in range(3):
        append(i)
    "".join(["a", "b"])
    "a b".split(None, maxsplit=1)
    dict.fromkeys("ab")
    object.__new__(Plain)
    isinstance(1, int), hasattr(1, "real"), getattr(1, "imag"), max(1, 2), sum([1, 2])
    collections.deque([1]).append(2)
    collections.OrderedDict(a=1).move_to_end("a")
    int("3"), str(4), list("ab"), dict(a=1)  # classes: no oracle counts them


class Meta(type):
    def __call__(cls, *args):
        return super().__call__(*args)

    def __prepare__(name, bases):
        return {}


class Plain:
    pass


class Fancy(metaclass=Meta):
    def __new__(cls, *args):
        return super().__new__(cls)

    def __init__(self, value=0):
        self.value = value

    def __call__(self, x):
        return x

    def __getattr__(self, name):
        if name == "missing":
            raise AttributeError(name)
        return name

    def __getitem__(self, i):
        if i > 3:
            raise IndexError(i)
        return i

    def __len__(self):
        return 3

    def __bool__(self):
        return True

    def __eq__(self, other):
        return self.value == other.value

    def __lt__(self, other):
        return self.value < other.value

    def __hash__(self):
        return hash(self.value)

    def __add__(self, other):
        return NotImplemented

    def __radd__(self, other):
        return self.value + other

    def __contains__(self, x):
        return x == 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return True

    def __repr__(self):
        return "Fancy"

    def __del__(self):
        self.value = None

    @property
    def prop(self):
        return self.value

    @prop.setter
    def prop(self, value):
        self.value = value

    @classmethod
    def of_class(cls):
        return cls

    @staticmethod
    def of_nobody():
        return 1


class Slots:
    __slots__ = ("a", "__weakref__")

    def __init__(self, a):
        self.a = a


class Derived(list):
    def __getattribute__(self, name):
        return super().__getattribute__(name)

    def both(self):
        self.append(1)
        return len(self)


def cycle():
    this = Fancy(0)
    this.value = this


def protocols():
    a, b = Fancy(1), Fancy(2)
    a(1), a.anything, hasattr(a, "missing")
    list(a), a[0], len(a), bool(a), a == b, a < b, {a, b}, 1 in a, 3 + b
    with a:
        raise ValueError
    with contextlib.suppress(TypeError):
        a + b
    repr(a), "%r" % a, f"{a!r}"
    a.prop = 3
    a.prop, Fancy.of_class(), a.of_nobody()
    for i in range(5):
        Slots(i)
    sorted([Fancy(3), Fancy(1), Fancy(2)])
    Derived().both()
    cycle()
    gc.collect()


def classes():
    class Local:
        class Inner:
            def method(self):
                return [x for x in range(3)], {x for x in range(2)}, {x: x for x in range(2)}

        def __init_subclass__(cls):
            cls.seen = True

        def __set_name__(self, owner, name):
            self.name = name

    class Sub(Local):
        attribute = Local()

    Local.Inner().method()
    types.new_class("Made", (Sub,))

    @functools.wraps(fib)
    def wrapped():
        return 1
    wrapped()

    @functools.lru_cache(maxsize=None)
    def cached(n):
        return n
    cached(1), cached(1), cached(2)


# ---- generators ----

def count_to(n):
    for i in range(1, n + 1):
        yield i


def with_finally():
    try:
        yield 1
        yield 2
    finally:
        is_even(1)


def catches():
    while True:
        try:
            yield "again"
        except ValueError:
            yield "caught"


def delegates(n):
    if n:
        result = yield from delegates(n - 1)
        return result + 1
    yield "bottom"
    return 0


def raises_inside():
    yield 1
    raise KeyError("inside")




def generators():
    list(count_to(5))
    sum(x * x for x in range(4))
    any(x > 1 for x in count_to(9))
    for _ in with_finally():
        break  # closed as it is dropped
    g = with_finally()
    next(g)
    g.close()
    g = catches()
    next(g), g.throw(ValueError), g.send(None), g.throw(ValueError())
    try:
        g.throw(KeyError("not mine"))
    except KeyError:
        pass
    try:
        next(g)
    except StopIteration:
        pass
    list(delegates(4))
    g = delegates(3)
    next(g)
    try:
        g.throw(ZeroDivisionError)
    except ZeroDivisionError:
        pass
    held = [delegates(3)]
    next(held[0])
    held.clear()  # closed as it dies
    try:
        list(raises_inside())
    except KeyError:
        pass
    count_to(3)  # never begun
    count_to(3).close()
    try:
        count_to(3).throw(KeyError)
    except KeyError:
        pass
    next(count_to(0), None)
    [*zip(count_to(3), count_to(2))]
    a, *b = count_to(4)


# ---- coroutines, driven by hand ----

class Awaitable:
    def __init__(self, n):
        self.n = n

    def __await__(self):
        for i in range(self.n):
            yield "wait"
        return self.n


@types.coroutine
def old_style(n):
    yield "old"
    return n


async def awaits(n):
    if n:
        return await awaits(n - 1) + 1
    return await Awaitable(2) + await old_style(1)


class AsyncThings:
    def __init__(self):
        self.left = 3

    async def __aenter__(self):
        await Awaitable(1)
        return self

    async def __aexit__(self, *error):
        await Awaitable(1)
        return True

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.left -= 1
        if self.left < 0:
            raise StopAsyncIteration
        await Awaitable(self.left)
        return self.left


async def async_numbers(n):
    try:
        for i in range(n):
            await Awaitable(1)
            yield i
    finally:
        await Awaitable(1)


async def async_syntax():
    async with AsyncThings() as things:
        async for _ in things:
            pass
        raise ValueError
    [x async for x in async_numbers(3) if x]
    g = async_numbers(3)
    await g.__anext__()
    await g.asend(None)
    await g.aclose()
    g = async_numbers(3)
    await g.__anext__()
    try:
        await g.athrow(KeyError("thrown"))
    except KeyError:
        pass
    return [x async for x in async_numbers(1)]


def drive(coroutine):
    n = 0
    try:
        while True:
            coroutine.send(None)
            n += 1
    except StopIteration:
        return n


def coroutines():
    drive(awaits(4))
    drive(async_syntax())
    c = awaits(2)
    c.send(None)
    try:
        c.throw(KeyError("in"))
    except KeyError:
        pass
    c = awaits(2)
    c.send(None)
    c.close()
    awaits(0).close()  # never begun


# ---- exceptions ----

def falls(n):
    if n:
        return falls(n - 1)
    raise LookupError("from the bottom")


def falls_with_finally(n):
    try:
        if n:
            return falls_with_finally(n - 1)
        raise LookupError("from the bottom")
    finally:
        is_odd(1)


def reraises(n):
    try:
        return reraises(n - 1) if n else falls(2)
    except LookupError as error:
        raise KeyError("another") from error


def swallows():
    with contextlib.suppress(ValueError):
        raise ValueError
    return 1


def key_that_raises(x):
    if x == 2:
        raise LookupError(x)
    return x


def calls_that_fail(*functions):
    for f in functions:
        try:
            f()
        except (Exception, SystemExit):
            pass


def exceptions():
    calls_that_fail(lambda: falls(50), lambda: falls_with_finally(10), lambda: reraises(5),
                    swallows, lambda: [].pop(), lambda: next(iter([])), lambda: len(3),
                    lambda: "".join([1]), lambda: {}["no"], lambda: 1 + "",
                    lambda: sorted([1, 2, 3], key=key_that_raises),
                    lambda: list(map(key_that_raises, [1, 2])),
                    lambda: [key_that_raises(x) for x in (1, 2)],
                    lambda: list(key_that_raises(x) for x in (1, 2)),
                    lambda: sys.exit(3), lambda: arguments(), lambda: fib(), lambda: int("x"),
                    lambda: getattr(3, "nothing"), lambda: open("/nowhere/nothing"))


# ---- C functions that call back ----

def by_value(x):
    return -x


def plus(a, b):
    return a + b


def upper(match):
    return match.group().upper()


COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                           ctypes.POINTER(ctypes.c_int))
QSORT = ctypes.CDLL(None).qsort


def compare_ints(a, b):
    return a[0] - b[0]


def countdown(state=[0]):
    state[0] = (state[0] + 1) % 4
    return state[0]


def died(reference):
    return None


references = []


def drops_referenced(thing):
    references[:] = [weakref.ref(thing, died)]


def nested_key(x):
    return max([x, 1], key=by_value)


def callbacks():
    sorted([3, 1, 2], key=by_value)
    [2, 1].sort(key=by_value)
    sorted([3, 1, 2], key=nested_key)
    sorted([3, 1, 2], key=functools.cmp_to_key(lambda a, b: a - b))
    list(map(by_value, range(4)))
    list(filter(by_value, range(4)))
    functools.reduce(plus, range(5))
    min([1, 2], key=by_value)
    re.sub("[a-c]", upper, "abcd")
    list(iter(countdown, 0))
    bisect.bisect([Fancy(1), Fancy(2)], Fancy(1))
    array = (ctypes.c_int * 3)(3, 2, 1)
    QSORT(array, 1, ctypes.sizeof(ctypes.c_int), COMPARE(compare_ints))
    drops_referenced(Slots(1))
    {}.setdefault(Fancy(1), 2)
    counts = collections.defaultdict(countdown)
    counts["a"]
    exec("by_value(1)", {"by_value": by_value})
    eval("by_value(2)", {"by_value": by_value})


# ---- code made on the way ----

SOURCES = {8: """
def made(n):
    class Made:
        def method(self): return n
    return Made().method()
made(1); [made(x) for x in (1, 2)]; (lambda: made(3))()
""", 10: """
def matched(x):
    match x:
        case [a, b]: return made(a)
        case {"k": v}: return v
def made(n): return n
matched([1, 2]); matched({"k": 1})
""", 11: """
def grouped():
    try:
        raise ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [TypeError(2)])])
    except* ValueError: made(1)
    except* TypeError: made(2)
def made(n): return n
grouped()
""", 12: """
type Alias[T] = list[T]
def generic[T](x: T) -> T: return x
class Generic[T]:
    def method[U: int](self, x): return generic(x)
Generic().method(1); Alias.__value__; f"{generic('x')!r:>{generic(4)}}"
""", 14: """
def annotated(a: made(1), b: "text" = 2): return a
def made(n): return n
annotated.__annotations__; annotated(1); t"{made(2)}"
""", 15: """
def merged(*many): return [*x for x in many], {**x for x in [{1: 2}]}
merged([1], [2, 3])
"""}


def made_code():
    for version, source in SOURCES.items():
        if sys.version_info >= (3, version):
            exec(compile(source, "<made %d>" % version, "exec"), {"__name__": "made"})


CORE = [recursion, forms_of_calls, protocols, classes, generators, coroutines, exceptions,
        callbacks, made_code]


# ---- other threads, and a loop ----

async def sleeps(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n


async def produces(queue, n):
    for i in range(n):
        await queue.put(i)


async def consumes(queue, n):
    return [await queue.get() for _ in range(n)]


async def never():
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        is_even(2)


async def gathers():
    queue = asyncio.Queue(2)
    await asyncio.gather(*(sleeps(n) for n in range(4)), produces(queue, 5), consumes(queue, 5))
    task = asyncio.ensure_future(never())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    async for _ in async_sleeper(2):
        pass


async def async_sleeper(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


def loop():
    event_loop = asyncio.new_event_loop()
    try:
        event_loop.run_until_complete(gathers())
    finally:
        event_loop.close()


def works(n):
    recursion()
    generators()
    exceptions()
    for i in range(n):
        [].append(fib(3))


class Worker(threading.Thread):
    def run(self):
        works(5)
        falls(3)


def quiet(*args):
    pass


def threads():
    many = [threading.Thread(target=works, args=(n,)) for n in range(1, 5)]
    many += [threading.Thread(target=drive, args=(awaits(3),)), Worker()]
    many += [threading.Thread(target=fib, args=(10,), daemon=True)]
    for t in many:
        t.start()
    for t in many:
        t.join()


def raw_step():
    return 1


def raw_work(lock):
    raw_step()
    lock.release()


def raw_threads(n):
    """Nobody tells these threads anything, so the oracle is arithmetic."""
    for _ in range(n):
        lock = _thread.allocate_lock()
        lock.acquire()
        _thread.start_new_thread(raw_work, (lock,))
        lock.acquire()


def after_waiting():
    fib(8)


def waits(lock):
    with lock:
        pass
    after_waiting()


def threads_from_before(lock):
    waiting = [threading.Thread(target=waits, args=(lock,)) for _ in range(4)]
    for t in waiting:
        t.start()
    return waiting


def audits(n):
    if n:
        audits(n - 1)
    sys.audit("calls.mark", n)


def body():
    for scenario in CORE:
        scenario()


def body_with_threads():
    loop()
    threads()


# ---- to the limit: a Python callback has no room there, so the program counts for itself ----

LIMIT = 400
entered = 0


def dives(n):
    global entered
    entered += 1
    return dives(n + 1)


def dives_by_key(x):
    global entered
    entered += 1
    return sorted([1], key=dives_by_key)


def limit():
    global entered
    entered = 0
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(LIMIT)
    for dive in (dives, dives_by_key):
        try:
            dive(1)
        except RecursionError:
            pass
    sys.setrecursionlimit(before)
    return entered


# ---- what takes time ----

def naps(n):
    time.sleep(0.003)
    return n and naps(n - 1)


def spins():
    for _ in range(100000):
        pass


def times():
    begin = time.perf_counter_ns()
    spins()
    middle = time.perf_counter_ns()
    naps(4)
    return {"spins": middle - begin, "naps": time.perf_counter_ns() - middle}


def main():
    gc.disable()
    sys.unraisablehook = threading.excepthook = quiet
    how, parts = sys.argv[1], sys.argv[2:]
    body(), body_with_threads()  # caches are filled, and code is specialised
    before = limit()
    if how == "said":
        import calls_oracle
        calls_oracle.save(parts[0], body, body_with_threads, limit)
        return
    said = {}
    lock = threading.Lock()
    lock.acquire()
    waiting = threads_from_before(lock) if "waiting" in parts else []
    calls_window.begin()
    for part in parts:
        name, _, n = part.partition("=")
        if name == "body":
            body()
        elif name == "threads":
            body_with_threads()
        elif name == "limit":
            said["limit"] = before, limit()
        elif name == "times":
            said["times"] = times()
        elif name == "raw":
            raw_threads(int(n))
        elif name == "audits":
            audits(3)
        elif name == "waiting":
            lock.release()
            for t in waiting:
                t.join()
    calls_window.stop()
    print(json.dumps(said))


if __name__ == "__main__":
    main()
