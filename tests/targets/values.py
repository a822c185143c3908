# SPDX-License-Identifier: MIT
"""sys.audit() with everything that can stand in an argument, and names of every kind."""
import array
import collections
import enum
import sys

import oracle


class Text(str):
    """Not exactly a str."""

    def __repr__(self):
        raise RuntimeError("the hook ran Python code")

    __str__ = __hash__ = __eq__ = __len__ = __iter__ = __repr__


class Number(enum.IntEnum):
    ONE = 1


class Meta(type):
    def __getattribute__(cls, name):
        raise RuntimeError("the hook ran Python code")


class Strange(metaclass=Meta):
    def __getattribute__(self, name):
        raise RuntimeError("the hook ran Python code")

    __repr__ = __str__ = __len__ = __bool__ = __index__ = __fspath__ = __getattribute__


class Keys(dict):
    pass


def numbers():
    for n in (0, 1, -1, 127, 128, -128, -129, 255, 32767, 32768, -32769, 2**31 - 1, 2**31, -2**31,
              -2**31 - 1, 2**53 - 1, 2**53, 1 - 2**53, -2**53, 2**63 - 1, 2**63, -2**63,
              -2**63 - 1, 2**64, 2**127, -2**127, 2**200, -2**200, 3**500, 1 << 4000, -(1 << 4001)):
        sys.audit("values.int", n)
    sys.audit("values.many", *range(300))
    for x in (0.0, -0.0, 1.0, 1.5, -2.25, 0.1, 1e16, 1e22, 1e23, 1.7976931348623157e308, 5e-324,
              2.2250738585072014e-308, 123456789012345680.0, 1 / 3, 1e-7, 1e100, float(2**53),
              float("inf"), float("-inf"), float("nan")):
        sys.audit("values.float", x)


def texts():
    for s in ("", "plain", "caf\u00e9", "\u20ac", "\U0001f40d", "100%", "%41%", "\x00", "a\x00%b",
              "\ud800", "\udfff", "\udcff", "\udc80%", "\ud83d\udc0d", "a\u2028b\u2029c",
              "\x01\x08\t\n\x0b\x0c\r\x1b\x1f\x7f\x80\x9f", "\"\\/", "\ufeff", "\uffff",
              "\U0010ffff", "x" * 254, "x" * 255, "x" * 256, "\u00e9" * 127, "\u00e9" * 128,
              "\u20ac" * 10000, "y" * 40000, "\udcff" * 10000):
        sys.audit("values.str", s)
    for b in (b"", b"plain", b"caf\xc3\xa9", b"\xff", b"\x00", b"100%", b"%\xff", b"\xed\xa0\x80",
              b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", bytes(range(256)), b"z" * 255,
              b"z" * 256, b"z" * 40000, b"\xff" * 20000, b"\xe2\x82"):
        sys.audit("values.bytes", b)


def shapes():
    sys.audit("values.none")
    sys.audit("values.one", None)
    sys.audit("values.several", None, True, False, ..., 1, 2.5, "s", b"b")
    for v in ((), [], {}, (1,), [1, "two", None], (1, (2, (3, 4))), [[[]]], ((((1,),),),),
              [[[[["five deep"]]]]], {"a": 1}, {"a": {"b": {"c": {"d": {"e": 1}}}}},
              {1: "int", "s": 2, None: 3, (1, 2): 4, b"b": 5, 1.5: 6, True: 7},
              {"": 0, "%": 1, "\udcff": 2, "\"": 3}, {"\udcff": 1, "%FF": 2}, {"%": 1, "%25": 2},
              {"_type": "no type", "len": 3}, {"_secret": 1}, {"_dict": [[1, 2]]}, {"_0": 1},
              {"k" * 5000 + "1": 1, "k" * 5000 + "2": 2}, {"\x00": 1, "%00": 2}, [{}], ({"k": [(), {}]},),
              list(range(1000)), tuple("abc" * 100), dict.fromkeys(map(str, range(500)), 0),
              [[i] * 3 for i in range(100)], ["x" * 100] * 100):
        sys.audit("values.shape", v)
    loop = []
    loop.append(loop)
    sys.audit("values.loop", loop)
    around = {}
    around["self"] = around
    sys.audit("values.loop", around)


def mixtures():
    """Across the ends of slots."""
    for n in range(20):
        for i in (1, -1, 300, -300, 70000, -70000, 1 << 40, -1 << 40, 1 << 70):
            sys.audit("values.mixed", *[i] * n)
            sys.audit("values.mixed", *range(n), i)
        for text in ("", "s" * n, "t" * 3 * n, "u" * (240 + n), "\u00e9" * n):
            sys.audit("values.mixed", text, n, None, text)
            sys.audit("values.mixed", *range(n), text, 1 << 20)


def objects():
    for v in (object(), Text("text"), Number.ONE, Strange(), Strange, Keys(a=1), type, int, Meta,
              collections.OrderedDict(a=1), collections.namedtuple("Point", "x y")(1, 2),
              set(), frozenset((1,)), bytearray(b"x"), memoryview(b"x"), range(3), slice(1),
              1j, len, "".join, objects, lambda: 0, (x for x in ()), sys, NotImplemented,
              array.array("i"), iter([]), Exception("x"), sys.version_info, collections.deque(),
              collections.defaultdict(list)):
        sys.audit("values.object", v)


def names():
    for i in range(6000):
        sys.audit("values.name.%d" % i, i)  # made at run time: the memory is used again
        sys.audit("%04d.values.name.of.some.length" % (i % 100), i)
    for name in ("", "n", "caf\u00e9", "\U0001f40d", "with space", "new\nline", "quote\"", "%",
                 "nul\0inside", "\u2028", "x" * 300, "y" * 9000):
        try:
            sys.audit(name, len(name))
        except ValueError:  # 3.14 and later: no NUL in a name
            sys.audit("values.refused")
    for name in ("open", "os.listdir", "compile", "socket.connect", "import", "os.putenv"):
        sys.audit(name)  # known names with other arguments than usual
        sys.audit(name, None)
        sys.audit(name, 1, 2, 3, 4, 5, 6, 7, 8, 9)
        sys.audit(name, [], {}, ())
        sys.audit(name, "p", "q", "r")


def large():
    """Around and above what one record takes."""
    for n in (16000, 32000, 65000, 65536, 70000, 1 << 20):
        sys.audit("values.large", "x" * n)
        sys.audit("values.large", b"x" * n, "after")
        sys.audit("values.large", ["y" * 1000] * (n // 1000), "after")
        sys.audit("values.large", "\u20ac" * (n // 3))
    sys.audit("values.large", "a" * 60000, "b" * 60000, 3)


def main():
    numbers()
    texts()
    shapes()
    mixtures()
    objects()
    names()
    large()


if __name__ == "__main__":
    oracle.run(main)
