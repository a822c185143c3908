# SPDX-License-Identifier: MIT
"""A traced program that writes what it likes into its own segment: hostile.py WHAT SEED.

It says its pid, waits for a line, and goes on until it is killed.
"""
import mmap
import os
import random
import struct
import sys

PAGE = 4096
N_IDS, N_LANES, DEFS_BYTES, LANE0_SLOTS, OTHER_SLOTS = range(5)


def pages(n):
    return (n + PAGE - 1) // PAGE * PAGE


class Segment:
    """Where things are, as common/segment.c has it."""

    def __init__(self, path):
        with open(path, "r+b") as f:
            self.fd = os.dup(f.fileno())
            self.size = os.fstat(self.fd).st_size
            self.memory = mmap.mmap(self.fd, self.size)
        sizes = struct.unpack_from("5I", self.memory, 24)
        self.n_ids = sizes[N_IDS]
        self.levels = 2 * PAGE
        self.defs = self.levels + pages(sizes[N_IDS])
        self.defs_bytes = sizes[DEFS_BYTES]
        lanes = self.defs + pages(sizes[DEFS_BYTES])
        slots = PAGE + pages(sizes[N_IDS] * 8)
        other = slots + sizes[OTHER_SLOTS] * 64
        first_other = lanes + slots + sizes[LANE0_SLOTS] * 64
        self.lanes = [lanes] + [first_other + i * other for i in range(sizes[N_LANES] - 1)]
        self.slots = slots
        self.n_slots = [sizes[LANE0_SLOTS]] + [sizes[OTHER_SLOTS]] * (sizes[N_LANES] - 1)

    def put(self, offset, value, form="Q"):
        struct.pack_into(form, self.memory, offset, value)

    def get(self, offset, form="Q"):
        return struct.unpack_from(form, self.memory, offset)[0]


EXTREMES = [0, 1, 2, 63, 4095, 4096, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 46, (1 << 63) - 1,
            1 << 63, (1 << 64) - 1]


def some_number(rng, near=0):
    return rng.choice([rng.choice(EXTREMES), near + rng.randint(-70, 70),
                       rng.getrandbits(rng.randint(1, 64))]) & (1 << 64) - 1


def attack_lanes(s, rng):
    """Positions, sequence numbers, counts, in the first lanes; and how many lanes there are."""
    lane = s.lanes[rng.choice([0, 0, 0, 1, 2, 255])]
    offset = rng.choice([0, 0, 8, 16, 24, 64, 64, 72] + list(range(128, 384, 8)))
    s.put(lane + offset, some_number(rng, s.get(lane + offset)))
    if rng.random() < 0.01:
        s.put(PAGE - 8 - rng.randrange(0, 40) * 8, some_number(rng))
        s.put(used_lanes_at(), rng.choice([0, 1, 2, 3, 255, 256, 257, 1 << 40]))


def used_lanes_at():
    # behind events, reveal, stopped, stop_ticks and 16 reasons
    return 160 + 1024 + 512 + 8 + 8 + 16 * 8


def attack_slots(s, rng):
    """Records: heads that promise too much, kinds that do not exist, arguments of any shape."""
    lane = rng.choice([0, 0, 0, 1])
    base, n = s.lanes[lane] + s.slots, 4096
    head = s.get(s.lanes[lane])
    for _ in range(16):
        at = base + ((head + rng.randint(-8, 60)) % s.n_slots[lane] % n) * 64
        kind = rng.random()
        if kind < 0.5:
            k, seq = rng.choice([0, 1, 1, 2, 3, 1024, 2047]), s.get(s.lanes[lane] + 16)
            w0 = 1 << 63 | k << 52 | rng.choice([0, 1, 1, 2, 63]) << 46 | \
                (seq + rng.randint(-3, 3)) & (1 << 46) - 1
            s.put(at, w0)
            s.put(at + 16, rng.getrandbits(32) << 32 | rng.choice([0, 1, 2, 9, 50, 1 << 30]))
        s.memory[at + 24:at + 64] = rng.getrandbits(320).to_bytes(40, "little")
    s.put(s.lanes[lane] + 16, s.get(s.lanes[lane] + 16) + 3 & (1 << 64) - 1)
    s.put(s.lanes[lane], head + rng.choice([1, 2, 3]) & (1 << 64) - 1)


def attack_defs(s, rng):
    """Definitions, those taken in already and those to come."""
    used = s.get(s.defs)
    at = s.defs + rng.choice([0, rng.randrange(0, 60000) & ~7, min(used, 60000) & ~7])
    s.put(at, some_number(rng, s.get(at)))


def attack_used(s, rng):
    """How much of the definitions there is."""
    sleep(0.1)
    s.put(s.defs, 1 << 40)


def attack_identity(s, rng):
    """The header, after it was found good, and the control region."""
    s.put(rng.randrange(0, 2 * PAGE // 8) * 8, some_number(rng))


def attack_all(s, rng):
    rng.choice([attack_lanes, attack_slots, attack_defs, attack_identity])(s, rng)
    s.memory[s.levels + rng.randrange(4096)] = rng.randrange(256)


def attack_counters(s, rng):
    """Counts that overflow when they are added up."""
    for lane in s.lanes[:2]:
        s.put(lane + PAGE + 8 * rng.randrange(512), some_number(rng))


def attack_size(s, rng):
    size = rng.choice([0, PAGE, 2 * PAGE, s.defs, s.lanes[0] + 100, s.lanes[0] + s.slots, s.size])
    os.truncate(s.fd, size)
    sleep(rng.random() * 0.02)


def attack_size_once(s, rng):
    os.truncate(s.fd, s.lanes[0] + s.slots + 2 * PAGE)
    sleep(1)


def attack_head(s, rng):
    """More than the ring holds."""
    s.put(s.lanes[0], s.get(s.lanes[0] + 64) + s.n_slots[0] + 1)
    sleep(0.01)


def attack_grow(s, rng):
    os.truncate(s.fd, s.size + rng.randrange(1, 1 << 30))
    sys.audit("hostile.event", "as ever")
    sleep(0.01)


def attack_nothing(s, rng):
    sleep(1)


def forge(path, mode=0):
    """Another segment of this process, whose header promises as much as a header may, and whose
    lanes say that their rings are full. Nobody has that much memory: it is holes."""
    with open(path, "rb") as f:
        header = bytearray(f.read(PAGE))
    nonce = 0x12345678 + mode
    n_ids, n_lanes, lane0, other = 1 << 20, 1024, (1 << 30) // 64, (16 << 20) // 64
    defs_bytes, = struct.unpack_from("I", header, 32)
    struct.pack_into("5I", header, 24, n_ids, n_lanes, defs_bytes, lane0, other)
    struct.pack_into("I", header, 44, mode)
    struct.pack_into("I", header, 112, nonce)
    struct.pack_into("Q", header, used_lanes_at(), n_lanes)
    defs = 2 * PAGE + pages(n_ids)
    slots = PAGE + pages(n_ids * 8)
    lanes = defs + pages(defs_bytes)
    size = lanes + n_lanes * slots + (lane0 + (n_lanes - 1) * other) * 64 + pages(32 * n_ids)
    forged = path.rpartition(".")[0] + ".%08x" % nonce
    new = os.path.join(os.path.dirname(path), "new.%d" % mode)
    with open(new, "w+b") as f:
        os.fchmod(f.fileno(), 0o600)
        os.truncate(f.fileno(), size)
        f.write(header)
        f.flush()
        for lane in range(n_lanes):
            at = lanes + (slots + lane0 * 64 + (lane - 1) * (slots + other * 64) if lane else 0)
            n = other if lane else lane0
            os.pwrite(f.fileno(), struct.pack("3Q", n, n, n), at)
        memory = mmap.mmap(f.fileno(), defs + PAGE)
    memory[defs:defs + 8] = struct.pack("Q", 8)
    memory[defs + 64:defs + 72] = struct.pack("IHH", n_ids - 1, 1, 0)
    os.rename(new, forged)
    return memory  # as long as it is mapped, it is that of a living process


def fill(s):
    """Every definition that there is room for: half of the ids with no name at all, then functions
    whose names are as long as can be."""
    used, end, parts = s.get(s.defs), s.defs_bytes - 64, []
    for number in range(1 << 10, s.n_ids // 2):
        parts.append(struct.pack("IHH", number, 1, 0))
    used += 8 * len(parts)
    for number in range(s.n_ids // 2, s.n_ids):
        if used + 8200 > end:
            break
        parts.append(struct.pack("IHHI", number, 2, 8192, 7) + b"m\0f\0" + b"q" * 8183 + b"\0")
        used += 8200
    at = s.defs + 64 + s.get(s.defs)
    body = b"".join(parts)
    s.memory[at:at + len(body)] = body
    s.put(s.defs, used)


if __name__ == "__main__":
    import pyauditd
    from time import sleep

    what, seed = sys.argv[1:3]
    path = "/dev/shm" + pyauditd.status()["segment"]
    segment, forged = Segment(path), what == "promise" and [forge(path), forge(path, 1)]
    attack, random_numbers = globals().get("attack_" + what, attack_nothing), random.Random(int(seed))
    for i in range(100):
        sys.audit("hostile.event", i, "x" * i)
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    if what == "fill":
        fill(segment)
    while True:
        try:
            attack(segment, random_numbers)
        except (IndexError, ValueError, struct.error):
            pass
